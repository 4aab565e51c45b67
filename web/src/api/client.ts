// The one place that talks to the server. Answers are JSON or bytes; refusals become Problem, a silent line NetworkError.
// Reads, and writes with an Idempotency-Key, are repeated when the server is busy or unreachable; other writes never are.
import { observeServerDate } from "./clock";

export interface FieldError {
  field: string;
  message: string;
}

/** A refusal with the server's problem document (RFC 9457). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    readonly detail: string,
    readonly errors: FieldError[],
    readonly body: Record<string, unknown>,
    readonly retryAfterS: number | null,
  ) {
    super(detail);
  }
}

export class NetworkError extends Error {
  constructor() {
    super("The server can't be reached. Check your connection and try again.");
  }
}

export interface RequestOptions {
  body?: unknown;
  /** Kept over retries of one intent, so that repeating can't do the thing twice. */
  key?: string;
  accept?: string;
  signal?: AbortSignal | undefined;
  fresh?: boolean;
  /** A portal link's, in place of the cookie. */
  token?: string;
  headers?: Record<string, string>;
}

const ATTEMPTS_MAX = 4;
const WAIT_MAX_S = 8;

export const newKey = (): string => crypto.randomUUID();

const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });

function retryAfter(response: Response): number | null {
  const seconds = Number(response.headers.get("retry-after") ?? "");
  return Number.isFinite(seconds) && seconds > 0 ? seconds : null;
}

/** How the hooks service names fields: [{loc: ["body", "headers", "x-a"], msg}]. */
function hookErrors(detail: unknown): FieldError[] {
  if (!Array.isArray(detail)) return [];
  return (detail as { loc?: string[]; msg?: string }[]).map((item) => ({
    field: (item.loc ?? []).slice(1).join("."),
    message: item.msg ?? "is not right",
  }));
}

async function toProblem(response: Response): Promise<Problem> {
  let body: Record<string, unknown> = {};
  try {
    body = (await response.json()) as Record<string, unknown>;
  } catch {
    // A proxy's own error page: the status has to do.
  }
  const wait = retryAfter(response);
  const text = (name: string): string | undefined =>
    typeof body[name] === "string" ? body[name] : undefined;
  const detail = text("detail") ?? text("title") ?? `The server answered ${response.status}.`;
  const errors = Array.isArray(body["errors"])
    ? (body["errors"] as FieldError[])
    : hookErrors(body["detail"]);
  const type = text("type") ?? text("code")?.replaceAll("_", "-") ?? "unknown";
  return new Problem(response.status, type, detail, errors, body, wait);
}

async function once(method: string, path: string, options: RequestOptions): Promise<Response> {
  const headers: Record<string, string> = {
    accept: options.accept ?? "application/json",
    ...options.headers,
  };
  if (options.key) headers["idempotency-key"] = options.key;
  const init: RequestInit = { method, headers, credentials: "same-origin" };
  if (options.token) {
    headers["authorization"] = `Bearer ${options.token}`;
    init.credentials = "omit";
  }
  if (options.body !== undefined) {
    headers["content-type"] = "application/json";
    init.body = JSON.stringify(options.body);
  }
  if (options.signal) init.signal = options.signal;
  if (options.fresh) init.cache = "no-store";
  const startedAt = Date.now();
  try {
    const response = await fetch(path, init);
    observeServerDate(response.headers.get("date"), startedAt, Date.now());
    return response;
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new NetworkError();
  }
}

/** Seconds to wait before the next attempt, or null when this failure is final. */
function nextWait(error: unknown, attempt: number, repeatable: boolean): number | null {
  if (!repeatable || attempt >= ATTEMPTS_MAX) return null;
  if (error instanceof NetworkError) return 0.4 * 2 ** (attempt - 1);
  if (error instanceof Problem && (error.status === 429 || error.status === 503)) {
    const wait = error.retryAfterS ?? 2 ** (attempt - 1);
    return wait <= WAIT_MAX_S ? wait : null;
  }
  return null;
}

export async function send(
  method: string,
  path: string,
  options: RequestOptions = {},
): Promise<Response> {
  const repeatable = method === "GET" || options.key !== undefined;
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await once(method, path, options);
      if (response.ok) return response;
      throw await toProblem(response);
    } catch (error) {
      const wait = options.signal?.aborted ? null : nextWait(error, attempt, repeatable);
      if (wait === null) throw error;
      await pause(wait * 1000 * (1 + Math.random() * 0.2), options.signal);
    }
  }
}

export async function get<T>(path: string, options: RequestOptions = {}): Promise<T> {
  return (await (await send("GET", path, options)).json()) as T;
}

export async function call<T>(
  method: string,
  path: string,
  options: RequestOptions = {},
): Promise<T> {
  const response = await send(method, path, options);
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

/** A sentence for a person, whatever was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof Problem && error.status >= 500) {
    return "The server had a problem with this. Please try again in a moment.";
  }
  return error instanceof Error ? error.message : "Something went wrong.";
}
