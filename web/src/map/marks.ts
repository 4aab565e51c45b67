// What is drawn over the seats: the choice, conflicts, the pointer's seat and the keyboard's.
import type { SeatModel } from "./model";
import type { Scene } from "./paint";
import type { Palette } from "./palette";
import { toScreen, type View } from "./view";

export const FLASH_MS = 700;

export function drawMarks(
  context: CanvasRenderingContext2D,
  scene: Scene,
  view: View,
  px: number,
  palette: Palette,
  now: number,
): void {
  const ring = (seat: number, color: string, grow: number, width: number): void => {
    const [x, y] = toScreen(view, scene.model.x[seat]!, scene.model.y[seat]!);
    context.beginPath();
    context.arc(x, y, px * 0.42 + grow, 0, 2 * Math.PI);
    context.strokeStyle = color;
    context.lineWidth = width;
    context.stroke();
  };
  for (const [seat, startedAt] of scene.flashes) {
    const t = Math.min(1, Math.max(0, (now - startedAt) / FLASH_MS));
    context.globalAlpha = 1 - t;
    ring(seat, palette.text, t * px * 0.5, Math.max(1.5, px * 0.08));
  }
  context.globalAlpha = 1;
  for (const seat of scene.mine) ring(seat, palette.accent, Math.max(1.5, px * 0.08), 1.5);
  for (const seat of scene.selected)
    ring(seat, palette.accent, Math.max(2, px * 0.1), Math.max(2, px * 0.1));
  for (const seat of scene.conflicts) crossOut(context, scene.model, seat, view, px, palette);
  if (scene.hovered >= 0) ring(scene.hovered, palette.text, 1.5, 2);
  if (scene.focused >= 0) {
    ring(scene.focused, palette.ground, 4, 5);
    ring(scene.focused, palette.focus, 4, 2.5);
  }
}

function crossOut(
  context: CanvasRenderingContext2D,
  model: SeatModel,
  seat: number,
  view: View,
  px: number,
  palette: Palette,
): void {
  const [x, y] = toScreen(view, model.x[seat]!, model.y[seat]!);
  const arm = Math.max(3, px * 0.3);
  context.beginPath();
  context.moveTo(x - arm, y - arm);
  context.lineTo(x + arm, y + arm);
  context.moveTo(x + arm, y - arm);
  context.lineTo(x - arm, y + arm);
  context.strokeStyle = palette.text;
  context.lineWidth = Math.max(1.5, px * 0.08);
  context.stroke();
}

export function drawSelectionDots(
  context: CanvasRenderingContext2D,
  scene: Scene,
  view: View,
  palette: Palette,
): void {
  const dot = (seat: number, color: string): void => {
    const [x, y] = toScreen(view, scene.model.x[seat]!, scene.model.y[seat]!);
    context.beginPath();
    context.arc(x, y, 5, 0, 2 * Math.PI);
    context.fillStyle = color;
    context.fill();
    context.lineWidth = 2.5;
    context.strokeStyle = palette.ground;
    context.stroke();
  };
  for (const seat of scene.mine) dot(seat, palette.accent);
  for (const seat of scene.selected) dot(seat, palette.text);
}
