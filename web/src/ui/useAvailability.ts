// How much is left of an event in a list: lists leave it out, so it is asked for when the card comes into sight.
import { useEffect, useRef, useState } from "preact/hooks";
import { getEvent } from "../api/endpoints";
import type { EventView } from "../api/types";

type Availability = NonNullable<EventView["availability"]>;

export function useAvailability(event: EventView): {
  ref: { current: HTMLLIElement | null };
  availability: Availability | undefined;
} {
  const ref = useRef<HTMLLIElement>(null);
  const [found, setFound] = useState(event.availability);
  useEffect(() => {
    const card = ref.current;
    if (found || !card || event.status === "cancelled") return;
    const seen = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      seen.disconnect();
      // Without an answer the card simply does not say.
      getEvent(event.id).then(
        (full) => setFound(full.availability),
        () => undefined,
      );
    });
    seen.observe(card);
    return () => seen.disconnect();
  }, [event.id]);
  return { ref, availability: found };
}
