// Requests over HTTP: one try each, JSON in and out.
/** @typedef {import("./types").HttpApi} HttpApi */
import { Problem, Unreachable } from "./errors.js";

const TIMEOUT_MS = 30000;

/** @param {Response} response @returns {Promise<Problem>} */
async function toProblem(response) {
  /** @type {import("./types").ProblemBody} */
  let body = { type: "about:blank", status: response.status };
  try {
    body = { ...body, ...(await response.json()), status: response.status };
  } catch {
    // A proxy's own error page: the status has to do.
  }
  const seconds = Number(response.headers.get("retry-after") ?? "");
  if (seconds > 0) body.retry_after_s ??= seconds;
  return new Problem(body);
}

/** @param {string} path @param {import("./types").CallOptions["query"]} query */
function withQuery(path, query = {}) {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined);
  if (pairs.length === 0) return path;
  return `${path}?${new URLSearchParams(pairs.map(([name, value]) => [name, `${value}`]))}`;
}

/** @implements {HttpApi} */
export class Http {
  /**
   * @param {string | undefined} url
   * @param {import("./types").ChatClientOptions["token"]} token
   * @param {typeof fetch} [fetcher]
   */
  constructor(url, token, fetcher) {
    const origin = url ?? globalThis.location?.origin;
    if (!origin) throw new TypeError("url is needed where there is no page");
    this.url = origin.replace(/\/+$/, "");
    this.tokenSource = token ?? null;
    this.fetch = fetcher ?? ((/** @type {any} */ input, /** @type {any} */ init) => fetch(input, init));
  }

  /** @returns {Promise<string | null>} */
  async token() {
    return typeof this.tokenSource === "function" ? this.tokenSource() : this.tokenSource;
  }

  async headers() {
    const token = await this.token();
    /** @type {Record<string, string>} */
    const headers = {};
    if (token) headers["authorization"] = `Bearer ${token}`;
    return headers;
  }

  /**
   * @template T
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   * @param {import("./types").CallOptions} [options]
   * @returns {Promise<T>}
   */
  async call(method, path, body, { query, signal, key } = {}) {
    const headers = await this.headers();
    if (body !== undefined) headers["content-type"] = "application/json";
    if (key) headers["idempotency-key"] = key;
    const limit = AbortSignal.timeout(TIMEOUT_MS);
    let response;
    let text;
    try {
      response = await this.fetch(this.url + withQuery(path, query), {
        method,
        headers,
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: signal ? eitherOf(signal, limit) : limit,
      });
      if (!response.ok) throw await toProblem(response);
      text = await response.text();
    } catch (error) {
      if (error instanceof Problem || signal?.aborted) throw error;
      throw new Unreachable(error);
    }
    return /** @type {T} */ (text ? JSON.parse(text) : undefined);
  }
}

/** AbortSignal.any() is younger than the browsers that are meant. @param {AbortSignal} a @param {AbortSignal} b */
function eitherOf(a, b) {
  const both = new AbortController();
  for (const signal of [a, b]) {
    if (signal.aborted) both.abort(signal.reason);
    signal.addEventListener("abort", () => both.abort(signal.reason), { once: true });
  }
  return both.signal;
}

/**
 * @param {string} email
 * @param {string} password
 * @param {{url?: string, fetch?: typeof fetch}} [options]
 * @returns {Promise<{token: string, user: import("./types").User, expires_at: string}>}
 */
export const logIn = (email, password, options = {}) =>
  new Http(options.url, null, options.fetch).call("POST", "/v1/sessions", { email, password });
