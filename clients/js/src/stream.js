// One WebSocket after another to GET /v1/stream: says hello, notices silence, and connects again as docs/chat-stream.md tells.
import { Backoff } from "./backoff.js";
import { Problem } from "./errors.js";

/** @typedef {import("./types").StopReason} StopReason */
/** @typedef {import("./types").ConnectionState} ConnectionState */

const PROTOCOL = "foyer.chat.v1";
const READY_MS = 20000; // from the first byte to `ready`
const SILENCE_MS = 25000; // then it is asked whether it is there
const PONG_MS = 10000; // and this long it may take to answer
const CLOSE_NORMAL = 1000;
const CLOSE_GIVEN_UP = 4000;
const CLOSE_UNAUTHENTICATED = 4401;

/** Close codes that stand for a reason which the `bye` would have said. @type {Record<number, string>} */
const REASONS = {
  [CLOSE_UNAUTHENTICATED]: "unauthenticated",
  4408: "hello",
  4409: "replaced",
  4429: "limit",
};

export class Stream {
  /** @type {ConnectionState} */
  state = "stopped";
  /** @type {StopReason | null} */
  stopReason = null;
  /** @type {import("./types").SocketLike | null} */
  #socket = null;
  /** Of the socket that counts: what comes late from another is not heard. */
  #generation = 0;
  /** Of a wait for the next try, for `ready`, or for a sign of life. @type {unknown} */
  #timer = null;
  #isReady = false;
  /** @type {{reason: string, reconnect_after_ms?: number} | null} */
  #bye = null;
  #heardAt = 0;
  #isAsked = false;

  /**
   * @param {{
   *   url: string,
   *   WebSocket: import("./types").SocketConstructor | undefined,
   *   clock: import("./types").Clock,
   *   random: () => number,
   *   hello: () => Promise<object>,
   *   onFrame: (frame: any) => void,
   *   onReady: (frame: any) => void,
   *   onLost: () => void,
   *   onState: (state: ConnectionState, detail: {reason?: StopReason, retryInMs?: number}) => void,
   * }} host
   */
  constructor(host) {
    this.host = host;
    this.backoff = new Backoff(host.random);
    this.url = `${host.url.replace(/^http/, "ws")}/v1/stream`;
    this.Socket = host.WebSocket ?? /** @type {any} */ (globalThis).WebSocket;
    if (!this.Socket) throw new TypeError("there is no WebSocket here: give one with the options");
  }

  /** @param {ConnectionState} state @param {{reason?: StopReason, retryInMs?: number}} [detail] */
  #become(state, detail = {}) {
    this.state = state;
    this.stopReason = detail.reason ?? null;
    this.host.onState(state, detail);
  }

  #unsetTimer() {
    this.host.clock.clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** @param {number} ms @param {() => void} run */
  #setTimer(ms, run) {
    this.#unsetTimer();
    this.#timer = this.host.clock.setTimeout(run, ms);
  }

  start() {
    if (this.state === "stopped") void this.#open();
  }

  /** The network may be back: no need to wait any longer. */
  hurry() {
    if (this.state === "waiting") void this.#open();
  }

  async #open() {
    const generation = ++this.#generation;
    this.#unsetTimer();
    this.#become("connecting");
    this.#bye = null;
    this.#isReady = false;
    let hello;
    try {
      hello = await this.host.hello();
    } catch (error) {
      if (generation !== this.#generation) return;
      const isRefused = error instanceof Problem && error.status === 401;
      this.#lost(isRefused ? CLOSE_UNAUTHENTICATED : 0);
      return;
    }
    if (generation !== this.#generation) return;
    this.#connect(generation, JSON.stringify({ t: "hello", ...hello }));
  }

  /** @param {number} generation @param {string} hello */
  #connect(generation, hello) {
    const isOurs = () => generation === this.#generation;
    this.#setTimer(READY_MS, () => this.#giveUp());
    /** @type {import("./types").SocketLike} */
    let socket;
    try {
      socket = this.#socket = new this.Socket(this.url, [PROTOCOL]);
    } catch {
      return this.#lost(0);
    }
    socket.onopen = () => isOurs() && socket.send(hello);
    socket.onmessage = ({ data }) => isOurs() && this.#heard(data);
    socket.onerror = () => {}; // onclose follows
    socket.onclose = ({ code }) => isOurs() && this.#lost(code);
  }

  /** @param {unknown} data */
  #heard(data) {
    this.#heardAt = this.host.clock.now();
    this.#isAsked = false;
    let frame;
    try {
      frame = JSON.parse(String(data));
    } catch {
      return;
    }
    if (frame?.t === "bye") this.#bye = frame;
    else if (frame?.t === "ready") this.#ready(frame);
    else if (frame?.t === "live" && this.state === "catching-up") this.#become("live");
    if (frame && typeof frame === "object") this.host.onFrame(frame);
  }

  /** @param {any} frame */
  #ready(frame) {
    this.#isReady = true;
    this.backoff.succeeded(frame.resume);
    this.#setTimer(SILENCE_MS, () => this.#checkSilence());
    const generation = this.#generation;
    this.host.onReady(frame);
    if (generation === this.#generation) this.#become("catching-up");
  }

  #checkSilence() {
    const silence = this.host.clock.now() - this.#heardAt;
    if (this.#isAsked && silence >= PONG_MS) return this.#giveUp();
    if (silence < SILENCE_MS) return this.#setTimer(SILENCE_MS - silence, () => this.#checkSilence());
    this.#isAsked = true;
    this.send({ t: "ping" });
    this.#setTimer(PONG_MS, () => this.#checkSilence());
  }

  /** Nothing is heard of it: it may be long gone, and its own end would come late. */
  #giveUp() {
    this.#abandon(CLOSE_GIVEN_UP);
    this.#lost(0);
  }

  /** @param {number} code */
  #abandon(code) {
    const socket = this.#socket;
    this.#socket = null;
    this.#generation++;
    this.#unsetTimer();
    try {
      socket?.close(code);
    } catch {
      // It was not open yet.
    }
  }

  /** The try or the stream has ended. @param {number} code */
  #lost(code) {
    const wasReady = this.#isReady;
    this.#socket = null;
    this.#isReady = false;
    this.#generation++;
    this.#unsetTimer();
    if (wasReady) this.host.onLost();
    const reason = this.#bye?.reason ?? REASONS[code];
    if (reason === "unauthenticated" || reason === "replaced")
      return this.#become("stopped", { reason });
    const told = this.#bye?.reconnect_after_ms;
    const wait =
      typeof told === "number" && told >= 0
        ? told
        : reason === "limit"
          ? this.backoff.longest()
          : this.backoff.next();
    this.#setTimer(wait, () => void this.#open());
    this.#become("waiting", { retryInMs: wait });
  }

  /** False: there is no stream. @param {object} frame */
  send(frame) {
    if (!this.#isReady || !this.#socket) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  #end() {
    const wasReady = this.#isReady;
    this.#isReady = false;
    this.#abandon(CLOSE_NORMAL);
    if (wasReady) this.host.onLost();
  }

  /** Ends the stream; the next one begins with hurry(). */
  pause() {
    this.#end();
    this.#become("waiting");
  }

  /** @param {StopReason} reason */
  stop(reason) {
    this.#end();
    if (this.state !== "stopped") this.#become("stopped", { reason });
  }
}
