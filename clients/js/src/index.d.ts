import type {
  ChatClientApi,
  ChatClientOptions,
  ProblemBody,
  StopReason,
  Store,
  User,
} from "./types";

export * from "./types";

/** A client of Foyer's chat: one user on one device. */
export declare class ChatClient {
  constructor(options?: ChatClientOptions);
}
export interface ChatClient extends ChatClientApi {}

/** A refusal with the server's problem document (RFC 9457). */
export declare class Problem extends Error {
  constructor(body: ProblemBody);
  readonly status: number;
  readonly type: string;
  readonly errors: { field: string; message: string }[];
  readonly retryAfterS: number | null;
  readonly body: ProblemBody;
}

/** There was no answer. */
export declare class Unreachable extends Error {}

/** The client was told to stop, or by the server: it does not connect again by itself. */
export declare class Stopped extends Error {
  constructor(reason: StopReason);
  readonly reason: StopReason;
}

export declare class MemoryStore implements Store {
  entries(): Iterable<[string, string]>;
  set(key: string, value: string): void;
  delete(key: string): void;
}

/** In localStorage, below a prefix. Tabs may share it. */
export declare class LocalStore implements Store {
  constructor(prefix: string, storage?: Storage);
  entries(): Iterable<[string, string]>;
  set(key: string, value: string): void;
  delete(key: string): void;
}

/** Logs in with a password; the token is for ChatClientOptions. */
export declare function logIn(
  email: string,
  password: string,
  options?: { url?: string; fetch?: typeof fetch },
): Promise<{ token: string; user: User; expires_at: string }>;
