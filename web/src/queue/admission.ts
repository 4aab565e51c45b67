// The tokens with which the waiting room has let this browser in, by event. They live in memory only: after a reload the
// first poll of the entry gives a fresh one.
const tokens = new Map<string, { token: string; expiresMs: number }>();

/** null: none any longer. */
export function setAdmission(event: string, token: string | null, expiresAt: string | null): void {
  if (token === null) tokens.delete(event);
  else tokens.set(event, { token, expiresMs: Date.parse(expiresAt ?? "") });
}

/** The newest token, or undefined; whether it still counts, the server decides. */
export const admissionOf = (event: string): string | undefined => tokens.get(event)?.token;

/** True when there is a token that has ended, by the server's clock, or will within a few seconds. */
export function isAdmissionOld(event: string, nowMs: number): boolean {
  const admission = tokens.get(event);
  return admission !== undefined && admission.expiresMs - 3000 < nowMs;
}
