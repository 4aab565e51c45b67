// What is left until a moment, as text for eyes and for screen readers.
export function remainingMs(untilIso: string, nowMs: number): number {
  const until = Date.parse(untilIso);
  return Number.isNaN(until) ? 0 : Math.max(0, until - nowMs);
}

/** 9:05, 1:02:03, "3 days 4 h". Rounds up, so it reads 0:00 only when nothing is left. */
export function formatRemaining(ms: number): string {
  const total = Math.ceil(ms / 1000);
  const days = Math.floor(total / 86400);
  const hours = Math.floor((total % 86400) / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const seconds = total % 60;
  const pad = (value: number): string => String(value).padStart(2, "0");
  if (days > 0) return `${days} ${days === 1 ? "day" : "days"} ${hours} h`;
  if (hours > 0) return `${hours}:${pad(minutes)}:${pad(seconds)}`;
  return `${minutes}:${pad(seconds)}`;
}

/** What to say aloud when `ms` are left, or null: every minute, then at 30 and 10 seconds. */
export function spokenRemaining(ms: number): string | null {
  const total = Math.ceil(ms / 1000);
  if (total <= 0) return "Time is up";
  if (total === 30 || total === 10) return `${total} seconds left`;
  if (total % 60 !== 0 || total > 3600) return null;
  return total === 60 ? "1 minute left" : `${total / 60} minutes left`;
}
