// The live side of a map: seat states and area counters, asked for again every few seconds while the page is looked at.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { getAvailability, getSeatBits } from "../api/endpoints";
import { decodeSeatBits } from "../lib/seatbits";
import type { SeatModel } from "../map/model";

const POLL_MS = 4000;
const POLL_FAILING_MS = 10000;

export interface SeatStates {
  states: Uint8Array;
  version: number;
  areaAvailable: ReadonlyMap<string, number>;
  isStale: boolean;
  refresh(): Promise<void>;
}

export function useSeatStates(event: string, model: SeatModel, initial: Uint8Array): SeatStates {
  const states = useRef<Uint8Array>(null!);
  if (states.current === null || states.current.length !== model.count) {
    states.current = new Uint8Array(model.count);
    decodeSeatBits(initial, model.count, states.current);
  }
  const [version, setVersion] = useState(0);
  const [isStale, setStale] = useState(false);
  const [areaAvailable, setAreas] = useState<ReadonlyMap<string, number>>(new Map());

  const load = useCallback(
    async (signal?: AbortSignal): Promise<void> => {
      const [bits, areas] = await Promise.all([
        getSeatBits(event, signal),
        model.areas.length > 0 ? getAvailability(event, signal) : null,
      ]);
      if (decodeSeatBits(bits, model.count, states.current)) setVersion((value) => value + 1);
      if (areas) setAreas(new Map(areas.areas.map((area) => [area.id, area.available])));
    },
    [event, model],
  );

  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const round = async (): Promise<void> => {
      let pauseMs = POLL_MS;
      try {
        if (document.visibilityState === "visible") await load(stop.signal);
        setStale(false);
      } catch {
        if (stop.signal.aborted) return;
        setStale(true);
        pauseMs = POLL_FAILING_MS;
      }
      if (!stop.signal.aborted) timer = setTimeout(round, pauseMs * (0.9 + Math.random() * 0.2));
    };
    const wake = (): void => {
      if (document.visibilityState !== "visible") return;
      clearTimeout(timer);
      void round();
    };
    if (model.areas.length > 0) void round();
    else timer = setTimeout(round, POLL_MS);
    document.addEventListener("visibilitychange", wake);
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", wake);
    };
  }, [load, model]);

  const refresh = useCallback(() => load().catch(() => setStale(true)), [load]);
  return { states: states.current, version, areaAvailable, isStale, refresh };
}
