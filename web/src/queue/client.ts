// Waits in one event's room: asks for the room while the person has no place in it, for their entry while they have, as
// often as the server says, and keeps the admission fresh. All of it is the server's to know: a reload, a second tab or
// another device of the same account asks and finds the same place.
import { NetworkError, Problem } from "../api/client";
import { setAdmission } from "./admission";
import { isEntryOpen, type QueueEntry, type Room } from "./types";

export interface RoomApi {
  room(signal: AbortSignal): Promise<Room>;
  join(): Promise<QueueEntry>;
  entry(id: string, signal: AbortSignal): Promise<QueueEntry>;
  leave(id: string): Promise<void>;
}

export interface RoomView {
  /** null: not known yet. */
  room: Room | null;
  /** The person's place, or how it ended. */
  entry: QueueEntry | null;
  /** The line is cut; the place is kept meanwhile. */
  isOffline: boolean;
  error: unknown;
  busy: boolean;
}

export const POLL_MIN_MS = 500;
export const POLL_MAX_MS = 60_000;
export const SPREAD_MS = 3000;
/** So long a large crowd may be told to wait for the next question. */
const ENTRY_POLL_MAX_MS = 30 * 60_000;
const ROOM_POLL_MS = 10_000;
const FAILING_MS = 3000;
const FAILING_MAX_MS = 30_000;

type Timer = ReturnType<typeof setTimeout>;

const clamp = (ms: number, max = POLL_MAX_MS): number => Math.min(max, Math.max(POLL_MIN_MS, ms));

/** Milliseconds until the room should be asked for again by somebody without a place; null: never. */
export function roomPollMs(room: Room, nowMs: number, random: number): number | null {
  if (typeof room.poll_after_ms === "number") return clamp(room.poll_after_ms, ENTRY_POLL_MAX_MS);
  switch (room.state) {
    case "over":
      return null;
    case "closed": {
      // Many look at the same clock: they come over some seconds.
      const opensInMs = Date.parse(room.opens_at ?? "") - nowMs;
      return Number.isNaN(opensInMs) ? POLL_MAX_MS : clamp(opensInMs) + random * SPREAD_MS;
    }
    case "off":
      return POLL_MAX_MS;
    default:
      return ROOM_POLL_MS;
  }
}

export class RoomClient {
  view: RoomView = { room: null, entry: null, isOffline: false, error: null, busy: false };
  private timer: Timer | undefined;
  private stop = new AbortController();
  private failures = 0;
  private round: Promise<void> | null = null;

  constructor(
    private readonly event: string,
    private readonly api: RoomApi,
    private readonly now: () => number,
    private readonly onView: (view: RoomView) => void,
    private readonly random: () => number = Math.random,
  ) {}

  start(): void {
    this.stop = new AbortController();
    void this.poll();
  }

  end(): void {
    this.stop.abort();
    this.round = null;
    clearTimeout(this.timer);
  }

  /** Asks now; one question at a time. */
  poll(): Promise<void> {
    clearTimeout(this.timer);
    if (this.round) return this.round;
    const round = this.ask().finally(() => {
      if (this.round === round) this.round = null;
    });
    this.round = round;
    return round;
  }

  async join(): Promise<void> {
    await this.act(async () => this.take(await this.api.join()));
  }

  /** Throws when it was refused: who has an open hold can't leave. */
  async leave(): Promise<void> {
    const { entry } = this.view;
    if (!isEntryOpen(entry)) return;
    try {
      await this.api.leave(entry.id);
      this.take({ ...entry, state: "left", token: null, admitted_until: null });
    } finally {
      void this.poll();
    }
  }

  private async act(work: () => Promise<void>): Promise<void> {
    if (this.view.busy) return;
    clearTimeout(this.timer);
    this.show({ busy: true, error: null });
    try {
      await work();
    } catch (error) {
      this.show({ error });
    }
    this.show({ busy: false });
    void this.poll();
  }

  private show(part: Partial<RoomView>): void {
    this.view = { ...this.view, ...part };
    this.onView(this.view);
  }

  private take(entry: QueueEntry): void {
    setAdmission(this.event, entry.state === "admitted" ? entry.token : null, entry.token_expires_at);
    this.show({ entry, isOffline: false });
  }

  private async ask(): Promise<void> {
    const { signal } = this.stop;
    let pauseMs: number | null;
    try {
      pauseMs = await this.askOnce(signal);
      this.failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      pauseMs = this.fail(error);
    }
    if (signal.aborted || pauseMs === null) return;
    this.timer = setTimeout(() => void this.poll(), pauseMs * (1 + this.random() * 0.1));
  }

  private async askOnce(signal: AbortSignal): Promise<number | null> {
    const { entry } = this.view;
    if (!isEntryOpen(entry)) return this.askRoom(signal);
    try {
      const fresh = await this.api.entry(entry.id, signal);
      if (signal.aborted) return null;
      this.take(fresh);
      this.show({ error: null });
      // How it ended stays to be read; the room says whether one may come again.
      return isEntryOpen(fresh) ? clamp(fresh.poll_after_ms, ENTRY_POLL_MAX_MS) : this.askRoom(signal);
    } catch (error) {
      // Another account, or a place that is no longer known: the room says what there is.
      if (!(error instanceof Problem && error.status === 404)) throw error;
      this.show({ entry: null });
      setAdmission(this.event, null, null);
      return this.askRoom(signal);
    }
  }

  private async askRoom(signal: AbortSignal): Promise<number | null> {
    const room = await this.api.room(signal);
    if (signal.aborted) return null;
    const ended = this.view.entry;
    this.show({ room, isOffline: false, error: null });
    if (room.entry && (isEntryOpen(room.entry) || !ended)) this.take(room.entry);
    return isEntryOpen(room.entry)
      ? clamp(room.entry.poll_after_ms, ENTRY_POLL_MAX_MS)
      : roomPollMs(room, this.now(), this.random());
  }

  private fail(error: unknown): number | null {
    this.failures++;
    if (error instanceof NetworkError) this.show({ isOffline: true });
    else this.show({ error });
    const waitS = error instanceof Problem ? error.retryAfterS : null;
    if (waitS !== null) return waitS * 1000;
    return Math.min(FAILING_MAX_MS, FAILING_MS * 2 ** (this.failures - 1));
  }
}
