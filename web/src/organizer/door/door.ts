// What a door decides about a code. With a network the server says; without one, or when it takes too long, the door says
// by itself from the bundle: who signed the code, whether the ticket was given back, and whether it was seen here. What it
// let in then is kept until the server was told.
import { Problem } from "../../api/client";
import { serverNow } from "../../api/clock";
import { newKey } from "../../api/client";
import { checkIn, tellScans, type Bundle, type ScanResult, type ToldScan } from "./api";
import { fromBase64url, isSignedBy, parseCode, type TicketCode } from "./code";
import { keepScan, type Scan } from "./store";

export type Verdict =
  | { kind: "in"; place: string; isOffline: boolean }
  | { kind: "used"; at: string; gate: string | null; isHere: boolean }
  | { kind: "revoked" | "unknown" | "wrong-event" | "no-bundle"; isOffline: boolean };

export interface DoorState {
  eventId: string;
  gate: string;
  bundle: Bundle | null;
  /** By ticket: the scan of this device that let somebody in with it. */
  seen: Map<string, Scan>;
  isOffline: boolean;
}

const TOLD_MAX = 100;

/** True when the server did not decide: no connection, no answer in time, or it can't at the moment. */
export const isSilent = (error: unknown): boolean =>
  !(error instanceof Problem) || error.status >= 500 || error.status === 429;

async function remember(
  door: DoorState,
  code: TicketCode,
  facts: Pick<Scan, "place" | "scannedAt" | "state">,
): Promise<void> {
  const scan: Scan = {
    id: `${code.ticketId} ${facts.scannedAt}`,
    eventId: door.eventId,
    ticketId: code.ticketId,
    code: code.text,
    gate: door.gate,
    result: null,
    ...facts,
  };
  door.seen.set(code.ticketId, scan); // before the disk has it: the next one may come at once
  await keepScan(scan);
}

async function askServer(door: DoorState, code: TicketCode): Promise<Verdict> {
  try {
    const answer = await checkIn(code.text, door.gate, newKey());
    const place = answer.seat?.label ?? answer.ticket.area?.name ?? "";
    await remember(door, code, { place, scannedAt: answer.at, state: "online" });
    return { kind: "in", place, isOffline: false };
  } catch (error) {
    if (!(error instanceof Problem) || isSilent(error)) throw error;
    if (error.type === "already-used") {
      const { first_at: at, gate } = error.body as { first_at: string; gate: string | null };
      return { kind: "used", at, gate, isHere: false };
    }
    if (error.status === 410) return { kind: "revoked", isOffline: false };
    if (error.status === 404) return { kind: "unknown", isOffline: false };
    throw error;
  }
}

async function decideAlone(door: DoorState, code: TicketCode): Promise<Verdict> {
  const { bundle } = door;
  if (!bundle) return { kind: "no-bundle", isOffline: true };
  const isKnown =
    code.keyId === bundle.key_id && (await isSignedBy(code, fromBase64url(bundle.public_key)));
  if (!isKnown) return { kind: "unknown", isOffline: true };
  if (bundle.revoked.includes(code.ticketId)) return { kind: "revoked", isOffline: true };
  const seen = door.seen.get(code.ticketId); // last, and with no pause before it is written
  if (seen) return { kind: "used", at: seen.scannedAt, gate: seen.gate || null, isHere: true };
  const scannedAt = new Date(serverNow()).toISOString();
  await remember(door, code, { place: "", scannedAt, state: "pending" });
  return { kind: "in", place: "", isOffline: true };
}

export async function decide(door: DoorState, typed: string): Promise<Verdict> {
  const code = parseCode(typed);
  if (!code) return { kind: "unknown", isOffline: door.isOffline };
  if (code.eventId !== door.eventId) return { kind: "wrong-event", isOffline: door.isOffline };
  // What this device let in and has not told: the server would let it in once more.
  const seen = door.seen.get(code.ticketId);
  if (seen?.state === "pending")
    return { kind: "used", at: seen.scannedAt, gate: seen.gate || null, isHere: true };
  if (door.isOffline) return decideAlone(door, code);
  try {
    return await askServer(door, code);
  } catch (error) {
    if (!isSilent(error)) throw error;
    return decideAlone(door, code);
  }
}

/** Tells the server what it does not know yet; returns what it knows now. Throws when it can't be told. */
export async function tellPending(door: DoorState): Promise<Scan[]> {
  const pending = [...door.seen.values()].filter((scan) => scan.state === "pending");
  const told: Scan[] = [];
  for (let at = 0; at < pending.length; at += TOLD_MAX) {
    const part = pending.slice(at, at + TOLD_MAX);
    const { results } = await tellScans(door.eventId, part.map(toldScan));
    for (const [index, scan] of part.entries()) {
      const fresh: Scan = { ...scan, state: "told", result: results[index] ?? null };
      await keepScan(fresh);
      door.seen.set(scan.ticketId, fresh);
      told.push(fresh);
    }
  }
  return told;
}

/** A clock that was set forward meanwhile must not keep the server from taking it. */
function toldScan(scan: Scan): ToldScan {
  const at = Math.min(Date.parse(scan.scannedAt), serverNow());
  const told = { code: scan.code, scanned_at: new Date(at).toISOString() };
  return scan.gate === "" ? told : { ...told, gate: scan.gate };
}

/** Whether somebody else was let in with the same ticket, or should not have been at all. */
export const isConflict = (result: ScanResult | null): boolean =>
  result !== null && (result.result !== "in" || result.others.length > 0);
