// The chat client of whoever is logged in: one for the tab, which stays connected while the pages change.
import { useEffect, useState } from "preact/hooks";
import { ChatClient, LocalStore, type ChatEvents } from "../../../clients/js/src/index.js";
import { onUser } from "../lib/session";

export type { ChatClient };

let current: { userId: string; client: ChatClient } | null = null;

export function clientOf(userId: string): ChatClient {
  if (current?.userId === userId) return current.client;
  void current?.client.close();
  const client = new ChatClient({ store: new LocalStore(`foyer-chat.${userId}.`) });
  current = { userId, client };
  // Why it ended is told by its state.
  client.connect().catch(() => undefined);
  // Without a stream there is still something to read.
  const end = client.on("state", ({ state }) => {
    if (state === "live") end();
    if (state === "waiting" && client.chats.size === 0) client.loadChats().catch(() => undefined);
  });
  return client;
}

onUser((user) => {
  if (user !== null || !current) return;
  void current.client.close();
  current = null;
});

/** Draws again whenever one of these happens. */
export function useEvents(
  client: ChatClient,
  events: readonly (keyof ChatEvents)[],
  concerns: (event: ChatEvents[keyof ChatEvents]) => boolean = () => true,
): void {
  const [, redraw] = useState(0);
  useEffect(() => {
    const update = (event: ChatEvents[keyof ChatEvents]): void => {
      if (concerns(event)) redraw((count) => count + 1);
    };
    const ends = events.map((name) => client.on(name, update));
    redraw((count) => count + 1); // what happened before this listened
    return () => ends.forEach((end) => end());
  }, [client]);
}
