// What a door keeps in the browser, so that it outlives a reload and a flat battery: bundles of events, and scans that let
// somebody in, until the server has them and as long as it may be asked whether a ticket was seen here.
import type { Bundle, ScanResult } from "./api";

export interface Scan {
  /** Ticket and time: a scan is one however often it is written. */
  id: string;
  eventId: string;
  ticketId: string;
  code: string;
  place: string;
  gate: string;
  /** The server's time, as well as this device knows it. */
  scannedAt: string;
  /** "online": the server let in; "pending": it has to be told; "told". */
  state: "online" | "pending" | "told";
  /** What the server said when it was told. */
  result: ScanResult | null;
}

const NAME = "foyer-door";
const VERSION = 1;

const done = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

let opened: Promise<IDBDatabase> | null = null;

function open(): Promise<IDBDatabase> {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      const database = request.result;
      database.createObjectStore("bundles", { keyPath: "event_id" });
      database.createObjectStore("scans", { keyPath: "id" }).createIndex("event", "eventId");
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

async function inStore<T>(
  name: "bundles" | "scans",
  mode: IDBTransactionMode,
  act: (store: IDBObjectStore) => IDBRequest<T>,
): Promise<T> {
  const transaction = (await open()).transaction(name, mode, { durability: "strict" });
  const result = await done(act(transaction.objectStore(name)));
  if (mode === "readonly") return result;
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(result);
    transaction.onabort = () => reject(transaction.error);
  });
}

export const loadBundle = (event: string): Promise<Bundle | undefined> =>
  inStore("bundles", "readonly", (store) => store.get(event));
export const keepBundle = (bundle: Bundle): Promise<unknown> =>
  inStore("bundles", "readwrite", (store) => store.put(bundle));
export const loadScans = (event: string): Promise<Scan[]> =>
  inStore("scans", "readonly", (store) => store.index("event").getAll(event));
/** Resolves when the disk has it. */
export const keepScan = (scan: Scan): Promise<unknown> =>
  inStore("scans", "readwrite", (store) => store.put(scan));
