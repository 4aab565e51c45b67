// A small card beside the mouse. It is for eyes only: the same facts are spoken when a seat has the focus.
import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

export interface TooltipContent {
  x: number;
  y: number;
  title: string;
  facts: [string, string][];
  color: string;
  note: string;
}

export function Tooltip({ content }: { content: TooltipContent | null }): JSX.Element {
  const card = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = card.current;
    const parent = element?.parentElement;
    if (!element || !parent || !content) return;
    const { offsetWidth: width, offsetHeight: height } = element;
    const left = Math.min(parent.clientWidth - width - 8, Math.max(8, content.x - width / 2));
    const above = content.y - height - 16;
    element.style.transform = `translate(${left}px, ${above > 8 ? above : content.y + 20}px)`;
  }, [content]);
  return (
    <div ref={card} class={`tooltip${content ? " is-shown" : ""}`} aria-hidden="true">
      {content && (
        <>
          <strong class="tooltip-title">{content.title}</strong>
          <dl class="tooltip-facts">
            {content.facts.map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
          <p class="tooltip-note">
            <Swatch color={content.color} /> {content.note}
          </p>
        </>
      )}
    </div>
  );
}

/** A category's colour as a dot. Drawn, because the pages' policy forbids style attributes in markup. */
export function Swatch({ color }: { color: string }): JSX.Element {
  return (
    <svg class="swatch" viewBox="0 0 12 12" aria-hidden="true">
      <circle cx="6" cy="6" r="6" fill={color || "#888888"} />
    </svg>
  );
}
