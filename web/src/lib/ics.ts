// A calendar entry (RFC 5545) for a confirmed booking.
export interface CalendarEntry {
  uid: string;
  title: string;
  startsAt: string;
  location: string;
  description: string;
  url: string;
}

const escapeText = (text: string): string =>
  text.replace(/\\/g, "\\\\").replace(/;/g, "\\;").replace(/,/g, "\\,").replace(/\r?\n/g, "\\n");

const stamp = (date: Date): string => date.toISOString().replace(/[-:]/g, "").replace(/\.\d+/, "");

/** Lines of more than 75 octets continue on the next line after a space. */
function fold(line: string): string {
  const parts: string[] = [];
  let part = "";
  let octets = 0;
  for (const char of line) {
    const size = new TextEncoder().encode(char).length;
    if (octets + size > 74) {
      parts.push(part);
      part = " ";
      octets = 1;
    }
    part += char;
    octets += size;
  }
  parts.push(part);
  return parts.join("\r\n");
}

export function calendarText(entry: CalendarEntry, now: Date): string {
  const start = new Date(entry.startsAt);
  const end = new Date(start.getTime() + 2 * 3600 * 1000);
  const lines = [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//Foyer//Tickets//EN",
    "BEGIN:VEVENT",
    `UID:${entry.uid}@foyer`,
    `DTSTAMP:${stamp(now)}`,
    `DTSTART:${stamp(start)}`,
    `DTEND:${stamp(end)}`,
    `SUMMARY:${escapeText(entry.title)}`,
    `LOCATION:${escapeText(entry.location)}`,
    `DESCRIPTION:${escapeText(entry.description)}`,
    `URL:${entry.url}`,
    "END:VEVENT",
    "END:VCALENDAR",
  ];
  return lines.map(fold).join("\r\n") + "\r\n";
}
