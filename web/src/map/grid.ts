// A uniform grid over the seats: hit tests and culling touch only the cells concerned. Cells are ranges of one index
// array (counting sort), so building it for 50,000 seats takes a few milliseconds and no garbage is made per query.
import type { Box } from "./geometry";

export class SeatGrid {
  private readonly cell: number;
  private readonly columns: number;
  private readonly rows: number;
  private readonly start: Uint32Array;
  private readonly items: Uint32Array;

  constructor(
    private readonly x: Float32Array,
    private readonly y: Float32Array,
    private readonly bounds: Box,
    pitch: number,
  ) {
    const width = bounds.right - bounds.left;
    const height = bounds.bottom - bounds.top;
    this.cell = Math.max(pitch * 3, Math.sqrt((width * height) / 1_000_000), 1e-6);
    this.columns = Math.max(1, Math.ceil(width / this.cell) + 1);
    this.rows = Math.max(1, Math.ceil(height / this.cell) + 1);
    this.start = new Uint32Array(this.columns * this.rows + 1);
    this.items = new Uint32Array(x.length);
    const cells = new Uint32Array(x.length);
    for (let i = 0; i < x.length; i++) {
      const cell = this.cellOf(x[i]!, y[i]!);
      cells[i] = cell;
      this.start[cell + 1]!++;
    }
    for (let c = 0; c < this.columns * this.rows; c++) this.start[c + 1]! += this.start[c]!;
    const next = this.start.slice();
    for (let i = 0; i < x.length; i++) this.items[next[cells[i]!]!++] = i;
  }

  private column(x: number): number {
    return Math.min(this.columns - 1, Math.max(0, Math.floor((x - this.bounds.left) / this.cell)));
  }

  private line(y: number): number {
    return Math.min(this.rows - 1, Math.max(0, Math.floor((y - this.bounds.top) / this.cell)));
  }

  private cellOf(x: number, y: number): number {
    return this.line(y) * this.columns + this.column(x);
  }

  /** Calls visit for every seat in cells that the box touches (a superset of the seats inside). */
  each(box: Box, visit: (seat: number) => void): void {
    const right = this.column(box.right);
    const bottom = this.line(box.bottom);
    for (let line = this.line(box.top); line <= bottom; line++) {
      for (let column = this.column(box.left); column <= right; column++) {
        const cell = line * this.columns + column;
        for (let k = this.start[cell]!; k < this.start[cell + 1]!; k++) visit(this.items[k]!);
      }
    }
  }

  /** The seat closest to the point within `reach`, or -1. */
  nearest(
    x: number,
    y: number,
    reach: number,
    accept: (seat: number) => boolean = () => true,
  ): number {
    let best = -1;
    let bestDistance = reach * reach;
    this.each({ left: x - reach, right: x + reach, top: y - reach, bottom: y + reach }, (seat) => {
      const distance = (this.x[seat]! - x) ** 2 + (this.y[seat]! - y) ** 2;
      if (distance <= bestDistance && accept(seat)) {
        best = seat;
        bestDistance = distance;
      }
    });
    return best;
  }

  /**
   * The next seat from `from` towards (dx, dy), a unit axis: the one with the shortest way, sideways counting
   * triple. -1 at the edge.
   */
  towards(from: number, dx: number, dy: number, pitch: number): number {
    const limit = Math.max(
      this.bounds.right - this.bounds.left,
      this.bounds.bottom - this.bounds.top,
    );
    const fromX = this.x[from]!;
    const fromY = this.y[from]!;
    for (let reach = pitch * 4; ; reach *= 4) {
      let best = -1;
      let bestCost = Infinity;
      const box = {
        left: fromX - reach,
        right: fromX + reach,
        top: fromY - reach,
        bottom: fromY + reach,
      };
      this.each(box, (seat) => {
        const along = (this.x[seat]! - fromX) * dx + (this.y[seat]! - fromY) * dy;
        const aside =
          Math.abs((this.x[seat]! - fromX) * dy) + Math.abs((this.y[seat]! - fromY) * dx);
        if (along < pitch * 0.3 || aside > along * 2) return;
        const cost = along + 3 * aside;
        if (cost < bestCost) {
          best = seat;
          bestCost = cost;
        }
      });
      if (best >= 0 || reach > limit) return best;
    }
  }
}
