import assert from "node:assert/strict";
import { test } from "node:test";
import type { SeatmapJson } from "../src/api/types";
import { convexHull, pointInPolygon, polygonCentre } from "../src/map/geometry";
import { SeatGrid } from "../src/map/grid";
import { buildModel, seatPrice, seatText } from "../src/map/model";
import { mix, readableOn } from "../src/map/palette";
import { between, clampView, fitAll, toPlan, toScreen, zoomAt, type Frame } from "../src/map/view";
import { parsePlan, planToSeatmap, summarize } from "../src/organizer/plan";

/** Sections side by side, each rows x columns of seats 10 apart. */
function seatmap(sections: number, rows: number, columns: number): SeatmapJson {
  return {
    categories: [
      { name: "A", color: "#aa0000", price: 1000 },
      { name: "B", color: "bad", price: null },
    ],
    sections: Array.from({ length: sections }, (_, s) => ({
      id: `s${s}`,
      name: `Block ${s}`,
      rows: Array.from({ length: rows }, (_, r) => ({
        label: String(r + 1),
        seats: Array.from({ length: columns }, (_, c) => ({
          id: `${s}-${r}-${c}`,
          label: String(c + 1),
          x: s * (columns * 10 + 30) + c * 10,
          y: r * 10,
          category: s % 2 === 0 ? "A" : "B",
        })),
      })),
    })),
    areas: [],
  };
}

const gridOf = (json: SeatmapJson) => {
  const model = buildModel(json);
  return { model, grid: new SeatGrid(model.x, model.y, model.bounds, model.pitch) };
};

