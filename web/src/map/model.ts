// The seat map in the form that drawing and hit tests want: seats as parallel arrays by index in layout order (the
// same index that the two-bit states use), rows and sections as ranges of it.
import type { AreaJson, SeatmapJson } from "../api/types";
import { convexHull, polygonCentre, type Box } from "./geometry";

export interface MapCategory {
  name: string;
  color: string;
  /** Minor units; null: not for sale. */
  price: number | null;
}

export interface MapRow {
  label: string;
  section: number;
  first: number;
  count: number;
}

export interface MapSection {
  id: string;
  name: string;
  first: number;
  count: number;
  rowFirst: number;
  rowCount: number;
  /** x,y pairs of the outline, a little wider than the seats. */
  hull: Float32Array;
  centreX: number;
  centreY: number;
  box: Box;
  /** The category of most seats. */
  category: number;
}

export interface MapArea {
  id: string;
  name: string;
  category: number;
  /** Empty when the area has no shape: it is sold from the list only. */
  box: Box;
}

export interface SeatModel {
  count: number;
  ids: string[];
  numbers: string[];
  x: Float32Array;
  y: Float32Array;
  category: Uint8Array;
  row: Uint32Array;
  section: Uint16Array;
  rows: MapRow[];
  sections: MapSection[];
  areas: MapArea[];
  categories: MapCategory[];
  bounds: Box;
  /** Usual distance between neighbours, in the plan's units. */
  pitch: number;
  indexOf: Map<string, number>;
}

const validColor = (color: string): string => (/^#[0-9a-f]{6}$/i.test(color) ? color : "#7a7580");

function medianPitch(model: Pick<SeatModel, "rows" | "x" | "y">, extent: number): number {
  const gaps: number[] = [];
  const step = Math.max(1, Math.floor(model.rows.length / 400));
  for (let r = 0; r < model.rows.length; r += step) {
    const row = model.rows[r]!;
    for (let i = row.first + 1; i < Math.min(row.first + row.count, row.first + 6); i++) {
      const gap = Math.hypot(model.x[i]! - model.x[i - 1]!, model.y[i]! - model.y[i - 1]!);
      if (gap > 0) gaps.push(gap);
    }
  }
  gaps.sort((a, b) => a - b);
  return gaps[gaps.length >> 1] ?? Math.max(1, extent / 40);
}

function mostCommon(values: Uint8Array, first: number, count: number): number {
  const tally = new Uint32Array(256);
  let best = values[first] ?? 0;
  for (let i = first; i < first + count; i++) {
    const value = values[i]!;
    if (++tally[value]! > tally[best]!) best = value;
  }
  return best;
}

function outline(model: SeatModel, section: MapSection): void {
  const hull = convexHull(model.x, model.y, section.first, section.count, model.pitch * 0.62);
  section.hull = hull;
  [section.centreX, section.centreY] = polygonCentre(hull);
  const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (let i = 0; i < hull.length; i += 2) {
    box.left = Math.min(box.left, hull[i]!);
    box.right = Math.max(box.right, hull[i]!);
    box.top = Math.min(box.top, hull[i + 1]!);
    box.bottom = Math.max(box.bottom, hull[i + 1]!);
  }
  section.box = box;
  section.category = mostCommon(model.category, section.first, section.count);
}

function boundsOf(model: SeatModel): Box {
  const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  const include = (left: number, top: number, right: number, bottom: number): void => {
    box.left = Math.min(box.left, left);
    box.top = Math.min(box.top, top);
    box.right = Math.max(box.right, right);
    box.bottom = Math.max(box.bottom, bottom);
  };
  for (const section of model.sections) {
    if (section.count > 0)
      include(section.box.left, section.box.top, section.box.right, section.box.bottom);
  }
  for (const { box: shape } of model.areas) {
    if (shape.right > shape.left) include(shape.left, shape.top, shape.right, shape.bottom);
  }
  return box.left <= box.right ? box : { left: 0, top: 0, right: 100, bottom: 100 };
}

function toArea(area: AreaJson, categoryOf: Map<string, number>): MapArea {
  const { x = 0, y = 0, width = 0, height = 0 } = area;
  const box = { left: x, top: y, right: x + width, bottom: y + height };
  return { id: area.id, name: area.name, category: categoryOf.get(area.category) ?? 0, box };
}

export function buildModel(json: SeatmapJson): SeatModel {
  let count = 0;
  for (const section of json.sections) for (const row of section.rows) count += row.seats.length;
  const categories = json.categories.map((c) => ({
    name: c.name,
    color: validColor(c.color),
    price: c.price ?? null,
  }));
  const categoryOf = new Map(categories.map((c, index) => [c.name, index]));
  const model: SeatModel = {
    count,
    ids: new Array<string>(count),
    numbers: new Array<string>(count),
    x: new Float32Array(count),
    y: new Float32Array(count),
    category: new Uint8Array(count),
    row: new Uint32Array(count),
    section: new Uint16Array(count),
    rows: [],
    sections: [],
    areas: json.areas.map((area) => toArea(area, categoryOf)),
    categories,
    bounds: { left: 0, top: 0, right: 0, bottom: 0 },
    pitch: 1,
    indexOf: new Map(),
  };
  fillSeats(model, json, categoryOf);
  const extent = Math.max(json.size?.width ?? 0, json.size?.height ?? 0, 1);
  model.pitch = medianPitch(model, extent);
  for (const section of model.sections) if (section.count > 0) outline(model, section);
  model.bounds = boundsOf(model);
  return model;
}

function fillSeats(model: SeatModel, json: SeatmapJson, categoryOf: Map<string, number>): void {
  let at = 0;
  for (const [sectionNo, section] of json.sections.entries()) {
    const first = at;
    const rowFirst = model.rows.length;
    for (const row of section.rows) {
      const rowNo = model.rows.length;
      model.rows.push({ label: row.label, section: sectionNo, first: at, count: row.seats.length });
      for (const seat of row.seats) {
        model.ids[at] = seat.id;
        model.numbers[at] = seat.label;
        model.x[at] = seat.x;
        model.y[at] = seat.y;
        model.category[at] = categoryOf.get(seat.category) ?? 0;
        model.row[at] = rowNo;
        model.section[at] = sectionNo;
        model.indexOf.set(seat.id, at);
        at++;
      }
    }
    model.sections.push({
      id: section.id,
      name: section.name,
      first,
      count: at - first,
      rowFirst,
      rowCount: model.rows.length - rowFirst,
      hull: new Float32Array(0),
      centreX: 0,
      centreY: 0,
      box: { left: 0, top: 0, right: 0, bottom: 0 },
      category: 0,
    });
  }
}

export interface SeatNames {
  section: string;
  row: string;
  number: string;
}

export function seatNames(model: SeatModel, seat: number): SeatNames {
  const row = model.rows[model.row[seat]!]!;
  return {
    section: model.sections[row.section]!.name,
    row: row.label,
    number: model.numbers[seat]!,
  };
}

/** "Block 101, row 3, seat 12" */
export function seatText(model: SeatModel, seat: number): string {
  const names = seatNames(model, seat);
  return `${names.section}, row ${names.row}, seat ${names.number}`;
}

export const seatPrice = (model: SeatModel, seat: number): number | null =>
  model.categories[model.category[seat]!]?.price ?? null;
