// The door's state in the page: bundle and scans from the browser's database, whether there is a network, and the telling
// of what was let in without one.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { handledAsLogin } from "../../lib/session";
import { getBundle } from "./api";
import { fromBase64url, readyToVerify } from "./code";
import { decide, isSilent, tellPending, type DoorState, type Verdict } from "./door";
import { keepBundle, loadBundle, loadScans, type Scan } from "./store";

const ROUND_MS = 5000;
const BUNDLE_MS = 60_000;
const GATE_KEY = "foyer-door.gate";

export interface Door {
  isReady: boolean;
  gate: string;
  setGate(gate: string): void;
  /** Offline by choice; without it the door is offline only as long as the server is not heard. */
  isForced: boolean;
  force(isForced: boolean): void;
  isOffline: boolean;
  bundleAt: string | null;
  ticketCount: number | null;
  scans: Scan[];
  error: unknown;
  scan(code: string): Promise<Verdict>;
}

export function useDoor(eventId: string): Door {
  const door = useRef<DoorState>({
    eventId,
    gate: localStorage.getItem(GATE_KEY) ?? "",
    bundle: null,
    seen: new Map(),
    isOffline: false,
  });
  const [isReady, setReady] = useState(false);
  const [isForced, setForced] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [, redraw] = useState(0);
  const changed = (): void => redraw((count) => count + 1);
  const isForcedNow = useRef(false);

  useEffect(() => {
    let isOver = false;
    const load = async (): Promise<void> => {
      const [bundle, scans] = await Promise.all([loadBundle(eventId), loadScans(eventId)]);
      if (isOver) return;
      door.current.bundle ??= bundle ?? null;
      for (const scan of scans.sort((a, b) => (a.scannedAt < b.scannedAt ? -1 : 1)))
        door.current.seen.set(scan.ticketId, scan);
      setReady(true);
    };
    load().catch(setError);
    return () => void (isOver = true);
  }, [eventId]);

  /** Fetches what is new and tells what is pending; also how a door finds out that the network is back. */
  const round = useCallback(async (isBundleDue: boolean): Promise<void> => {
    const state = door.current;
    if (isForcedNow.current) return;
    try {
      if (isBundleDue || !state.bundle || state.isOffline) {
        const bundle = await getBundle(eventId);
        await readyToVerify(fromBase64url(bundle.public_key));
        await keepBundle(bundle);
        state.bundle = bundle;
      }
      if (isForcedNow.current) return;
      state.isOffline = false;
      await tellPending(state);
      setError(null);
    } catch (problem) {
      if (isSilent(problem)) state.isOffline = true;
      else if (!handledAsLogin(problem)) setError(problem);
    }
    changed();
  }, []);

  useEffect(() => {
    if (!isReady) return;
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let bundleAt = -Infinity;
    const again = async (): Promise<void> => {
      const isDue = performance.now() - bundleAt > BUNDLE_MS;
      await round(isDue);
      if (isDue && !door.current.isOffline) bundleAt = performance.now();
      if (!isOver) timer = setTimeout(again, ROUND_MS);
    };
    const now = (): void => {
      clearTimeout(timer);
      void again();
    };
    void again();
    window.addEventListener("online", now);
    return () => {
      isOver = true;
      clearTimeout(timer);
      window.removeEventListener("online", now);
    };
  }, [isReady, isForced]);

  const setGate = (gate: string): void => {
    door.current.gate = gate;
    localStorage.setItem(GATE_KEY, gate);
    changed();
  };
  const force = (wanted: boolean): void => {
    isForcedNow.current = wanted;
    door.current.isOffline = wanted;
    setForced(wanted);
  };
  const scan = async (code: string): Promise<Verdict> => {
    const verdict = await decide(door.current, code);
    if ("isOffline" in verdict && verdict.isOffline) door.current.isOffline = true;
    changed();
    return verdict;
  };
  const { gate, isOffline, bundle, seen } = door.current;
  return {
    isReady,
    gate,
    setGate,
    isForced,
    force,
    isOffline,
    bundleAt: bundle?.generated_at ?? null,
    ticketCount: bundle?.valid_count ?? null,
    scans: [...seen.values()],
    error,
    scan,
  };
}
