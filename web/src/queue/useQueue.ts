// The waiting room of an event for a page: what it says, what can be done, and what the browser is told of it.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { newKey } from "../api/client";
import { serverNow } from "../api/clock";
import { getQueueEntry, getRoom, joinQueue, leaveQueue } from "../api/endpoints";
import type { EventView } from "../api/types";
import { askToLogIn, handledAsLogin, useUser } from "../lib/session";
import { isAdmissionOld } from "./admission";
import { RoomClient, type RoomView } from "./client";
import { tellTurn, unlockOnTouch } from "./notify";
import { phaseOf, titleOf, type Phase } from "./words";

const JOINING = "foyer.queue.joining";

export interface Queue {
  view: RoomView;
  phase: Phase;
  title: string;
  join(): void;
  leave(): Promise<void>;
  /** By what is known now: choosing seats makes sense. */
  isIn(): boolean;
  /** Asks anew. */
  refresh(): Promise<void>;
  /** Sees to it that the admission is fresh; at once when it is, or when there is none. */
  renew(): Promise<void>;
}

/** `isAsked`: there is a room, or somebody was told that there is. */
export function useQueue(event: EventView, isAsked: boolean): Queue {
  const user = useUser();
  const [view, setView] = useState<RoomView | null>(null);
  const client = useMemo(() => {
    return new RoomClient(
      event.id,
      {
        room: (signal) => getRoom(event.id, signal),
        join: () => joinQueue(event.id, newKey()),
        entry: (entry, signal) => getQueueEntry(event.id, entry, signal),
        leave: (entry) => leaveQueue(event.id, entry),
      },
      serverNow,
      setView,
    );
    // Another account has another place.
  }, [event.id, user?.id]);

  useEffect(() => {
    if (!isAsked || user === undefined) return;
    client.start();
    const wake = (): void => void (document.visibilityState === "visible" && client.poll());
    const online = (): void => void client.poll();
    document.addEventListener("visibilitychange", wake);
    window.addEventListener("online", online);
    return () => {
      document.removeEventListener("visibilitychange", wake);
      window.removeEventListener("online", online);
      client.end();
    };
  }, [client, isAsked, user === undefined]);

  const now = view ?? client.view;
  const phase = phaseOf(now.room, now.entry);
  useTurn(event, phase, now);
  useEffect(unlockOnTouch, []);

  const join = (): void => {
    if (user) return void client.join();
    remember(event.id);
    askToLogIn();
  };
  useEffect(() => {
    if (user && phase === "door" && recall(event.id)) void client.join();
  }, [user?.id, phase, client]);
  useEffect(() => {
    if (now.error) handledAsLogin(now.error);
  }, [now.error]);

  return {
    view: now,
    phase,
    title: titleOf(phase, now.entry, event.name),
    join,
    leave: () => client.leave(),
    isIn: () => ["none", "admitted"].includes(phaseOf(client.view.room, client.view.entry)),
    refresh: () => client.poll(),
    renew: async () => {
      if (isAdmissionOld(event.id, serverNow())) await client.poll();
    },
  };
}

/** Tells who waits elsewhere, once, at the moment at which waiting becomes being let in. */
function useTurn(event: EventView, phase: Phase, view: RoomView): void {
  const before = useRef<Phase | null>(null);
  useEffect(() => {
    const was = before.current;
    before.current = phase;
    if (phase === "admitted" && was !== null && was !== "admitted" && view.entry)
      tellTurn(view.entry.id, event.name);
  }, [phase]);
}

/** Somebody who had to log in first wanted to come in. */
function remember(event: string): void {
  try {
    sessionStorage.setItem(JOINING, event);
  } catch {
    // They press the button again.
  }
}

function recall(event: string): boolean {
  try {
    if (sessionStorage.getItem(JOINING) !== event) return false;
    sessionStorage.removeItem(JOINING);
    return true;
  } catch {
    return false;
  }
}
