// When to connect again: as the server has told, twice as late after each try that fails, and never all at once.

const WAIT_MAX_MS = 60000;
const DOUBLINGS_MAX = 10;
const DEFAULT = { after_ms: 0, jitter_ms: 2000 };

export class Backoff {
  /** @param {() => number} random */
  constructor(random) {
    this.random = random;
    this.plan = DEFAULT;
    this.failed = 0;
  }

  /** A stream is there. @param {{after_ms: number, jitter_ms: number} | undefined} resume */
  succeeded(resume) {
    this.failed = 0;
    const isPlan = Number.isFinite(resume?.after_ms) && Number.isFinite(resume?.jitter_ms);
    this.plan = isPlan && resume ? resume : DEFAULT;
  }

  /** A try has failed, or a stream was lost without a word: how long to wait. */
  next() {
    const factor = 2 ** Math.min(this.failed++, DOUBLINGS_MAX);
    const after = Math.min(this.plan.after_ms * factor, WAIT_MAX_MS);
    const jitter = Math.min(this.plan.jitter_ms * factor, WAIT_MAX_MS);
    return Math.min(after + this.random() * jitter, WAIT_MAX_MS);
  }

  /** The longest wait, for when coming back soon would do harm. */
  longest() {
    return WAIT_MAX_MS * (0.5 + this.random() / 2);
  }
}
