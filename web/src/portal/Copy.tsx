// A text with a button that copies it.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

export function CopyButton({ text, label }: { text: string; label: string }): JSX.Element {
  const [state, setState] = useState<"" | "done" | "failed">("");
  useEffect(() => {
    if (state === "") return;
    const timer = setTimeout(() => setState(""), 2500);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = (): void => {
    const clipboard = navigator.clipboard as Clipboard | undefined; /* only in secure contexts */
    if (!clipboard) setState("failed");
    else
      clipboard.writeText(text).then(
        () => setState("done"),
        () => setState("failed"),
      );
  };
  return (
    <button type="button" class="button button-small" onClick={copy} aria-label={label}>
      <span role="status">
        {state === "done" ? "Copied" : state === "failed" ? "Select and copy it" : "Copy"}
      </span>
    </button>
  );
}
