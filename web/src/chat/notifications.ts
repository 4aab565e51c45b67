// Whether this browser tells of messages while nobody looks. It becomes a device of the user's when that is switched on, and its stream
// stays one without a device: so it may be open in several tabs, and a tab that nobody looks at is notified, too.
import { useEffect, useState } from "preact/hooks";
import { call, messageOf, newKey, Problem } from "../api/client";
import { navigate } from "../lib/router";
import { pushDeviceKey } from "../lib/session";
import { disablePush, enablePush, pushState, startPush, type PushState } from "./push";

export interface Notifications {
  /** null: not known yet. */
  state: PushState | null;
  problem: string;
  /** Call it from a click: browsers ask the user only then. */
  toggle(): void;
}

/** As it is called in the list of devices. */
function browserName(): string {
  const known = /(Firefox|Edg|OPR|Chrome|Safari)\//.exec(navigator.userAgent)?.[1] ?? "Browser";
  return { Edg: "Edge", OPR: "Opera" }[known] ?? known;
}

async function deviceOf(key: string): Promise<string> {
  const known = localStorage.getItem(key);
  if (known) return known;
  const body = { name: browserName(), platform: "web" };
  const { id } = await call<{ id: string }>("POST", "/v1/devices", { body, key: newKey() });
  localStorage.setItem(key, id);
  return id;
}

async function turnOn(key: string): Promise<PushState> {
  if ((await Notification.requestPermission()) !== "granted") return pushState();
  return enablePush(await deviceOf(key));
}

async function turnOff(key: string): Promise<PushState> {
  const device = localStorage.getItem(key);
  if (device) await disablePush(device);
  return "off";
}

const isGone = (error: unknown): boolean => error instanceof Problem && error.status === 404;

export function useNotifications(me: string): Notifications {
  const key = pushDeviceKey(me);
  const [state, setState] = useState<PushState | null>(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    let end = (): void => undefined;
    let isOver = false;
    const device = localStorage.getItem(key);
    const start = async (): Promise<void> => {
      const found = await pushState();
      // Another user's, perhaps: nothing is known of it here.
      if (!device) return setState(found === "on" ? "off" : found);
      end = await startPush({ deviceId: device, onOpenChat: navigate });
      if (isOver) end();
      setState(await pushState());
    };
    start().catch((error: unknown) => {
      if (isGone(error)) localStorage.removeItem(key);
      setState("off");
    });
    return () => {
      isOver = true;
      end();
    };
  }, [key]);
  const toggle = (): void => {
    setProblem("");
    (state === "on" ? turnOff(key) : turnOn(key)).then(setState, (error: unknown) => {
      if (isGone(error)) localStorage.removeItem(key);
      setProblem(messageOf(error));
    });
  };
  return { state, problem, toggle };
}
