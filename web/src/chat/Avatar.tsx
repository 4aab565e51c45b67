import type { JSX } from "preact";
import { initialsOf } from "./words";

const COLOURS = 6;

/** The same one has the same colour everywhere. */
function colourOf(id: string): number {
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + letter.charCodeAt(0)) >>> 0;
  return sum % COLOURS;
}

export interface AvatarProps {
  id: string;
  name: string;
  isGroup?: boolean;
  isOnline?: boolean | undefined;
  isSmall?: boolean;
}

export function Avatar({ id, name, isGroup, isOnline, isSmall }: AvatarProps): JSX.Element {
  const kind = `chat-avatar chat-colour-${colourOf(id)}`;
  return (
    <span class={`${kind}${isGroup ? " is-group" : ""}${isSmall ? " is-small" : ""}`}>
      <span aria-hidden="true">{initialsOf(name)}</span>
      {isOnline && (
        <span class="chat-online">
          <span class="visually-hidden">Online</span>
        </span>
      )}
    </span>
  );
}
