// The server's clock, estimated from the Date header: holds end by its time, not by the viewer's. The header has whole
// seconds, so each answer bounds the offset to a second; the bounds of many answers meet near the truth.
let low = -Infinity;
let high = Infinity;

export function observeServerDate(header: string | null, sentMs: number, receivedMs: number): void {
  const date = header === null ? NaN : Date.parse(header);
  if (Number.isNaN(date)) return;
  const atLeast = date - receivedMs;
  const atMost = date + 1000 - sentMs;
  low = Math.max(low, atLeast);
  high = Math.min(high, atMost);
  if (low > high) {
    // Somebody moved a clock: believe the newest answer.
    low = atLeast;
    high = atMost;
  }
}

export function serverNow(): number {
  return Date.now() + (Number.isFinite(low) ? (low + high) / 2 : 0);
}
