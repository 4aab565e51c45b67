// A picture, or a file to be saved. Both come from this server, which says what they really are.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Media } from "../../../clients/js/src/index.js";
import { Icon } from "./icons";
import { formatBytes, isPicture, mediaOf } from "./words";

const WIDTH_MAX = 280;
const HEIGHT_MAX = 320;

/** The place of a picture before it has come, so that nothing jumps. */
function boxOf(width: number, height: number): { width: number; height: number } {
  if (width <= 0 || height <= 0) return { width: WIDTH_MAX, height: 200 };
  const scale = Math.min(1, WIDTH_MAX / width, HEIGHT_MAX / height);
  return {
    width: Math.max(48, Math.round(width * scale)),
    height: Math.max(48, Math.round(height * scale)),
  };
}

export interface MediaViewProps {
  media: Media;
  isActive: boolean;
}

export function MediaView({ media, isActive }: MediaViewProps): JSX.Element {
  const [isBroken, setIsBroken] = useState(false);
  const facts = mediaOf(media);
  const href = `/v1/media/${encodeURIComponent(facts.id)}`;
  if (isPicture(facts) && !isBroken) {
    return (
      <a
        class="chat-picture"
        href={href}
        target="_blank"
        rel="noopener"
        tabIndex={isActive ? 0 : -1}
      >
        <img
          src={facts.hasThumb ? `${href}?size=thumb` : href}
          alt={facts.name}
          loading="lazy"
          {...boxOf(facts.width, facts.height)}
          onError={() => setIsBroken(true)}
        />
      </a>
    );
  }
  return (
    <a class="chat-file" href={href} download={facts.name} tabIndex={isActive ? 0 : -1}>
      <Icon name="file" />
      <span class="chat-file-name">
        <bdi>{facts.name}</bdi>
      </span>
      {facts.bytes > 0 && <span class="chat-file-size">{formatBytes(facts.bytes)}</span>}
    </a>
  );
}
