// What people wrote, as text and never as markup. Addresses become links only when they begin with http:// or https://.
import type { ComponentChildren, JSX } from "preact";

const ADDRESS = /\bhttps?:\/\/[^\s<>"'`\u202a-\u202e\u2066-\u2069]+/g;
/** Ends a sentence rather than an address. */
const TRAILING = /[.,;:!?…)\]}]+$/;

function hrefOf(text: string): string | null {
  try {
    const url = new URL(text);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

export function linked(text: string): ComponentChildren[] {
  const parts: ComponentChildren[] = [];
  let from = 0;
  for (const match of text.matchAll(ADDRESS)) {
    let address = match[0].replace(TRAILING, "");
    if (address.includes("(") && match[0][address.length] === ")") address += ")";
    const href = hrefOf(address);
    if (href === null) continue;
    parts.push(text.slice(from, match.index));
    parts.push(
      <a href={href} target="_blank" rel="noopener noreferrer nofollow ugc">
        {address}
      </a>,
    );
    from = match.index + address.length;
  }
  parts.push(text.slice(from));
  return parts;
}

/** Each paragraph finds its own direction, and keeps it to itself. */
export function Written({ text }: { text: string }): JSX.Element {
  return (
    <p class="chat-text" dir="auto">
      {linked(text)}
    </p>
  );
}

/** One line of it, without what could turn the line around. */
export const oneLine = (text: string): string =>
  text
    .replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "")
    .replace(/\s+/g, " ")
    .trim();

const encoder = new TextEncoder();
export const bytesOf = (text: string): number => encoder.encode(text).length;
