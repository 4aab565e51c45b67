/** @typedef {import("./types").ProblemBody} ProblemBody */

/** A refusal with the server's problem document (RFC 9457). */
export class Problem extends Error {
  /** @param {ProblemBody} body */
  constructor(body) {
    super(body.detail ?? body.title ?? body.type);
    this.name = "Problem";
    this.body = body;
    this.status = body.status;
    this.type = body.type;
    this.errors = body.errors ?? [];
    this.retryAfterS = body.retry_after_s ?? null;
  }
}

/** There was no answer. */
export class Unreachable extends Error {
  /** @param {unknown} [cause] */
  constructor(cause) {
    super("The server can't be reached.", { cause });
    this.name = "Unreachable";
  }
}

/** The client was told to stop, or by the server: it does not connect again by itself. */
export class Stopped extends Error {
  /** @param {import("./types").StopReason} reason */
  constructor(reason) {
    super(`The stream has ended: ${reason}.`);
    this.name = "Stopped";
    this.reason = reason;
  }
}

/** Whether the same may succeed later. @param {number} status */
export const isPassing = (status) => status === 429 || status >= 500;
