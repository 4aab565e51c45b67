// Words and numbers of the portal; pure.
import type { Attempt, Endpoint, StatusText, Timings } from "./types";

/** JSON with line breaks. The text is looked at, never parsed into numbers, so no digit is lost. */
export function prettyJson(text: string): string {
  let out = "";
  let depth = 0;
  const line = (): string => `\n${"  ".repeat(depth)}`;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (c === '"') {
      let end = i + 1;
      while (end < text.length && text[end] !== '"') end += text[end] === "\\" ? 2 : 1;
      out += text.slice(i, end + 1);
      i = end;
    } else if (c === "{" || c === "[") {
      const closed = /^\s*[}\]]/.exec(text.slice(i + 1, i + 64));
      if (closed) {
        out += c + text[i + closed[0].length]!;
        i += closed[0].length;
      } else {
        depth++;
        out += c + line();
      }
    } else if (c === "}" || c === "]") {
      depth = Math.max(0, depth - 1);
      out += line() + c;
    } else if (c === ",") out += c + line();
    else if (c === ":") out += ": ";
    else if (!/\s/.test(c)) out += c;
  }
  return out;
}

export function isJson(text: string): boolean {
  if (!/^\s*[[{]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

export function formatMs(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  return ms < 3_600_000 ? `${Math.round(ms / 60_000)} min` : `${(ms / 3_600_000).toFixed(1)} h`;
}

const moment = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});
export const formatTime = (iso: string): string => moment.format(new Date(iso));

/** "in 5 min", counted by the server's clock. */
export function fromNow(iso: string, nowMs: number): string {
  const ms = new Date(iso).getTime() - nowMs;
  return ms <= 0 ? "now" : `in ${formatMs(ms)}`;
}

export const STATUS_WORDS: Record<StatusText, { word: string; kind: string }> = {
  success: { word: "Delivered", kind: "good" },
  pending: { word: "Waiting", kind: "info" },
  fail: { word: "Failed", kind: "bad" },
  sending: { word: "Sending", kind: "info" },
};

export const DISABLED_WORDS: Record<string, string> = {
  caller: "switched off",
  gone: "it answered 410 Gone",
  failing: "nothing has succeeded for 5 days",
};

export function typesOf({ eventTypes }: Pick<Endpoint, "eventTypes">): string {
  if (!eventTypes || eventTypes.length === 0) return "all events";
  return eventTypes.length <= 3
    ? eventTypes.join(", ")
    : `${eventTypes.slice(0, 2).join(", ")} and ${eventTypes.length - 2} more`;
}

/** What an attempt came to, in a few words. */
export function outcomeOf({ responseStatusCode: code, error }: Attempt): string {
  if (code > 0 && (!error || error.class === "status")) return `${code}`;
  return error ? error.class.replaceAll("_", " ") : "no answer";
}

export interface Phase {
  name: string;
  word: string;
  ms: number;
}

/** The phases in order; what follows the first byte is the body. Queued is beside the total. */
export function phasesOf(timings: Timings): Phase[] {
  const steps: [string, string, number | null][] = [
    ["queued", "Queued", timings.queuedMs],
    ["dns", "DNS", timings.dnsMs],
    ["connect", "Connect", timings.connectMs],
    ["tls", "TLS", timings.tlsMs],
    ["first", "First byte", timings.firstByteMs],
  ];
  const phases: Phase[] = [];
  let spent = 0;
  for (const [name, word, ms] of steps) {
    if (ms === null) continue;
    phases.push({ name, word, ms: Math.max(0, ms) });
    if (name !== "queued") spent += ms;
  }
  if (timings.totalMs !== null) {
    const rest = Math.max(0, timings.totalMs - spent);
    const word = timings.firstByteMs === null ? "Waited" : "Body";
    phases.push({ name: "body", word, ms: rest });
  }
  return phases;
}

export interface LatencyPoint {
  from: string;
  to: string;
  count: number;
  p50: number;
  p99: number;
}

export function percentile(sorted: number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

/** Attempts, newest first, as at most `most` groups of equal count from old to new. */
export function latencyPoints(attempts: Attempt[], most = 24): LatencyPoint[] {
  const known = attempts.filter(({ timings }) => timings.totalMs !== null).reverse();
  const size = Math.max(1, Math.ceil(known.length / most));
  const points: LatencyPoint[] = [];
  for (let i = 0; i < known.length; i += size) {
    const group = known.slice(i, i + size);
    const sorted = group.map(({ timings }) => timings.totalMs ?? 0).sort((a, b) => a - b);
    points.push({
      from: group[0]!.timestamp,
      to: group[group.length - 1]!.timestamp,
      count: group.length,
      p50: percentile(sorted, 0.5),
      p99: percentile(sorted, 0.99),
    });
  }
  return points;
}
