// The way to the conversation with the organizer, where the event gives its buyers one.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { findConversation, getEvent } from "../api/endpoints";
import type { Booking } from "../api/types";
import { Link } from "../lib/router";
import { useLoad } from "../ui/basics";

// It is made a moment after the booking was confirmed.
const AGAIN_MS = 2000;
const TRIES = 10;

export function Talk({ booking }: { booking: Booking }): JSX.Element | null {
  const [chat, setChat] = useState<string | null>(null);
  const event = useLoad(`event ${booking.event_id}`, () => getEvent(booking.event_id));
  const mayTalk = event.data?.buyer_chat === true;

  useEffect(() => {
    let gone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (tries: number): Promise<void> => {
      // Where no chat runs there is none to be found.
      const found = await findConversation(booking.event_id).catch(() => undefined);
      if (gone || found === undefined) return;
      setChat(found);
      if (!found && tries > 1) timer = setTimeout(() => void ask(tries - 1), AGAIN_MS);
    };
    if (mayTalk) void ask(TRIES);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [booking.event_id, mayTalk]);

  if (!chat) return null;
  return (
    <p>
      <Link class="button" href={`/chat/${chat}`}>
        Write to the organizer
      </Link>
    </p>
  );
}
