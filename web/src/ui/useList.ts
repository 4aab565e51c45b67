// A list that grows page by page.
import { useCallback, useEffect, useState } from "preact/hooks";
import type { List } from "../api/types";

export interface GrowingList<T> {
  /** null until the first page is there. */
  items: T[] | null;
  hasMore: boolean;
  busy: boolean;
  error: unknown;
  /** The next page, or the same one again after a failure. */
  more(): void;
}

export function useList<T>(load: (cursor: string | null) => Promise<List<T>>): GrowingList<T> {
  const [items, setItems] = useState<T[] | null>(null);
  const [cursor, setCursor] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const next = useCallback(async (from: string | null): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      const list = await load(from);
      setItems((old) => (from === null || old === null ? list.data : [...old, ...list.data]));
      setCursor(list.next_cursor);
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  }, []);
  useEffect(() => void next(null), []);
  return { items, hasMore: cursor !== null, busy, error, more: () => void next(cursor) };
}
