// Owns one canvas: its view, what is hovered and focused, and when to draw. Draws at most once per animation frame and
// only when something changed. Components set what to show and are told what the person does.
import type { SeatBoard } from "./board";
import { overlaps, pointInPolygon } from "./geometry";
import { attachGestures } from "./gestures";
import { SeatGrid } from "./grid";
import { handleKey } from "./keys";
import type { SeatModel } from "./model";
import { FLASH_MS } from "./marks";
import { Painter, showsSeats, type Scene } from "./paint";
import { readPalette, type Palette } from "./palette";
import {
  between,
  clampView,
  fitAll,
  fitBox,
  toPlan,
  toScreen,
  zoomAt,
  type Frame,
  type View,
} from "./view";

export interface MapEvents {
  onToggle(seat: number): void;
  onArea(area: number): void;
  onHover(seat: number, x: number, y: number): void;
  onHoverSection(section: number, x: number, y: number): void;
  onFocusSeat(seat: number): void;
}

const ANIMATION_MS = 280;
/** Of a change that is larger nobody could see the single seats. */
const FLASHES_MAX = 120;

const isCalm = (): boolean => matchMedia("(prefers-reduced-motion: reduce)").matches;

export class MapController {
  readonly model: SeatModel;
  readonly scene: Scene;
  readonly frame: Frame;
  view: View;
  private readonly painter: Painter;
  private palette: Palette;
  private requested = 0;
  private animation: { from: View; to: View; startedAt: number } | null = null;
  private readonly releases: (() => void)[] = [];
  private wasMoved = false;

  constructor(
    readonly canvas: HTMLCanvasElement,
    readonly board: SeatBoard,
    readonly events: MapEvents,
    /** Only counts by section are known: seats are not shown. */
    readonly isOverview = false,
  ) {
    const { model } = board;
    this.model = model;
    this.painter = new Painter(canvas.getContext("2d", { alpha: false })!);
    this.palette = readPalette(canvas);
    this.scene = {
      model,
      grid: new SeatGrid(model.x, model.y, model.bounds, model.pitch),
      states: board.states,
      freeShare: new Float32Array(model.sections.length),
      selected: new Set(),
      conflicts: new Set(),
      mine: new Set(),
      flashes: new Map(),
      isOverview,
      only: -1,
      hovered: -1,
      hoveredSection: -1,
      focused: -1,
    };
    this.frame = { width: 1, height: 1, bounds: model.bounds, pitch: model.pitch };
    this.view = fitAll(this.frame);
    this.boardChanged(null);
    this.listen();
    this.resize();
  }

  private listen(): void {
    const resizes = new ResizeObserver(() => this.resize());
    resizes.observe(this.canvas);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const recolor = (): void => {
      this.palette = readPalette(this.canvas);
      this.redraw();
    };
    scheme.addEventListener("change", recolor);
    const key = (event: KeyboardEvent): void => {
      if (handleKey(this, event)) event.preventDefault();
    };
    const blur = (): void => this.focusSeat(-1);
    this.canvas.addEventListener("keydown", key);
    this.canvas.addEventListener("blur", blur);
    this.releases.push(
      this.board.subscribe((changed) => this.boardChanged(changed)),
      () => resizes.disconnect(),
      () => scheme.removeEventListener("change", recolor),
      () => this.canvas.removeEventListener("keydown", key),
      () => this.canvas.removeEventListener("blur", blur),
      attachGestures(this.canvas, {
        pan: (dx, dy) => this.panBy(dx, dy),
        zoom: (factor, x, y) => this.zoomAt(factor, x, y),
        tap: (x, y) => this.tap(x, y),
        doubleTap: (x, y) => this.doubleTap(x, y),
        hover: (x, y) => this.hover(x, y),
        leave: () => this.hoverNothing(),
      }),
    );
  }

  release(): void {
    cancelAnimationFrame(this.requested);
    for (const release of this.releases) release();
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.canvas;
    if (clientWidth === 0 || clientHeight === 0) return;
    const ratio = window.devicePixelRatio || 1;
    this.frame.width = clientWidth;
    this.frame.height = clientHeight;
    this.canvas.width = Math.round(clientWidth * ratio);
    this.canvas.height = Math.round(clientHeight * ratio);
    this.view = this.wasMoved ? clampView(this.frame, this.view) : fitAll(this.frame);
    this.draw(performance.now());
  }

  redraw(): void {
    if (this.requested === 0) this.requested = requestAnimationFrame((now) => this.draw(now));
  }

  private draw(now: number): void {
    cancelAnimationFrame(this.requested);
    this.requested = 0;
    if (this.animation) {
      const t = Math.min(1, (now - this.animation.startedAt) / ANIMATION_MS);
      this.view =
        t === 1
          ? this.animation.to
          : between(this.animation.from, this.animation.to, Math.max(0, t));
      if (t === 1) this.animation = null;
      else this.redraw();
    }
    for (const [seat, startedAt] of this.scene.flashes)
      if (now - startedAt >= FLASH_MS) this.scene.flashes.delete(seat);
    if (this.scene.flashes.size > 0) this.redraw();
    this.painter.draw(
      this.scene,
      this.frame,
      this.view,
      window.devicePixelRatio || 1,
      this.palette,
      now,
    );
    this.canvas.dataset["view"] = `${this.view.scale} ${this.view.x} ${this.view.y}`;
    this.canvas.dataset["moving"] = String(this.animation !== null);
  }

