// The map from the keyboard: arrows walk from seat to seat, Enter or Space chooses, + and - zoom, 0 shows everything.
import { FREE } from "../lib/seatbits";
import type { MapController } from "./controller";
import { toPlan } from "./view";

const DIRECTIONS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Where walking starts: the free seat nearest to the middle of what is shown. */
function firstSeat(map: MapController): number {
  const { grid, states } = map.scene;
  const [x, y] = toPlan(map.view, map.frame.width / 2, map.frame.height / 2);
  const isFree = (seat: number): boolean => states[seat] === FREE;
  const extent = Math.max(map.frame.width, map.frame.height) / map.view.scale;
  for (let reach = map.frame.pitch * 2; reach < extent * 4; reach *= 4) {
    const seat = grid.nearest(x, y, reach, isFree);
    if (seat >= 0) return seat;
  }
  return map.model.count > 0 ? 0 : -1;
}

/** True when the key was for the map. */
export function handleKey(map: MapController, event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const direction = DIRECTIONS[event.key];
  const { focused } = map.scene;
  if (direction) {
    const next =
      focused < 0 ? firstSeat(map) : map.scene.grid.towards(focused, ...direction, map.frame.pitch);
    if (next >= 0) map.focusSeat(next);
    return true;
  }
  switch (event.key) {
    case "Enter":
    case " ":
      if (focused >= 0) map.events.onToggle(focused);
      else map.focusSeat(firstSeat(map));
      return true;
    case "+":
    case "=":
      map.zoomBy(1.6);
      return true;
    case "-":
      map.zoomBy(1 / 1.6);
      return true;
    case "0":
    case "Home":
      map.fit();
      return true;
    case "Escape":
      map.focusSeat(-1);
      return focused >= 0;
    default:
      return false;
  }
}
