// Bytes that somebody else wrote, shown as text and never as anything more.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { CopyButton } from "./Copy";
import { isJson, prettyJson } from "./text";

const SHOWN_MAX = 200_000;

export function Body({ text, label }: { text: string; label: string }): JSX.Element {
  const canBePretty = text.length <= SHOWN_MAX && isJson(text);
  const [isRaw, setRaw] = useState(false);
  if (text === "") return <p class="portal-note">{label}: empty</p>;
  const shown = canBePretty && !isRaw ? prettyJson(text) : text.slice(0, SHOWN_MAX);
  return (
    <div class="body">
      <div class="body-head">
        <span class="body-label">{label}</span>
        {canBePretty && (
          <button
            type="button"
            class="button button-small"
            aria-pressed={isRaw}
            onClick={() => setRaw(!isRaw)}
          >
            Raw
          </button>
        )}
        <CopyButton text={text} label={`Copy: ${label}`} />
      </div>
      <pre tabIndex={0} aria-label={label}>
        {shown}
      </pre>
      {text.length > SHOWN_MAX && <p class="portal-note">Only the beginning is shown.</p>}
    </div>
  );
}

export function Headers({
  headers,
  label,
}: {
  headers: Record<string, string>;
  label: string;
}): JSX.Element {
  return (
    <div class="body">
      <span class="body-label">{label}</span>
      <dl class="head-list">
        {Object.entries(headers).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
