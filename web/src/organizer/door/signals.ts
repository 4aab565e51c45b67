// What a door sounds and feels like: one high tone lets in, two low ones do not.
let context: AudioContext | null = null;

function tone(frequency: number, fromS: number, lengthS: number): void {
  context ??= new AudioContext();
  void context.resume();
  const oscillator = context.createOscillator();
  const gain = context.createGain();
  const start = context.currentTime + fromS;
  oscillator.frequency.value = frequency;
  gain.gain.setValueAtTime(0.25, start);
  gain.gain.exponentialRampToValueAtTime(0.001, start + lengthS);
  oscillator.connect(gain).connect(context.destination);
  oscillator.start(start);
  oscillator.stop(start + lengthS);
}

export function signal(isIn: boolean, hasSound: boolean): void {
  if (hasSound) {
    tone(isIn ? 1040 : 220, 0, isIn ? 0.18 : 0.22);
    if (!isIn) tone(180, 0.26, 0.3);
  }
  if ("vibrate" in navigator) navigator.vibrate(isIn ? 80 : [200, 80, 200]);
}
