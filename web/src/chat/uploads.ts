// Files on their way, by tus: in pieces, and again from where they were after a lost connection. What has arrived becomes a message.
import { useEffect, useState } from "preact/hooks";
import { Upload as TusUpload } from "tus-js-client";
import type { ChatClient } from "./client";
import { oneLine } from "./text";
import { formatBytes, nameToSend } from "./words";

/** The server takes a piece as one request body. */
const CHUNK_BYTES = 4 << 20;
const RETRY_DELAYS_MS = [0, 1000, 3000, 5000, 10_000, 20_000, 30_000];
const ENDPOINT = "/v1/media";
/** At once, of one tab. */
export const UPLOADS_MAX = 20;

export interface UploadItem {
  readonly id: number;
  readonly chatId: string;
  readonly name: string;
  readonly bytes: number;
  sent: number;
  state: "running" | "paused" | "failed";
  problem: string;
}

interface Running extends UploadItem {
  tus: TusUpload;
}

export class Uploads {
  #items: Running[] = [];
  #listeners = new Set<() => void>();
  #count = 0;

  constructor(readonly client: ChatClient) {}

  of(chatId: string): readonly UploadItem[] {
    return this.#items.filter((item) => item.chatId === chatId);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Why not; null: it is under way. */
  add(chatId: string, file: File, bytesMax: number): string | null {
    if (this.#items.length >= UPLOADS_MAX) return `At most ${UPLOADS_MAX} files at once.`;
    if (file.size === 0) return `“${oneLine(file.name)}” is empty.`;
    if (file.size > bytesMax)
      return `“${oneLine(file.name)}” is larger than ${formatBytes(bytesMax)}.`;
    const item = {
      id: ++this.#count,
      chatId,
      name: file.name,
      bytes: file.size,
      sent: 0,
      state: "running",
      problem: "",
    } as Running;
    item.tus = new TusUpload(file, {
      endpoint: ENDPOINT,
      chunkSize: CHUNK_BYTES,
      retryDelays: RETRY_DELAYS_MS,
      removeFingerprintOnSuccess: true,
      metadata: {
        filename: nameToSend(file.name),
        filetype: file.type || "application/octet-stream",
      },
      onProgress: (sent) => this.#change(item, { sent }),
      onError: (error) => this.#change(item, { state: "failed", problem: sentenceOf(error) }),
      onSuccess: () => this.#done(item),
    });
    this.#items.push(item);
    void this.#begin(item);
    return null;
  }

  pause(id: number): void {
    const item = this.#find(id);
    if (!item) return;
    void item.tus.abort();
    this.#change(item, { state: "paused" });
  }

  resume(id: number): void {
    const item = this.#find(id);
    if (!item) return;
    this.#change(item, { state: "running", problem: "" });
    item.tus.start();
  }

  cancel(id: number): void {
    const item = this.#find(id);
    if (!item) return;
    // What is left of it at the server ends by itself when it can't be told.
    item.tus.abort(true).catch(() => undefined);
    this.#drop(item);
  }

  #find(id: number): Running | undefined {
    return this.#items.find((item) => item.id === id);
  }

  /** The same file, begun before a reload, goes on where it was. */
  async #begin(item: Running): Promise<void> {
    const [earlier] = await item.tus.findPreviousUploads().catch(() => []);
    if (earlier) item.tus.resumeFromPreviousUpload(earlier);
    if (item.state === "running" && this.#items.includes(item)) item.tus.start();
  }

  #done(item: Running): void {
    const id = item.tus.url?.split("?")[0]?.split("/").pop();
    if (id) this.client.send(item.chatId, { mediaId: decodeURIComponent(id) });
    this.#drop(item);
  }

  #drop(item: Running): void {
    this.#items = this.#items.filter((other) => other !== item);
    this.#tell();
  }

  #change(item: Running, change: Partial<UploadItem>): void {
    Object.assign(item, change);
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** The server's own words, where it had any. */
function sentenceOf(error: unknown): string {
  const response = (error as { originalResponse?: { getBody(): string } | null }).originalResponse;
  try {
    const { detail, title } = JSON.parse(response?.getBody() ?? "") as Record<string, string>;
    return detail ?? title ?? "It was refused.";
  } catch {
    return "The connection was lost.";
  }
}

/** Draws again when an upload gets on. */
export function useUploads(uploads: Uploads): void {
  const [, redraw] = useState(0);
  useEffect(() => uploads.onChange(() => redraw((count) => count + 1)), [uploads]);
}

let known: Promise<number> | null = null;

async function askBytesMax(): Promise<number> {
  const answer = await fetch(ENDPOINT, { method: "OPTIONS" });
  if (!answer.ok || !answer.headers.has("tus-version")) return 0;
  return Number(answer.headers.get("tus-max-size") ?? Infinity);
}

/** How large a file the server takes (tus says so to OPTIONS); 0: it takes none, or has not said yet. */
export function useFileBytesMax(): number {
  const [bytes, setBytes] = useState(0);
  useEffect(() => {
    known ??= askBytesMax();
    known.then(setBytes, () => (known = null));
  }, []);
  return bytes;
}
