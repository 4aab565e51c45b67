// The map's colours, read from the style sheet so that light and dark are decided in one place.
export interface Palette {
  ground: string;
  floor: string;
  line: string;
  text: string;
  muted: string;
  taken: string;
  blocked: string;
  accent: string;
  danger: string;
  focus: string;
}

export function readPalette(element: HTMLElement): Palette {
  const style = getComputedStyle(element);
  const value = (name: string): string => style.getPropertyValue(name).trim() || "#888888";
  return {
    ground: value("--map-ground"),
    floor: value("--map-floor"),
    line: value("--map-line"),
    text: value("--ink"),
    muted: value("--muted"),
    taken: value("--map-taken"),
    blocked: value("--map-blocked"),
    accent: value("--accent"),
    danger: value("--danger"),
    focus: value("--focus"),
  };
}

function channels(color: string): [number, number, number] {
  const value = parseInt(color.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

/** Black or white, whichever reads better on the colour (WCAG relative luminance). */
export function readableOn(color: string): string {
  const [r, g, b] = channels(color).map((c) => {
    const s = c / 255;
    return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.24 ? "#151217" : "#ffffff";
}

/** Mixes a #rrggbb colour with another, amount 0 (only a) to 1 (only b). */
export function mix(a: string, b: string, amount: number): string {
  const [ra, ga, ba] = channels(a);
  const [rb, gb, bb] = channels(b);
  const part = (x: number, y: number): number => Math.round(x + (y - x) * amount);
  return `rgb(${part(ra, rb)} ${part(ga, gb)} ${part(ba, bb)})`;
}
