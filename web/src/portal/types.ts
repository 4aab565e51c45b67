// What the hooks API answers, as far as the portal shows it.
export interface Page<T> {
  data: T[];
  done: boolean;
  iterator: string | null;
  prevIterator: string | null;
}

export interface Application {
  id: string;
  uid: string | null;
  name: string;
}

export interface Endpoint {
  id: string;
  url: string;
  description: string;
  disabled: boolean;
  disabledBy: "caller" | "gone" | "failing" | null;
  eventTypes: string[] | null;
  channels: string[] | null;
  throttleRate: number | null;
  createdAt: string;
  updatedAt: string;
}

export interface EndpointHeaders {
  headers: Record<string, string>;
  sensitive: string[];
}

export interface Health {
  state: "closed" | "open" | "half_open";
  queued: number;
  in_flight: number;
  p50_ms: number | null;
  p99_ms: number | null;
  next_probe_at: string | null;
}

export interface Stats {
  success: number;
  pending: number;
  fail: number;
}

export interface EventType {
  name: string;
  description: string;
  groupName: string | null;
  deprecated: boolean;
}

export type StatusText = "success" | "pending" | "fail" | "sending";

export interface Message {
  id: string;
  eventType: string;
  eventId: string | null;
  channels: string[] | null;
  timestamp: string;
}

/** A message, and its state at one endpoint. */
export interface Delivery extends Message {
  endpointId: string;
  attempts: number;
  statusText: StatusText;
  nextAttempt: string | null;
}

/** What was given up: its id is of the message at this endpoint. */
export interface DeadLetter extends Delivery {
  msgId: string;
}

/** An endpoint, and a message's state there. */
export interface Target extends Endpoint {
  statusText: StatusText;
  nextAttempt: string | null;
}

export interface Timings {
  queuedMs: number | null;
  dnsMs: number | null;
  connectMs: number | null;
  tlsMs: number | null;
  firstByteMs: number | null;
  totalMs: number | null;
}

export interface Attempt {
  id: string;
  msgId: string;
  endpointId: string;
  timestamp: string;
  statusText: StatusText;
  triggerType: 0 | 1;
  url: string;
  responseStatusCode: number;
  responseDurationMs: number;
  response: string;
  responseHeaders: Record<string, string> | null;
  requestHeaders?: Record<string, string> | null;
  error: { class: string; text: string } | null;
  timings: Timings;
}

/** A job that sends many again. Of a preview only total and eta_seconds count. */
export interface Replay {
  id?: string;
  state?: string;
  total: number;
  done?: number;
  failed?: number;
  /** Has been delivered or sent again meanwhile, or is gone. */
  skipped?: number;
  eta_seconds: number | null;
}
