// The link's token. It comes behind '#', which no server sees, leaves the address at once, and is kept for this tab only.
const STORE = "foyer-portal-key";
const FORM = /^por_([0-9a-z]{13})_[\w-]{43}$/;

/** undefined: not looked for yet; null: none, or it counts no more. */
let current: string | null | undefined;
const listeners = new Set<() => void>();

function fromAddress(): string | null {
  const key = new URLSearchParams(window.location.hash.slice(1)).get("key");
  if (key === null) return null;
  history.replaceState(history.state, "", window.location.pathname + window.location.search);
  return FORM.test(key) ? key : null;
}

export function portalKey(): string | null {
  if (current !== undefined) return current;
  const key = fromAddress();
  if (key !== null) sessionStorage.setItem(STORE, key);
  const kept = key ?? sessionStorage.getItem(STORE);
  current = kept !== null && FORM.test(kept) ? kept : null;
  return current;
}

export const appOf = (key: string): string => `app_${FORM.exec(key)?.[1] ?? ""}`;

/** The server does not know the token (any more). */
export function dropKey(): void {
  sessionStorage.removeItem(STORE);
  current = null;
  for (const listener of listeners) listener();
}

/** Another link opened in the same tab. */
export function takeNewKey(): void {
  if (!window.location.hash.includes("key=")) return;
  current = undefined;
  portalKey();
  for (const listener of listeners) listener();
}

export function onKey(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}
