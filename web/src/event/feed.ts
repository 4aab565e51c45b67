// Keeps a board up to date from the event's stream (GET /v1/events/{id}/live). The stream is opened anew by us rather than
// by the browser, because its address carries an admission that must be fresh each time; it goes on behind the last version
// seen. While it can't be had, the states are asked for every few seconds, and the stream is tried again ever more rarely.
// A page that nobody looks at gives its stream back after a minute.
import type { AreaCount, SeatBoard, SeatChange } from "../map/board";

/** "live": pushed; "polling": asked for; "stale": neither works; "over": the event is cancelled or has another map. */
export type FeedMode = "starting" | "live" | "polling" | "stale" | "over";

export interface StreamLike {
  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void;
  close(): void;
}

export interface FeedOptions {
  board: SeatBoard;
  /** The version of the map that the board has; undefined: not known. */
  mapVersion?: string | undefined;
  /** The stream behind this version; null: from a snapshot. */
  open(lastId: string | null): StreamLike;
  /** Asks for all states once and puts them into the board. */
  poll(signal: AbortSignal): Promise<void>;
  isVisible(): boolean;
  onMode(mode: FeedMode): void;
  /** A poll was refused; false: it makes no sense to go on. */
  onRefused(error: unknown): boolean;
  /** 0 to 1, so that thousands don't come back at the same moment. */
  random?: () => number;
}

export const POLL_MS = 4000;
export const POLL_FAILING_MS = 10_000;
export const RETRY_MS = 1000;
export const RETRY_MAX_MS = 60_000;
/** A stream that is open but says nothing is held up somewhere on the way. */
export const SILENCE_MS = 10_000;
export const HIDDEN_MS = 60_000;

interface Frame {
  map?: string;
  seats?: string;
  changes?: SeatChange[];
  areas?: AreaCount[];
}

export function fromBase64(text: string): Uint8Array {
  const chars = atob(text);
  const bytes = new Uint8Array(chars.length);
  for (let i = 0; i < chars.length; i++) bytes[i] = chars.charCodeAt(i);
  return bytes;
}

type Timer = ReturnType<typeof setTimeout>;

export class LiveFeed {
  mode: FeedMode = "starting";
  private stream: StreamLike | null = null;
  private lastId: string | null = null;
  private failures = 0;
  private isStopped = false;
  private retry: Timer | undefined;
  private silence: Timer | undefined;
  private hidden: Timer | undefined;
  private polling: { abort: AbortController; timer: Timer | undefined } | null = null;

  constructor(private readonly options: FeedOptions) {}

  start(): void {
    this.connect();
  }

  stop(): void {
    this.isStopped = true;
    this.disconnect();
    this.stopPolling();
    clearTimeout(this.hidden);
  }

  /** The page came into sight or left it, or the line is back. */
  wake(): void {
    if (this.isStopped) return;
    clearTimeout(this.hidden);
    if (!this.options.isVisible()) {
      this.hidden = setTimeout(() => this.disconnect(), HIDDEN_MS);
      return;
    }
    if (!this.stream) this.connect();
    if (this.polling) this.startPolling();
  }

  /** A reason to think that the states are old: asks for them where nothing pushes them. */
  refresh(): void {
    if (this.polling && !this.isStopped) this.startPolling();
  }

  /** The line was cut or is said to be back: the stream may be dead without knowing. */
  reconnect(): void {
    if (this.isStopped || !this.options.isVisible()) return;
    this.disconnect();
    this.connect();
  }

  private setMode(mode: FeedMode): void {
    if (this.mode === mode) return;
    this.mode = mode;
    this.options.onMode(mode);
  }

  private connect(): void {
    clearTimeout(this.retry);
    const stream = this.options.open(this.lastId);
    this.stream = stream;
    const on = (type: string, act: (event: MessageEvent<string>) => void): void =>
      stream.addEventListener(type, (event) => void (this.stream === stream && act(event)));
    on("open", () => this.onOpen());
    on("snapshot", (event) => this.onFrame(event));
    on("delta", (event) => this.onFrame(event));
    on("resync", () => this.onResync());
    on("gone", () => this.onGone());
    on("error", () => this.onFailure());
    this.silence = setTimeout(() => this.onFailure(), SILENCE_MS);
  }

  private disconnect(): void {
    clearTimeout(this.retry);
    clearTimeout(this.silence);
    this.stream?.close();
    this.stream = null;
  }

  private onOpen(): void {
    // Behind a version there may be nothing to say; from the beginning there is always a snapshot.
    if (this.lastId !== null) this.onGood();
  }

  private onGood(): void {
    clearTimeout(this.silence);
    this.failures = 0;
    this.stopPolling();
    this.setMode("live");
  }

  private onFrame(event: MessageEvent<string>): void {
    let frame: Frame;
    try {
      frame = JSON.parse(event.data) as Frame;
      if (this.isOtherMap(frame.map)) return this.onGone();
      if (typeof frame.seats === "string")
        this.options.board.replace(fromBase64(frame.seats), frame.areas);
      else this.options.board.apply(frame.changes ?? [], frame.areas);
    } catch {
      return this.onFailure();
    }
    this.lastId = event.lastEventId || null;
    this.onGood();
  }

  /** Indices of another map would name other seats. */
  private isOtherMap(version: string | undefined): boolean {
    const { mapVersion } = this.options;
    return version !== undefined && mapVersion !== undefined && version !== mapVersion;
  }

  private onResync(): void {
    this.lastId = null;
    this.disconnect();
    this.later(RETRY_MS);
  }

  private onGone(): void {
    this.stop();
    this.setMode("over");
  }

  private onFailure(): void {
    this.disconnect();
    this.failures++;
    // Once may be a hiccup, unless there is nothing to show yet.
    if (this.failures > 1 || this.mode === "starting") {
      if (!this.polling) this.startPolling();
    }
    this.later(Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** (this.failures - 1)));
  }

  private later(ms: number): void {
    const random = this.options.random ?? Math.random;
    this.retry = setTimeout(
      () => {
        if (!this.isStopped && this.options.isVisible()) this.connect();
      },
      ms * (0.5 + random()),
    );
  }

  private stopPolling(): void {
    this.polling?.abort.abort();
    clearTimeout(this.polling?.timer);
    this.polling = null;
  }

  private startPolling(): void {
    this.stopPolling();
    const polling = { abort: new AbortController(), timer: undefined as Timer | undefined };
    this.polling = polling;
    const round = async (): Promise<void> => {
      let pauseMs = POLL_MS;
      try {
        if (this.options.isVisible()) await this.options.poll(polling.abort.signal);
        if (this.polling !== polling) return;
        this.setMode("polling");
      } catch (error) {
        if (this.polling !== polling) return;
        this.setMode("stale");
        if (!this.options.onRefused(error)) return this.stop();
        pauseMs = POLL_FAILING_MS;
      }
      polling.timer = setTimeout(round, pauseMs * (0.9 + Math.random() * 0.2));
    };
    void round();
  }
}
