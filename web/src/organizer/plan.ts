// A seating plan file on its way in: read, counted, and turned into the shape of a seat map for the preview. What is wrong
// in detail the server says; here only what would keep the preview from being drawn.
import type { SeatmapJson } from "../api/types";

export const PLAN_BYTES_MAX = 10 * 1024 * 1024;

interface Point {
  x: number;
  y: number;
}

interface PlanSeat {
  seat_guid: string;
  seat_number: string;
  position?: Point;
  category: string;
}

interface PlanArea {
  guid?: string;
  uuid?: string;
  name?: string;
  capacity?: number;
  position?: Point;
  rectangle?: { width: number; height: number };
  size?: { width: number; height: number };
  category: string;
}

interface PlanZone {
  name: string;
  position?: Point;
  rows?: { row_number: string; position?: Point; seats?: PlanSeat[] }[];
  areas?: PlanArea[];
}

export interface Plan {
  name?: string;
  size?: { width: number; height: number };
  categories?: { name: string; color?: string }[];
  zones?: PlanZone[];
}

export interface PlanSummary {
  name: string;
  sections: number;
  rows: number;
  seats: number;
  areas: number;
  places: number;
  categories: { name: string; color: string; places: number }[];
}

export function parsePlan(text: string): Plan {
  let plan: unknown;
  try {
    plan = JSON.parse(text);
  } catch (error) {
    throw new Error(
      `This file is not JSON: ${error instanceof Error ? error.message : "it can't be read"}.`,
    );
  }
  if (typeof plan !== "object" || plan === null || !Array.isArray((plan as Plan).zones)) {
    throw new Error("This is JSON, but no seating plan: it has no list of zones.");
  }
  return plan as Plan;
}

const at = (...points: (Point | undefined)[]): Point =>
  points.reduce<Point>(
    (sum, point) => ({ x: sum.x + (point?.x ?? 0), y: sum.y + (point?.y ?? 0) }),
    { x: 0, y: 0 },
  );

function areasOf(zone: PlanZone, zoneNo: number): SeatmapJson["areas"] {
  return (zone.areas ?? [])
    .filter((area) => area.capacity !== undefined)
    .map((area, index) => {
      const position = at(zone.position, area.position);
      const size = area.rectangle ?? area.size ?? { width: 0, height: 0 };
      return {
        id: area.guid ?? area.uuid ?? `area-${zoneNo + 1}-${index + 1}`,
        name: area.name ?? zone.name,
        category: area.category,
        capacity: area.capacity ?? 0,
        ...position,
        ...size,
      };
    });
}

/** Positions add up from zone to row to seat. Every price is 0, so that the preview shows all seats in colour. */
export function planToSeatmap(plan: Plan): SeatmapJson {
  const zones = plan.zones ?? [];
  return {
    ...(plan.size ? { size: plan.size } : {}),
    categories: (plan.categories ?? []).map((level) => ({
      name: level.name,
      color: level.color ?? "#7f8c8d",
      price: 0,
    })),
    sections: zones.map((zone, zoneNo) => ({
      id: `zone-${zoneNo}`,
      name: String(zone.name ?? `Zone ${zoneNo + 1}`),
      rows: (zone.rows ?? []).map((row) => ({
        label: String(row.row_number ?? ""),
        seats: (row.seats ?? []).map((seat) => ({
          id: String(seat.seat_guid),
          label: String(seat.seat_number),
          category: seat.category,
          ...at(zone.position, row.position, seat.position),
        })),
      })),
    })),
    areas: zones.flatMap(areasOf),
  };
}

export function summarize(plan: Plan): PlanSummary {
  const perCategory = new Map((plan.categories ?? []).map((level) => [level.name, 0]));
  let rows = 0;
  let seats = 0;
  let areas = 0;
  let places = 0;
  for (const zone of plan.zones ?? []) {
    for (const row of zone.rows ?? []) {
      rows++;
      for (const seat of row.seats ?? []) {
        seats++;
        perCategory.set(seat.category, (perCategory.get(seat.category) ?? 0) + 1);
      }
    }
    for (const area of zone.areas ?? []) {
      if (area.capacity === undefined) continue;
      areas++;
      places += area.capacity;
      perCategory.set(area.category, (perCategory.get(area.category) ?? 0) + area.capacity);
    }
  }
  const color = new Map(
    (plan.categories ?? []).map((level) => [level.name, level.color ?? "#7f8c8d"]),
  );
  const categories = [...perCategory].map(([name, count]) => ({
    name,
    color: color.get(name) ?? "#7f8c8d",
    places: count,
  }));
  return {
    name: plan.name ?? "",
    sections: (plan.zones ?? []).length,
    rows,
    seats,
    areas,
    places,
    categories,
  };
}
