// A board that follows the event for as long as the component is there.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Problem } from "../api/client";
import { getAvailability, getSeatBits, livePath } from "../api/endpoints";
import { SeatBoard, type AreaCount } from "../map/board";
import type { SeatModel } from "../map/model";
import { LiveFeed, type FeedMode } from "./feed";

export interface LiveBoard {
  board: SeatBoard;
  mode: FeedMode;
  /** Why the states can't be had, while there are none. */
  error: unknown;
  /** There is something to show. */
  isKnown: boolean;
  refresh(): void;
}

async function poll(event: string, board: SeatBoard, signal: AbortSignal): Promise<void> {
  const { areas: mapAreas } = board.model;
  const [bits, counts] = await Promise.all([
    getSeatBits(event, signal),
    mapAreas.length > 0 ? getAvailability(event, signal) : null,
  ]);
  const indexOf = new Map(mapAreas.map(({ id }, index) => [id, index]));
  const areas = (counts?.areas ?? []).flatMap(({ id, available }): AreaCount[] => {
    const index = indexOf.get(id);
    return index === undefined ? [] : [[index, available]];
  });
  board.replace(bits, areas);
}

const AGAIN_MS = 2000;

const isFinal = (error: unknown): boolean =>
  error instanceof Problem && (error.status === 403 || error.status === 404);

export function useBoard(
  event: string,
  model: SeatModel,
  mapVersion: string | undefined,
  /** Looks what is to be done about a refusal; after that it is tried once more. */
  onRefused: (problem: Problem) => Promise<void>,
): LiveBoard {
  const board = useMemo(() => new SeatBoard(model), [model]);
  const [mode, setMode] = useState<FeedMode>("starting");
  const [error, setError] = useState<unknown>(null);
  const [isKnown, setKnown] = useState(false);
  const [round, setRound] = useState(0);
  const feed = useRef<LiveFeed | null>(null);
  const refused = useRef(onRefused);
  refused.current = onRefused;

  useEffect(() => {
    let again: ReturnType<typeof setTimeout> | undefined;
    const live = new LiveFeed({
      board,
      mapVersion,
      open: (lastId) => new EventSource(livePath(event, lastId)),
      poll: (signal) => poll(event, board, signal),
      isVisible: () => document.visibilityState === "visible",
      onMode: (next) => {
        setMode(next);
        if (next !== "stale" && next !== "over") {
          setKnown(true);
          setError(null);
        }
      },
      onRefused: (problem) => {
        setError(problem);
        if (!isFinal(problem)) return true;
        void refused.current(problem as Problem).finally(() => {
          again = setTimeout(() => setRound((count) => count + 1), AGAIN_MS);
        });
        return false;
      },
    });
    feed.current = live;
    const wake = (): void => live.wake();
    const online = (): void => live.reconnect();
    document.addEventListener("visibilitychange", wake);
    window.addEventListener("online", online);
    live.start();
    return () => {
      clearTimeout(again);
      document.removeEventListener("visibilitychange", wake);
      window.removeEventListener("online", online);
      live.stop();
    };
  }, [event, board, round]);

  return { board, mode, error, isKnown, refresh: () => feed.current?.refresh() };
}
