// Seat states travel as two bits a seat in layout order: seat i is bits 2*(i%4) and up of byte i>>2.
export const FREE = 0;
export const HELD = 1;
export const BOOKED = 2;
export const BLOCKED = 3;

/** Writes the states of `count` seats into `into`; true when any of them changed. Missing bytes count as blocked. */
export function decodeSeatBits(bytes: Uint8Array, count: number, into: Uint8Array): boolean {
  let changed = false;
  for (let seat = 0; seat < count; seat++) {
    const byte = bytes[seat >> 2] ?? 0xff;
    const state = (byte >> ((seat & 3) * 2)) & 3;
    if (into[seat] !== state) {
      into[seat] = state;
      changed = true;
    }
  }
  return changed;
}

export function stateName(state: number): string {
  return ["available", "held by someone", "taken", "not for sale"][state] ?? "unknown";
}
