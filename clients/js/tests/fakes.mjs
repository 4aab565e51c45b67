// A server and a clock by hand: tests say what comes, and when.
import { ChatClient, MemoryStore } from "../src/index.js";

/** Promises that are due have run. */
export const settle = async () => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
};

export class FakeClock {
  time = 1_000_000;
  timers = new Map();
  last = 0;
  now() {
    return this.time;
  }
  setTimeout(run, ms) {
    this.timers.set(++this.last, { run, at: this.time + ms });
    return this.last;
  }
  clearTimeout(timer) {
    this.timers.delete(timer);
  }
  /** Time passes; what is due runs in order. */
  async advance(ms) {
    const end = this.time + ms;
    for (;;) {
      await settle();
      const due = [...this.timers].filter(([, { at }]) => at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.timers.delete(due[0]);
      this.time = Math.max(this.time, due[1].at);
      due[1].run();
    }
    this.time = end;
    await settle();
  }
}

class FakeSocket {
  constructor(url, protocols, world) {
    Object.assign(this, { url, protocols, world, sent: [], isClosed: false });
    world.sockets.push(this);
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close(code) {
    this.isClosed = true;
    this.closeCode = code;
  }
  open() {
    this.onopen?.({});
  }
  say(...frames) {
    for (const frame of frames) this.onmessage?.({ data: JSON.stringify(frame) });
  }
  end(code = 1006) {
    this.isClosed = true;
    this.onclose?.({ code, reason: "" });
  }
  of(t) {
    return this.sent.filter((frame) => frame.t === t);
  }
}

export const ME = "usr_me";
export const OTHER = "usr_other";

/** An entry as the server would show it. */
export const entry = (seq, more = {}) => ({
  id: `msg_${more.chat_id ?? "c"}_${seq}`,
  chat_id: "cht_1",
  seq,
  sender_id: OTHER,
  client_id: null,
  type: "text",
  body: `m${seq}`,
  media: null,
  reply_to: null,
  target: null,
  removed: false,
  edited_at: null,
  deleted_at: null,
  reactions: [],
  created_at: new Date(seq * 1000).toISOString(),
  ...more,
});

export const chat = (id, lastSeq, more = {}) => ({
  id,
  type: "group",
  title: id,
  members: [],
  member_count: 2,
  members_version: 1,
  role: "member",
  epoch: 1,
  last_seq: lastSeq,
  delivered_seq: lastSeq,
  read_seq: lastSeq,
  unread: 0,
  last_message: null,
  created_at: new Date(0).toISOString(),
  ...more,
});

/** A client and what it talks to. routes: {"GET /path": answer or (request) => answer}; a number is a status. */
export class World {
  sockets = [];
  requests = [];
  clock = new FakeClock();
  routes = { "GET /v1/chats": { data: [], next_cursor: null } };

  constructor(options = {}) {
    const world = this;
    this.store = options.store ?? new MemoryStore();
    this.client = new ChatClient({
      url: "http://foyer.test",
      token: "ses_1",
      store: this.store,
      clock: this.clock,
      random: () => 0.5,
      WebSocket: class extends FakeSocket {
        constructor(url, protocols) {
          super(url, protocols, world);
        }
      },
      fetch: (url, init) => this.answer(url, init),
      ...options,
    });
    this.events = [];
    for (const name of ["state", "entry", "resync", "left", "receipt", "typing", "presence", "sent", "failed", "error"])
      this.client.on(name, (value) => this.events.push([name, value]));
  }

  async answer(url, { method, body, headers }) {
    const { pathname, searchParams } = new URL(url);
    const request = { method, pathname, query: Object.fromEntries(searchParams), body: body && JSON.parse(body), headers };
    this.requests.push(request);
    let found = this.routes[`${method} ${pathname}`];
    if (typeof found === "function") found = await found(request);
    if (found === undefined) found = 404;
    if (found instanceof Error) throw found;
    if (typeof found === "number")
      return new Response(found === 204 ? null : JSON.stringify({ type: "x", status: found }), { status: found });
    return new Response(JSON.stringify(found), { status: 200 });
  }

  get socket() {
    return this.sockets.at(-1);
  }

  /** Connected; what is said behind `ready` is the caller's. */
  async open(ready = {}) {
    void this.client.connect();
    await settle();
    this.socket.open();
    this.socket.say({
      t: "ready",
      session: "s",
      user_id: ME,
      epoch: 1,
      server_time: "",
      resume: { after_ms: 100, jitter_ms: 2000 },
      ...ready,
    });
    await settle();
    return this.socket;
  }

  async live(ready) {
    const socket = await this.open(ready);
    socket.say({ t: "live" });
    await settle();
    return socket;
  }

  of(name) {
    return this.events.filter(([event]) => event === name).map(([, value]) => value);
  }

  view(id = "cht_1") {
    return this.client.chats.get(id);
  }
}
