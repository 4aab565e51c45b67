// Whom the user has blocked. The server closes direct chats; groups hide what blocked people write, which is this page's work.
import { useEffect, useState } from "preact/hooks";
import type { ChatClient } from "./client";

export interface Blocks {
  ids: ReadonlySet<string>;
  block(userId: string): Promise<void>;
  unblock(userId: string): Promise<void>;
}

const PAGES_MAX = 20;

async function load(client: ChatClient): Promise<Set<string>> {
  const ids = new Set<string>();
  let cursor: string | null | undefined;
  for (let page = 0; page < PAGES_MAX && cursor !== null; page++) {
    const list = await client.blocks(cursor);
    for (const { user_id } of list.data) ids.add(user_id);
    cursor = list.next_cursor;
  }
  return ids;
}

export function useBlocks(client: ChatClient): Blocks {
  const [ids, setIds] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    let isGone = false;
    const read = (): void =>
      void load(client).then(
        (found) => !isGone && setIds(found),
        () => undefined, // asked again when the connection is back
      );
    read();
    const end = client.on("state", ({ state }) => state === "live" && read());
    return () => {
      isGone = true;
      end();
    };
  }, [client]);
  const change = (userId: string, isIn: boolean): void =>
    setIds((old) => {
      const next = new Set(old);
      if (isIn) next.add(userId);
      else next.delete(userId);
      return next;
    });
  return {
    ids,
    block: async (userId) => {
      await client.block(userId);
      change(userId, true);
    },
    unblock: async (userId) => {
      await client.unblock(userId);
      change(userId, false);
    },
  };
}