test("a model keeps layout order, names and prices", () => {
  const model = buildModel(seatmap(2, 3, 4));
  assert.equal(model.count, 24);
  assert.equal(model.pitch, 10);
  const seat = model.indexOf.get("1-2-3")!;
  assert.equal(seat, 23);
  assert.equal(seatText(model, seat), "Block 1, row 3, seat 4");
  assert.equal(seatPrice(model, seat), null);
  assert.equal(seatPrice(model, 0), 1000);
  assert.match(model.categories[1]!.color, /^#[0-9a-f]{6}$/i, "a bad colour is replaced");
  assert.equal(model.sections[1]!.first, 12);
  assert.ok(model.bounds.left < 0 && model.bounds.right > 100);
});

test("a model of nothing, of one seat and of an empty section can be built", () => {
  assert.equal(buildModel({ categories: [], sections: [], areas: [] }).count, 0);
  const one = buildModel(seatmap(1, 1, 1));
  assert.ok(one.sections[0]!.hull.length >= 8);
  const withEmpty = seatmap(1, 1, 2);
  withEmpty.sections.push({ id: "e", name: "Empty", rows: [] });
  assert.equal(buildModel(withEmpty).sections[1]!.count, 0);
});

test("the hull holds every point and not much more", () => {
  const x = [0, 10, 10, 0, 5, 5];
  const y = [0, 0, 10, 10, 5, 2];
  const hull = convexHull(x, y, 0, 6, 1);
  for (let i = 0; i < 6; i++) assert.ok(pointInPolygon(hull, x[i]!, y[i]!), `point ${i}`);
  assert.ok(!pointInPolygon(hull, -3, 5));
  assert.ok(!pointInPolygon(hull, 5, 13));
  const [cx, cy] = polygonCentre(hull);
  assert.ok(Math.abs(cx - 5) < 0.01 && Math.abs(cy - 5) < 0.01);
});

test("the grid finds the same nearest seat as trying all of them", () => {
  const { model, grid } = gridOf(seatmap(3, 8, 9));
  for (let k = 0; k < 300; k++) {
    const px =
      model.bounds.left + ((k * 37) % 101) * ((model.bounds.right - model.bounds.left) / 101);
    const py = model.bounds.top + ((k * 53) % 97) * ((model.bounds.bottom - model.bounds.top) / 97);
    let best = -1;
    let distance = 12 ** 2;
    for (let i = 0; i < model.count; i++) {
      const d = (model.x[i]! - px) ** 2 + (model.y[i]! - py) ** 2;
      if (d < distance) [best, distance] = [i, d];
    }
    const found = grid.nearest(px, py, 12);
    const foundDistance =
      found < 0 ? -1 : (model.x[found]! - px) ** 2 + (model.y[found]! - py) ** 2;
    assert.equal(foundDistance, best < 0 ? -1 : distance);
  }
  assert.equal(grid.nearest(-500, -500, 5), -1);
  assert.equal(
    grid.nearest(0, 0, 5, (seat) => seat !== 0),
    -1,
    "refused seats are not found",
  );
});

test("arrow keys walk to the neighbour, across gaps, and stop at the edge", () => {
  const { model, grid } = gridOf(seatmap(2, 3, 4));
  const at = (id: string): number => model.indexOf.get(id)!;
  assert.equal(grid.towards(at("0-0-0"), 1, 0, 10), at("0-0-1"));
  assert.equal(grid.towards(at("0-0-0"), 0, 1, 10), at("0-1-0"));
  assert.equal(grid.towards(at("0-1-3"), 1, 0, 10), at("1-1-0"), "over the aisle");
  assert.equal(grid.towards(at("1-1-0"), -1, 0, 10), at("0-1-3"));
  assert.equal(grid.towards(at("0-0-0"), -1, 0, 10), -1);
  assert.equal(grid.towards(at("1-2-3"), 0, 1, 10), -1);
});

test("zooming keeps the point under the finger, within limits", () => {
  const frame: Frame = {
    width: 800,
    height: 600,
    bounds: { left: 0, top: 0, right: 1000, bottom: 500 },
    pitch: 10,
  };
  const start = fitAll(frame);
  const [x, y] = toPlan(start, 300, 250);
  const zoomed = zoomAt(frame, start, 2, 300, 250);
  const [px, py] = toScreen(zoomed, x, y);
  assert.ok(Math.abs(px - 300) < 1e-6 && Math.abs(py - 250) < 1e-6);
  assert.equal(zoomAt(frame, start, 1e9, 0, 0).scale, 4.6);
  assert.ok(zoomAt(frame, start, 1e-9, 0, 0).scale >= start.scale * 0.79);
});

test("the plan can't be dragged out of sight", () => {
  const frame: Frame = {
    width: 800,
    height: 600,
    bounds: { left: 0, top: 0, right: 1000, bottom: 500 },
    pitch: 10,
  };
  const view = clampView(frame, { scale: 2, x: 1e6, y: -1e6 });
  const [left, top] = toScreen(view, 0, 0);
  const [right, bottom] = toScreen(view, 1000, 500);
  assert.ok(left < 800 && right > 0 && top < 600 && bottom > 0);
});

test("an animation starts and ends where it should", () => {
  const a = { scale: 1, x: 0, y: 0 };
  const b = { scale: 4, x: -100, y: 50 };
  assert.deepEqual(between(a, b, 0), a);
  const end = between(a, b, 1);
  assert.ok(Math.abs(end.scale - 4) < 1e-9 && Math.abs(end.x + 100) < 1e-6);
  const same = between(a, { scale: 1, x: 10, y: 0 }, 0.5);
  assert.ok(Math.abs(same.x - 5) < 1e-9);
});

test("text on a category's colour has contrast", () => {
  assert.equal(readableOn("#ffffff"), "#151217");
  assert.equal(readableOn("#101010"), "#ffffff");
  assert.equal(mix("#000000", "#ffffff", 0.5), "rgb(128 128 128)");
});

test("50,000 seats are indexed quickly", () => {
  const json = seatmap(50, 25, 40);
  const started = performance.now();
  const { model, grid } = gridOf(json);
  const elapsed = performance.now() - started;
  assert.equal(model.count, 50_000);
  assert.equal(grid.nearest(model.x[31_415]!, model.y[31_415]!, 4), 31_415);
  assert.ok(elapsed < 2000, `${elapsed} ms`);
});

test("positions of a plan add up from zone to row to seat", () => {
  const plan = parsePlan(
    JSON.stringify({
      name: "Hall",
      categories: [{ name: "A", color: "#112233" }],
      zones: [
        {
          name: "Z",
          position: { x: 100, y: 10 },
          rows: [
            {
              row_number: "1",
              position: { x: 20, y: 2 },
              seats: [
                { seat_guid: "g", seat_number: "7", position: { x: 3, y: 1 }, category: "A" },
              ],
            },
          ],
          areas: [
            {
              name: "Floor",
              capacity: 50,
              position: { x: 1, y: 1 },
              size: { width: 9, height: 8 },
              category: "A",
            },
            { name: "a drawing without places", position: { x: 0, y: 0 }, category: "A" },
          ],
        },
      ],
    }),
  );
  const map = planToSeatmap(plan);
  assert.deepEqual(map.sections[0]!.rows[0]!.seats[0], {
    id: "g",
    label: "7",
    category: "A",
    x: 123,
    y: 13,
  });
  assert.equal(map.areas.length, 1);
  assert.deepEqual([map.areas[0]!.x, map.areas[0]!.width], [101, 9]);
  const facts = summarize(plan);
  assert.deepEqual(facts.categories, [{ name: "A", color: "#112233", places: 51 }]);
  assert.deepEqual(
    [facts.seats, facts.rows, facts.sections, facts.areas, facts.places],
    [1, 1, 1, 1, 50],
  );
  assert.throws(() => parsePlan("{"), /not JSON/);
  assert.throws(() => parsePlan("[]"), /no seating plan/);
});
