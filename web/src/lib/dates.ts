// Dates in the viewer's locale and time zone (the API speaks UTC).
const day = new Intl.DateTimeFormat(undefined, {
  weekday: "short",
  day: "numeric",
  month: "long",
  year: "numeric",
});
const shortDay = new Intl.DateTimeFormat(undefined, {
  weekday: "short",
  day: "numeric",
  month: "short",
});
const clock = new Intl.DateTimeFormat(undefined, {
  hour: "numeric",
  minute: "2-digit",
  timeZoneName: "short",
});
const plainClock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const month = new Intl.DateTimeFormat(undefined, { month: "short" });

export const formatDay = (iso: string): string => day.format(new Date(iso));
export const formatShortDay = (iso: string): string => shortDay.format(new Date(iso));
export const formatClock = (iso: string): string => clock.format(new Date(iso));
export const formatMonth = (iso: string): string => month.format(new Date(iso));
export const formatDayNumber = (iso: string): string => String(new Date(iso).getDate());
export const formatMoment = (iso: string): string => `${formatDay(iso)}, ${formatClock(iso)}`;
export const formatShortMoment = (iso: string): string =>
  `${formatShortDay(iso)}, ${plainClock.format(new Date(iso))}`;

/** The value of <input type=date> as the start (or the end) of that day in the viewer's zone. */
export function dayBoundary(value: string, end: boolean): string | undefined {
  if (!/^\d{4}-\d\d-\d\d$/.test(value)) return undefined;
  const date = new Date(`${value}T${end ? "23:59:59.999" : "00:00:00.000"}`);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}

/** For <input type=datetime-local>, in the viewer's zone. */
export function toLocalInput(date: Date): string {
  const pad = (value: number): string => String(value).padStart(2, "0");
  return (
    `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}` +
    `T${pad(date.getHours())}:${pad(date.getMinutes())}`
  );
}

export function fromLocalInput(value: string): string | undefined {
  const date = new Date(value);
  return value === "" || Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
