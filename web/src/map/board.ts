// What is free right now: the state of every seat, and counts by section, row, category and area that are kept up to date
// change by change. One board serves the map, the list and the choice, so that a delta of three seats costs three steps and
// no component has to be drawn anew for it.
import { decodeSeatBits, FREE } from "../lib/seatbits";
import type { SeatModel } from "./model";

/** The seats that changed, or null: any of them may have. */
export type BoardListener = (changed: readonly number[] | null) => void;

/** [seat index, status] as a delta of the live map has them. */
export type SeatChange = readonly [number, number];
/** [area index, free places]. */
export type AreaCount = readonly [number, number];

const STATUS_MAX = 3;

export class SeatBoard {
  readonly states: Uint8Array;
  /** Free seats that are for sale. */
  readonly sectionFree: Uint32Array;
  readonly rowFree: Uint32Array;
  readonly categoryFree: Uint32Array;
  /** By area; -1: not known yet. */
  readonly areaFree: Int32Array;
  free = 0;
  private readonly listeners = new Set<BoardListener>();

  constructor(readonly model: SeatModel) {
    this.states = new Uint8Array(model.count).fill(STATUS_MAX);
    this.sectionFree = new Uint32Array(model.sections.length);
    this.rowFree = new Uint32Array(model.rows.length);
    this.categoryFree = new Uint32Array(Math.max(1, model.categories.length));
    this.areaFree = new Int32Array(model.areas.length).fill(-1);
  }

  subscribe(listener: BoardListener): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Takes in the states of all seats. */
  replace(bits: Uint8Array, areas: readonly AreaCount[] = []): void {
    const changed = decodeSeatBits(bits, this.model.count, this.states);
    if (changed) this.recount();
    if (this.setAreas(areas) || changed) this.tell(null);
  }

  /** Takes in what changed; seats and areas that there aren't are passed over. */
  apply(changes: readonly SeatChange[], areas: readonly AreaCount[] = []): void {
    const changed: number[] = [];
    for (const [seat, status] of changes) {
      if (this.setSeat(seat, status)) changed.push(seat);
    }
    if (this.setAreas(areas) || changed.length > 0) this.tell(changed);
  }

  /** Counts by section without the states behind them, as everybody may see them; free seats of the sections' ids. */
  setSections(free: ReadonlyMap<string, number>): void {
    for (const [index, section] of this.model.sections.entries())
      this.sectionFree[index] = free.get(section.id) ?? 0;
    this.free = this.sectionFree.reduce((a, b) => a + b, 0);
    this.tell(null);
  }

  private setSeat(seat: number, status: number): boolean {
    const { model, states } = this;
    const old = states[seat];
    if (old === undefined || old === status || !(status >= 0 && status <= STATUS_MAX)) return false;
    states[seat] = status;
    const step = Number(status === FREE) - Number(old === FREE);
    if (step !== 0 && this.isForSale(seat)) {
      this.sectionFree[model.section[seat]!]! += step;
      this.rowFree[model.row[seat]!]! += step;
      this.categoryFree[model.category[seat]!]! += step;
      this.free += step;
    }
    return true;
  }

  private setAreas(areas: readonly AreaCount[]): boolean {
    let changed = false;
    for (const [area, free] of areas) {
      if (area in this.areaFree && this.areaFree[area] !== free) {
        this.areaFree[area] = free;
        changed = true;
      }
    }
    return changed;
  }

  private isForSale(seat: number): boolean {
    return this.model.categories[this.model.category[seat]!]?.price != null;
  }

  private recount(): void {
    const { model, states } = this;
    this.sectionFree.fill(0);
    this.rowFree.fill(0);
    this.categoryFree.fill(0);
    this.free = 0;
    const forSale = model.categories.map(({ price }) => price !== null);
    for (let seat = 0; seat < model.count; seat++) {
      const category = model.category[seat]!;
      if (states[seat] !== FREE || !forSale[category]) continue;
      this.sectionFree[model.section[seat]!]!++;
      this.rowFree[model.row[seat]!]!++;
      this.categoryFree[category]!++;
      this.free++;
    }
  }

  private tell(changed: readonly number[] | null): void {
    for (const listener of [...this.listeners]) listener(changed);
  }
}
