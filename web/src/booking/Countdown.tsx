// The time left of a hold, by the server's clock; spoken now and then, not every second.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { serverNow } from "../api/clock";
import { formatRemaining, remainingMs, spokenRemaining } from "../lib/countdown";

export interface CountdownProps {
  until: string;
  /** Length of the whole hold, for the bar. */
  totalMs: number;
  onEnd(): void;
}

export function Countdown({ until, totalMs, onEnd }: CountdownProps): JSX.Element {
  const [left, setLeft] = useState(() => Math.min(totalMs, remainingMs(until, serverNow())));
  const [spoken, setSpoken] = useState("");
  useEffect(() => {
    const tick = (): void => {
      // The estimate of the server's clock may be half a second off; a hold never lasts longer than it was made for.
      const now = Math.min(totalMs, remainingMs(until, serverNow()));
      setLeft(now);
      const words = spokenRemaining(now);
      if (words) setSpoken(words);
    };
    tick();
    const timer = setInterval(tick, 250);
    return () => clearInterval(timer);
  }, [until]);
  const isOver = left === 0;
  useEffect(() => {
    if (!isOver) return;
    // The server ends the hold, not this clock: ask until it has.
    onEnd();
    const timer = setInterval(onEnd, 1500);
    return () => clearInterval(timer);
  }, [isOver]);
  const share = totalMs > 0 ? Math.min(1, left / totalMs) : 0;
  return (
    <div class={`countdown${left < 60_000 ? " is-short" : ""}`}>
      <p class="countdown-label">Held for you</p>
      <p class="countdown-clock" role="timer" data-testid="countdown">
        {formatRemaining(left)}
      </p>
      <progress class="countdown-bar" max={1} value={share} aria-hidden="true" />
      <p class="visually-hidden" aria-live="polite">
        {spoken}
      </p>
    </div>
  );
}
