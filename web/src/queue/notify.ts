// Telling somebody who looks elsewhere that it is their turn: a sound, and where the browser allows it a notification. Only
// for who has asked for it, and once, however many tabs wait.
const WISH = "foyer.queue.notify";
const TOLD = "foyer.queue.told";

let audio: AudioContext | null = null;

function stored(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function store(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // Without storage the wish lasts as long as the page.
  }
}

export const wantsNotice = (): boolean => stored(WISH) === "yes";

/** A browser plays nothing before the person has touched the page. */
function unlock(): void {
  audio ??= new AudioContext();
  if (audio.state === "suspended") void audio.resume();
}

/** To be called from a click. */
export async function askForNotice(wanted: boolean): Promise<void> {
  store(WISH, wanted ? "yes" : null);
  if (!wanted) return;
  unlock();
  chime(0.4);
  if ("Notification" in window && Notification.permission === "default")
    await Notification.requestPermission();
}

/** After a reload the wish is there, but the sound needs a touch. */
export function unlockOnTouch(): () => void {
  const touch = (): void => void (wantsNotice() && unlock());
  window.addEventListener("pointerdown", touch, { once: true });
  window.addEventListener("keydown", touch, { once: true });
  return () => {
    window.removeEventListener("pointerdown", touch);
    window.removeEventListener("keydown", touch);
  };
}

/** Three rising tones. */
function chime(volume: number): void {
  if (!audio || audio.state !== "running") return;
  for (const [index, pitch] of [523, 659, 784].entries()) {
    const at = audio.currentTime + index * 0.18;
    const tone = audio.createOscillator();
    const gain = audio.createGain();
    tone.frequency.value = pitch;
    gain.gain.setValueAtTime(0.0001, at);
    gain.gain.exponentialRampToValueAtTime(0.25 * volume, at + 0.02);
    gain.gain.exponentialRampToValueAtTime(0.0001, at + 0.5);
    tone.connect(gain).connect(audio.destination);
    tone.start(at);
    tone.stop(at + 0.55);
  }
}

/** True for the first tab, and the first time, that a person is told of this entry's turn. */
export function isNews(entry: string): boolean {
  if (stored(TOLD) === entry) return false;
  store(TOLD, entry);
  return true;
}

export function tellTurn(entry: string, eventName: string): void {
  if (!isNews(entry) || !wantsNotice()) return;
  chime(1);
  navigator.vibrate?.([200, 100, 200]);
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  if (document.visibilityState === "visible") return;
  try {
    const notice = new Notification("It’s your turn", {
      body: `Choose your seats for ${eventName} now.`,
      tag: entry,
      requireInteraction: true,
    });
    notice.onclick = () => {
      window.focus();
      notice.close();
    };
  } catch {
    // Phones want a service worker for it: the sound has to do.
  }
}
