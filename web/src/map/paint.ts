// Draws one frame. Level of detail by the distance of neighbouring seats on screen: below SEATS_FROM_PX only section
// outlines with how much is free; up to ROUND_FROM_PX squares; above that stamped discs, with numbers when there is room.
// Stamps are drawn once per size, colour and state, so a frame is a few thousand drawImage calls at most.
import { BLOCKED, FREE } from "../lib/seatbits";
import type { SeatGrid } from "./grid";
import { drawMarks, drawSelectionDots } from "./marks";
import type { MapArea, MapSection, SeatModel } from "./model";
import { overlaps, type Box } from "./geometry";
import { mix, readableOn, type Palette } from "./palette";
import { toScreen, visibleBox, type Frame, type View } from "./view";

const SEATS_FROM_PX = 4.2;
const ROUND_FROM_PX = 8;
const NUMBERS_FROM_PX = 21;

export interface Scene {
  model: SeatModel;
  grid: SeatGrid;
  states: Uint8Array;
  /** Free share per section, 0 to 1. */
  freeShare: Float32Array;
  selected: ReadonlySet<number>;
  conflicts: ReadonlySet<number>;
  /** Held or bought by the person who looks. */
  mine: ReadonlySet<number>;
  /** Seats whose state has just changed, and when (as requestAnimationFrame tells time). */
  flashes: Map<number, number>;
  /** Only sections, however near. */
  isOverview: boolean;
  /** Category to show alone, or -1. */
  only: number;
  hovered: number;
  hoveredSection: number;
  focused: number;
}

export const showsSeats = (frame: Frame, view: View): boolean =>
  frame.pitch * view.scale >= SEATS_FROM_PX;

export class Painter {
  private stamps = new Map<string, HTMLCanvasElement>();
  private stampsFor = "";

  constructor(private readonly context: CanvasRenderingContext2D) {}

  draw(
    scene: Scene,
    frame: Frame,
    view: View,
    ratio: number,
    palette: Palette,
    now: number,
  ): void {
    const { context } = this;
    const px = frame.pitch * view.scale;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = palette.ground;
    context.fillRect(0, 0, frame.width, frame.height);
    const box = visibleBox(frame, view, frame.pitch);
    const withSeats = px >= SEATS_FROM_PX && !scene.isOverview;
    for (const area of scene.model.areas) this.area(area, scene, view, palette);
    for (const [index, section] of scene.model.sections.entries()) {
      if (section.count > 0 && overlaps(section.box, box))
        this.section(section, index, scene, view, palette, withSeats);
    }
    if (withSeats) this.seats(scene, view, box, px, ratio, palette);
    this.sectionNames(scene, frame, view, box, palette, withSeats);
    if (withSeats) drawMarks(this.context, scene, view, px, palette, now);
    else drawSelectionDots(this.context, scene, view, palette);
  }

  private area(area: MapArea, scene: Scene, view: View, palette: Palette): void {
    const { context } = this;
    const category = scene.model.categories[area.category];
    const [left, top] = toScreen(view, area.box.left, area.box.top);
    const width = (area.box.right - area.box.left) * view.scale;
    const height = (area.box.bottom - area.box.top) * view.scale;
    if (width <= 0 || height <= 0) return;
    const dim = scene.only >= 0 && scene.only !== area.category;
    context.beginPath();
    context.roundRect(left, top, width, height, Math.min(10, width / 4, height / 4));
    context.fillStyle = dim || !category ? palette.floor : mix(category.color, "#ffffff", 0.1);
    context.globalAlpha = dim ? 0.6 : 0.85;
    context.fill();
    context.globalAlpha = 1;
    context.strokeStyle = palette.line;
    context.lineWidth = 1;
    context.stroke();
    context.fillStyle = dim || !category ? palette.muted : readableOn(category.color);
    this.text(area.name, left + width / 2, top + height / 2, width - 8, Math.min(16, height / 2));
  }

  private path(section: MapSection, view: View): void {
    const { context } = this;
    context.beginPath();
    for (let i = 0; i < section.hull.length; i += 2) {
      context.lineTo(
        section.hull[i]! * view.scale + view.x,
        section.hull[i + 1]! * view.scale + view.y,
      );
    }
    context.closePath();
  }

  private section(
    section: MapSection,
    index: number,
    scene: Scene,
    view: View,
    palette: Palette,
    bare: boolean,
  ): void {
    const { context } = this;
    const category = scene.model.categories[section.category];
    this.path(section, view);
    if (bare) {
      context.fillStyle = palette.floor;
      context.fill();
      return;
    }
    const share = scene.freeShare[index]!;
    const dim = scene.only >= 0 && scene.only !== section.category;
    context.fillStyle = share === 0 || dim || !category ? palette.taken : category.color;
    context.globalAlpha = share === 0 || dim ? 0.55 : 0.5 + 0.5 * share;
    context.fill();
    context.globalAlpha = 1;
    context.strokeStyle = index === scene.hoveredSection ? palette.text : palette.ground;
    context.lineWidth = index === scene.hoveredSection ? 2.5 : 1.5;
    context.stroke();
  }