  /** Takes in what the board says of these seats, or of all. Drawing waits for the next frame, however many changes there are. */
  private boardChanged(changed: readonly number[] | null): void {
    const { model, flashes } = this.scene;
    if (changed === null) for (let i = 0; i < model.sections.length; i++) this.setShare(i);
    else for (const seat of changed) this.setShare(model.section[seat]!);
    if (changed && changed.length <= FLASHES_MAX && this.showsSeats() && !isCalm()) {
      for (const seat of changed) if (flashes.size < FLASHES_MAX) flashes.set(seat, performance.now());
    }
    this.redraw();
  }

  private setShare(section: number): void {
    const { count } = this.model.sections[section]!;
    this.scene.freeShare[section] = count === 0 ? 0 : this.board.sectionFree[section]! / count;
  }

  private showsSeats(): boolean {
    return !this.isOverview && showsSeats(this.frame, this.view);
  }

  show(part: Partial<Pick<Scene, "selected" | "conflicts" | "mine" | "only">>): void {
    Object.assign(this.scene, part);
    this.redraw();
  }

  private moveTo(view: View, smooth: boolean): void {
    this.hoverNothing();
    this.wasMoved = true;
    if (smooth && !isCalm())
      this.animation = { from: this.view, to: view, startedAt: performance.now() };
    else {
      this.animation = null;
      this.view = view;
    }
    this.redraw();
  }

  panBy(dx: number, dy: number, smooth = false): void {
    const target = { ...this.view, x: this.view.x + dx, y: this.view.y + dy };
    this.moveTo(clampView(this.frame, target), smooth);
  }

  zoomAt(factor: number, x: number, y: number): void {
    this.moveTo(zoomAt(this.frame, this.view, factor, x, y), false);
  }

  zoomBy(factor: number): void {
    const from = this.animation?.to ?? this.view;
    this.moveTo(
      zoomAt(this.frame, from, factor, this.frame.width / 2, this.frame.height / 2),
      true,
    );
  }

  fit(): void {
    this.moveTo(fitAll(this.frame), true);
    this.wasMoved = false;
  }

  zoomToSection(index: number): void {
    const section = this.model.sections[index];
    if (section && section.count > 0) this.moveTo(fitBox(this.frame, section.box), true);
  }

  /** Brings a seat into sight, close enough to be recognised. */
  reveal(seat: number): void {
    const least = 16 / this.frame.pitch;
    const scale = Math.max(this.view.scale, least);
    const [x, y] = toScreen(this.view, this.model.x[seat]!, this.model.y[seat]!);
    const edge = 40;
    const inside =
      x > edge && y > edge && x < this.frame.width - edge && y < this.frame.height - edge;
    if (inside && scale === this.view.scale) return;
    const target = {
      scale,
      x: this.frame.width / 2 - this.model.x[seat]! * scale,
      y: this.frame.height / 2 - this.model.y[seat]! * scale,
    };
    this.moveTo(clampView(this.frame, target), true);
  }

  focusSeat(seat: number): void {
    if (this.scene.focused === seat) return;
    this.scene.focused = seat;
    if (seat >= 0) {
      this.reveal(seat);
      this.events.onFocusSeat(seat);
    }
    this.redraw();
  }

  private seatAt(px: number, py: number, slack: number): number {
    if (!this.showsSeats()) return -1;
    const [x, y] = toPlan(this.view, px, py);
    const reach = Math.max(
      this.model.pitch * 0.55,
      Math.min(slack / this.view.scale, this.model.pitch * 1.2),
    );
    return this.scene.grid.nearest(x, y, reach);
  }

  private sectionAt(px: number, py: number): number {
    const [x, y] = toPlan(this.view, px, py);
    return this.model.sections.findIndex(
      (section) => section.count > 0 && pointInPolygon(section.hull, x, y),
    );
  }

  private tap(x: number, y: number): void {
    const seat = this.seatAt(x, y, 12);
    if (seat >= 0) {
      const small = this.model.pitch * this.view.scale < 9;
      if (small) this.zoomAt(2.2, x, y);
      else this.events.onToggle(seat);
      return;
    }
    const section = this.showsSeats() ? -1 : this.sectionAt(x, y);
    if (section >= 0) return this.zoomToSection(section);
    const area = this.areaAt(x, y);
    if (area >= 0) this.events.onArea(area);
  }

  private areaAt(px: number, py: number): number {
    const [x, y] = toPlan(this.view, px, py);
    const point = { left: x, top: y, right: x, bottom: y };
    return this.model.areas.findIndex(({ box }) => box.right > box.left && overlaps(box, point));
  }

  private doubleTap(x: number, y: number): void {
    if (this.seatAt(x, y, 12) >= 0) this.tap(x, y);
    else if (this.animation === null) this.moveTo(zoomAt(this.frame, this.view, 2, x, y), true);
  }

  private hover(x: number, y: number): void {
    const seat = this.seatAt(x, y, 0);
    const section = seat < 0 && !this.showsSeats() ? this.sectionAt(x, y) : -1;
    this.canvas.classList.toggle(
      "is-pointing",
      seat >= 0 || section >= 0 || this.areaAt(x, y) >= 0,
    );
    if (seat !== this.scene.hovered || section !== this.scene.hoveredSection) {
      this.scene.hovered = seat;
      this.scene.hoveredSection = section;
      this.redraw();
    }
    if (section >= 0) this.events.onHoverSection(section, x, y);
    else this.events.onHover(seat, x, y);
  }

  private hoverNothing(): void {
    if (this.scene.hovered < 0 && this.scene.hoveredSection < 0) return;
    this.scene.hovered = -1;
    this.scene.hoveredSection = -1;
    this.events.onHover(-1, 0, 0);
    this.redraw();
  }
}
