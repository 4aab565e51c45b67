// For components that show a board as text: the map draws itself.
import { useEffect, useState } from "preact/hooks";
import type { SeatBoard } from "./board";

/** Draws the component anew when the board changed, at most once in `ms`. */
export function useBoardPulse(board: SeatBoard, ms: number): void {
  const [, redraw] = useState(0);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const pulse = (): void => {
      timer ??= setTimeout(() => {
        timer = undefined;
        redraw((count) => count + 1);
      }, ms);
    };
    const leave = board.subscribe(pulse);
    return () => {
      leave();
      clearTimeout(timer);
    };
  }, [board, ms]);
}
