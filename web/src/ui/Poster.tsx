// A drawn poster for an event, always the same for the same event: no images to store, none to load.
import type { JSX } from "preact";
import { formatDayNumber, formatMonth } from "../lib/dates";

const PALETTES: [string, string, string][] = [
  ["#3a0d2e", "#c2185b", "#ffb199"],
  ["#0b2545", "#1d6fa5", "#8de4ff"],
  ["#132a13", "#3f7d20", "#d3e29a"],
  ["#2b1055", "#7046c9", "#ffc2f0"],
  ["#3b1c0a", "#c4541a", "#ffd08a"],
  ["#06282d", "#0f8b8d", "#f2e394"],
];

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}

/** A small generator of numbers in [0, 1) from a seed. */
function randomFrom(seed: number): () => number {
  let state = seed || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 4294967296;
  };
}

function arcs(random: () => number, color: string): JSX.Element[] {
  const x = 20 + random() * 120;
  const y = 60 + random() * 60;
  return Array.from({ length: 6 }, (_, i) => (
    <circle
      key={i}
      cx={x}
      cy={y}
      r={14 + i * 17}
      fill="none"
      stroke={color}
      stroke-width={7 - i * 0.7}
      opacity={0.9 - i * 0.13}
    />
  ));
}

function beams(random: () => number, color: string): JSX.Element[] {
  const x = 30 + random() * 100;
  return Array.from({ length: 5 }, (_, i) => {
    const spread = -70 + i * 35 + random() * 12;
    return (
      <path
        key={i}
        d={`M${x} -10 L${x + spread - 14} 130 L${x + spread + 14} 130 Z`}
        fill={color}
        opacity={0.16 + 0.1 * random()}
      />
    );
  });
}

function dots(random: () => number, color: string): JSX.Element[] {
  const bend = 20 + random() * 30;
  const marks: JSX.Element[] = [];
  for (let row = 0; row < 6; row++) {
    for (let column = 0; column < 14; column++) {
      const y = 42 + row * 13 + Math.sin(((column - 6.5) / 14) * Math.PI) ** 2 * -bend;
      marks.push(
        <circle
          key={`${row}-${column}`}
          cx={8 + column * 11.2}
          cy={y}
          r={3.4}
          fill={color}
          opacity={random() > 0.3 ? 0.75 : 0.18}
        />,
      );
    }
  }
  return marks;
}

function waves(random: () => number, color: string): JSX.Element[] {
  const lift = 10 + random() * 14;
  return Array.from({ length: 5 }, (_, i) => {
    const y = 34 + i * 19;
    const d = `M-10 ${y} C 30 ${y - lift}, 60 ${y + lift}, 90 ${y} S 140 ${y - lift}, 180 ${y}`;
    return (
      <path
        key={i}
        d={d}
        fill="none"
        stroke={color}
        stroke-width={8 - i}
        opacity={0.75 - i * 0.1}
      />
    );
  });
}

const PATTERNS = [arcs, beams, dots, waves];

export interface PosterProps {
  id: string;
  startsAt: string;
  large?: boolean;
}

export function Poster({ id, startsAt, large = false }: PosterProps): JSX.Element {
  const seed = hash(id);
  const random = randomFrom(seed);
  const [ground, middle, light] = PALETTES[(seed >>> 8) % PALETTES.length]!;
  const pattern = PATTERNS[seed % PATTERNS.length]!;
  const gradient = `poster-${seed.toString(36)}${large ? "-l" : ""}`;
  return (
    <div class={`poster${large ? " poster-large" : ""}`} aria-hidden="true">
      <svg viewBox="0 0 160 120" preserveAspectRatio="xMidYMid slice">
        <defs>
          <linearGradient id={gradient} x1="0" y1="0" x2="1" y2="1">
            <stop offset="0" stop-color={middle} />
            <stop offset="1" stop-color={ground} />
          </linearGradient>
        </defs>
        <rect width="160" height="120" fill={`url(#${gradient})`} />
        {pattern(random, light)}
      </svg>
      <p class="poster-date">
        <span class="poster-day">{formatDayNumber(startsAt)}</span>
        <span class="poster-month">{formatMonth(startsAt)}</span>
      </p>
    </div>
  );
}
