// The routes of the door.
import { call, get } from "../../api/client";

const id = encodeURIComponent;

export interface Bundle {
  event_id: string;
  public_key: string;
  key_id: number;
  code_format: string;
  generated_at: string;
  revoked: string[];
  valid_count: number;
}

export interface LetIn {
  ticket: { id: string };
  seat: { label: string } | null;
  at: string;
}

export interface ScanResult {
  result: "in" | "duplicate" | "revoked" | "unknown";
  ticket_id: string | null;
  first_at: string | null;
  gate: string | null;
  others: { at: string; gate: string | null }[];
}

/** How long a door waits for the server before it decides by itself. */
const WAIT_MS = 4000;

export const getBundle = (event: string) =>
  get<Bundle>(`/v1/events/${id(event)}/check-in-bundle`, {
    fresh: true,
    signal: AbortSignal.timeout(30_000),
  });

export const checkIn = (code: string, gate: string, key: string) =>
  call<LetIn & { ticket: { area?: { name: string } | null } }>("POST", "/v1/check-ins", {
    body: gate === "" ? { code } : { code, gate },
    key,
    signal: AbortSignal.timeout(WAIT_MS),
  });

export interface ToldScan {
  code: string;
  scanned_at: string;
  gate?: string;
}

export const tellScans = (event: string, scans: ToldScan[]) =>
  call<{ results: ScanResult[] }>("POST", `/v1/events/${id(event)}/check-ins`, {
    body: { scans },
    signal: AbortSignal.timeout(30_000),
  });
