export { ChatClient } from "./client.js";
export { Problem, Stopped, Unreachable } from "./errors.js";
export { logIn } from "./http.js";
export { LocalStore, MemoryStore } from "./store.js";
