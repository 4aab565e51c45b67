import type { ComponentChildren, JSX } from "preact";
import { usePage } from "../ui/basics";

/** A whole page that says what is not there. */
export function Nothing({
  title,
  children,
}: {
  title: string;
  children?: ComponentChildren;
}): JSX.Element {
  const page = usePage(title);
  return (
    <section class="empty">
      <h1 {...page}>{title}</h1>
      {children}
    </section>
  );
}
