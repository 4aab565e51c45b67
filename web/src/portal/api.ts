// The routes that the portal uses, asked with the link's token.
import { call, get, newKey, Problem, send, type RequestOptions } from "../api/client";
import { appOf, dropKey, portalKey } from "./key";
import type {
  Application,
  Attempt,
  DeadLetter,
  Delivery,
  Endpoint,
  EndpointHeaders,
  EventType,
  Health,
  Message,
  Page,
  Replay,
  Stats,
  Target,
} from "./types";

const id = encodeURIComponent;

/** Below the application that the link opens. */
const path = (rest: string): string => `/api/v1/app/${appOf(portalKey() ?? "")}${rest}`;

export function query(values: Record<string, string | number | boolean | undefined>): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(values))
    if (value !== undefined && value !== "") params.set(name, `${value}`);
  const text = params.toString();
  return text === "" ? "" : `?${text}`;
}

/** A token that counts no more ends the page, wherever that is noticed. */
async function watched<T>(ask: (options: RequestOptions) => Promise<T>): Promise<T> {
  const token = portalKey();
  try {
    return await ask(token === null ? {} : { token });
  } catch (error) {
    if (error instanceof Problem && error.status === 401) dropKey();
    throw error;
  }
}

const read = <T>(target: string): Promise<T> =>
  watched((options) => get<T>(target, { ...options, fresh: true }));
const write = <T>(method: string, target: string, body?: unknown): Promise<T> =>
  watched((options) => {
    const repeat = method === "POST" ? { key: newKey() } : {};
    return call<T>(method, target, { ...options, ...repeat, ...(body ? { body } : {}) });
  });

export const getApplication = () => read<Application>(path(""));
export const logOut = () => write<void>("POST", "/api/v1/auth/logout");

export const listEndpoints = () => read<Page<Endpoint>>(path("/endpoint?limit=250"));
export const getEndpoint = (ep: string) => read<Endpoint>(path(`/endpoint/${id(ep)}`));
export const createEndpoint = (body: unknown) => write<Endpoint>("POST", path("/endpoint"), body);
export const patchEndpoint = (ep: string, body: unknown) =>
  write<Endpoint>("PATCH", path(`/endpoint/${id(ep)}`), body);
export const deleteEndpoint = (ep: string) => write<void>("DELETE", path(`/endpoint/${id(ep)}`));
export const getHeaders = (ep: string) =>
  read<EndpointHeaders>(path(`/endpoint/${id(ep)}/headers`));
export const patchHeaders = (ep: string, body: unknown) =>
  write<void>("PATCH", path(`/endpoint/${id(ep)}/headers`), body);
export const getHealth = (ep: string) => read<Health>(path(`/endpoint/${id(ep)}/health`));
export const getStats = (ep: string) => read<Stats>(path(`/endpoint/${id(ep)}/stats`));
export const getSecret = (ep: string) => read<{ key: string }>(path(`/endpoint/${id(ep)}/secret`));
export const rotateSecret = (ep: string, gracePeriodSeconds: number) =>
  write<void>("POST", path(`/endpoint/${id(ep)}/secret/rotate`), { gracePeriodSeconds });
export const sendExample = (ep: string, eventType: string) =>
  write<Message>("POST", path(`/endpoint/${id(ep)}/send-example`), { eventType });

export const listEventTypes = () => read<Page<EventType>>("/api/v1/event-type?limit=250");

export interface MessageFilter {
  event_types?: string | undefined;
  iterator?: string | undefined;
}
export const listMessages = (filter: MessageFilter) =>
  read<Page<Message>>(path(`/msg${query({ ...filter, limit: 25, with_content: false })}`));
export const listDeliveries = (ep: string, filter: { status?: number; iterator?: string }) =>
  read<Page<Delivery>>(
    path(`/endpoint/${id(ep)}/msg${query({ ...filter, limit: 10, with_content: false })}`),
  );

/** The payload as its bytes stand, for numbers of 20 digits and the order of names are kept. */
export async function getMessage(msg: string): Promise<{ message: Message; payload: string }> {
  const target = path(`/msg/${id(msg)}`);
  const response = await watched((options) => send("GET", target, { ...options, fresh: true }));
  const text = await response.text();
  const message = JSON.parse(text) as Message & { payload: unknown };
  return { message, payload: payloadText(text, message.payload) };
}

/** Of the last member of the answer; what is inside of texts has its quotes escaped. */
export function payloadText(answer: string, parsed: unknown): string {
  const name = '"payload":';
  const raw = answer.slice(answer.indexOf(name) + name.length, answer.lastIndexOf("}"));
  try {
    JSON.parse(raw);
    return raw;
  } catch {
    return JSON.stringify(parsed);
  }
}

export const getTargets = (msg: string) => read<Page<Target>>(path(`/msg/${id(msg)}/endpoint`));
export const listAttemptsOf = (msg: string) =>
  read<Page<Attempt>>(path(`/attempt/msg/${id(msg)}?limit=100`));
export const listLatencies = (ep: string) =>
  read<Page<Attempt>>(path(`/attempt/endpoint/${id(ep)}?limit=250&with_content=false`));
export const getAttempt = (msg: string, attempt: string) =>
  read<Attempt>(path(`/msg/${id(msg)}/attempt/${id(attempt)}`));
export const resend = (msg: string, ep: string) =>
  write<void>("POST", path(`/msg/${id(msg)}/endpoint/${id(ep)}/resend`));

export const replayOne = (letter: string) =>
  write<void>("POST", path(`/dead-letter/${id(letter)}/replay`));

export interface DeadFilter {
  endpoint?: string | undefined;
  event_types?: string | undefined;
  since?: string | undefined;
  until?: string | undefined;
}
export const listDead = (filter: DeadFilter, iterator?: string) =>
  read<Page<DeadLetter>>(path(`/dead-letter${query({ ...filter, iterator, limit: 25 })}`));

export const startReplay = (filter: DeadFilter, preview: boolean) =>
  write<Replay>("POST", path("/replay"), {
    ...Object.fromEntries(Object.entries(filter).filter(([, value]) => value)),
    ...(filter.event_types ? { event_types: [filter.event_types] } : {}),
    dead_only: true,
    ...(preview ? { preview } : {}),
  });
export const listReplays = () => read<Page<Replay>>(path("/replay?limit=10"));
export const getReplay = (job: string) => read<Replay>(path(`/replay/${id(job)}`));
export const cancelReplay = (job: string) => write<void>("DELETE", path(`/replay/${id(job)}`));