  private seats(
    scene: Scene,
    view: View,
    box: Box,
    px: number,
    ratio: number,
    palette: Palette,
  ): void {
    const { context } = this;
    const { model, states } = scene;
    const round = px >= ROUND_FROM_PX;
    const size = Math.max(1, Math.round(px * 0.84 * ratio)) / ratio;
    this.keepStampsFor(`${size} ${ratio} ${palette.ground} ${palette.taken}`);
    const squares = new Map<string, number[]>();
    scene.grid.each(box, (seat) => {
      const category = model.category[seat]!;
      const look = this.look(scene, seat, category, states[seat]!, palette);
      const x = model.x[seat]! * view.scale + view.x;
      const y = model.y[seat]! * view.scale + view.y;
      if (round) {
        const stamp = this.stamp(look, size, ratio);
        // On whole device pixels: a stamp that is resampled looks dented.
        const left = Math.round((x - size / 2) * ratio) / ratio;
        const top = Math.round((y - size / 2) * ratio) / ratio;
        context.drawImage(stamp, left, top, size, size);
        return;
      }
      const list = squares.get(look);
      if (list) list.push(x, y);
      else squares.set(look, [x, y]);
    });
    for (const [look, points] of squares) {
      const [color, part] = look.split("/");
      const side = size * Number(part);
      context.fillStyle = color!;
      for (let i = 0; i < points.length; i += 2) {
        context.fillRect(points[i]! - side / 2, points[i + 1]! - side / 2, side, side);
      }
    }
    if (px >= NUMBERS_FROM_PX) this.numbers(scene, view, box, px, palette);
  }

  /** Colour and size of a seat as one key, "#rrggbb/part of full size". */
  private look(
    scene: Scene,
    seat: number,
    category: number,
    state: number,
    palette: Palette,
  ): string {
    const level = scene.model.categories[category];
    if (scene.selected.has(seat)) return `${palette.text}/1.1`;
    if (scene.mine.has(seat)) return `${palette.accent}/1`;
    if (scene.conflicts.has(seat)) return `${palette.danger}/0.8`;
    if (state === BLOCKED || !level || level.price === null) return `${palette.blocked}/0.4`;
    if (state !== FREE) return `${palette.taken}/0.6`;
    if (scene.only >= 0 && scene.only !== category) return `${palette.taken}/0.9`;
    return `${level.color}/1`;
  }

  private keepStampsFor(key: string): void {
    if (this.stampsFor === key) return;
    this.stampsFor = key;
    this.stamps.clear();
  }

  private stamp(look: string, size: number, ratio: number): HTMLCanvasElement {
    const known = this.stamps.get(look);
    if (known) return known;
    const [color, part] = look.split("/");
    const stamp = document.createElement("canvas");
    const side = Math.max(1, Math.round(size * ratio));
    stamp.width = side;
    stamp.height = side;
    const pen = stamp.getContext("2d")!;
    pen.fillStyle = color!;
    pen.beginPath();
    pen.arc(side / 2, side / 2, Math.min(side / 2, (side / 2) * Number(part)), 0, 2 * Math.PI);
    pen.fill();
    this.stamps.set(look, stamp);
    return stamp;
  }

  private numbers(scene: Scene, view: View, box: Box, px: number, palette: Palette): void {
    const { context } = this;
    const { model } = scene;
    context.font = `600 ${Math.round(px * 0.36)}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    scene.grid.each(box, (seat) => {
      const level = model.categories[model.category[seat]!];
      const free = scene.states[seat] === FREE && level && level.price !== null;
      const chosen = scene.selected.has(seat);
      const mine = scene.mine.has(seat);
      if (!chosen && !mine && !free) return;
      context.fillStyle = chosen
        ? palette.ground
        : readableOn(mine ? palette.accent : (level?.color ?? "#888888"));
      const [x, y] = toScreen(view, model.x[seat]!, model.y[seat]!);
      context.fillText(model.numbers[seat]!, x, y + px * 0.02);
    });
  }

  private sectionNames(
    scene: Scene,
    frame: Frame,
    view: View,
    box: Box,
    palette: Palette,
    withSeats: boolean,
  ): void {
    if (withSeats && frame.pitch * view.scale >= ROUND_FROM_PX * 1.6) return;
    for (const [index, section] of scene.model.sections.entries()) {
      if (section.count === 0 || !overlaps(section.box, box)) continue;
      const width = (section.box.right - section.box.left) * view.scale;
      const height = (section.box.bottom - section.box.top) * view.scale;
      const [x, y] = toScreen(view, section.centreX, section.centreY);
      const gone =
        scene.freeShare[index] === 0 || (scene.only >= 0 && scene.only !== section.category);
      const color = scene.model.categories[section.category]?.color ?? "#888888";
      this.context.fillStyle = gone ? palette.text : readableOn(color);
      const name = section.name.replace(/^(block|section)\s+/i, "");
      const size = Math.min(15, height * 0.4);
      // Where seats are never shown, how many are free stands below the name, if there is room.
      const count = scene.isOverview && height >= 44 && width >= 56;
      if (withSeats) this.plate(section.name, x, y, palette);
      else this.text(name, x, count ? y - size * 0.6 : y, width * 0.8, size);
      if (count) {
        const free = Math.round(scene.freeShare[index]! * section.count);
        this.text(free === 0 ? "sold out" : `${free} free`, x, y + size * 0.7, width * 0.9, 12);
      }
    }
  }

  private plate(name: string, x: number, y: number, palette: Palette): void {
    const { context } = this;
    context.font = "600 12px system-ui, sans-serif";
    const width = context.measureText(name).width + 14;
    context.globalAlpha = 0.86;
    context.fillStyle = palette.ground;
    context.beginPath();
    context.roundRect(x - width / 2, y - 11, width, 22, 11);
    context.fill();
    context.globalAlpha = 1;
    context.fillStyle = palette.text;
    this.text(name, x, y, width, 12);
  }

  private text(text: string, x: number, y: number, room: number, size: number): void {
    if (size < 7 || room < 8) return;
    const { context } = this;
    context.font = `600 ${Math.round(size)}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    const width = context.measureText(text).width;
    if (width <= room) return void context.fillText(text, x, y);
    const smaller = Math.floor((size * room) / width);
    if (smaller < 7) return;
    context.font = `600 ${smaller}px system-ui, sans-serif`;
    context.fillText(text, x, y);
  }
}
