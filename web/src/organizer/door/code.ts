// The code of a ticket: "F1." payload "." signature, both base64url; see docs/guide/tickets.md. Whoever has the public key
// checks it without a network.
const CODE = /^F1\.([A-Za-z0-9_-]{32})\.([A-Za-z0-9_-]{86})$/;
const DIGITS = "0123456789abcdefghjkmnpqrstvwxyz";
const ID_LEN = 13;

export interface TicketCode {
  text: string;
  keyId: number;
  /** As the API names them. */
  eventId: string;
  ticketId: string;
  signed: Uint8Array<ArrayBuffer>;
  signature: Uint8Array<ArrayBuffer>;
}

export function fromBase64url(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}

function idText(id: bigint): string {
  let text = "";
  for (let digit = ID_LEN - 1; digit >= 0; digit--)
    text += DIGITS[Number((id >> BigInt(5 * digit)) & 31n)];
  return text;
}

/** null: not a ticket's code. That it is one says nothing about who signed it. */
export function parseCode(typed: string): TicketCode | null {
  const text = typed.trim();
  const match = CODE.exec(text);
  if (!match) return null;
  const payload = new DataView(fromBase64url(match[1]!).buffer);
  const event = idText(payload.getBigUint64(4));
  const ticket = idText(payload.getBigUint64(12));
  return {
    text,
    keyId: payload.getUint32(0),
    eventId: `evt_${event}`,
    ticketId: `tkt_${event}${ticket}`,
    signed: new TextEncoder().encode(text.slice(0, text.lastIndexOf("."))),
    signature: fromBase64url(match[2]!),
  };
}

/** Whether the key has signed it: by the browser, or by a library where it knows no Ed25519. */
export async function isSignedBy(
  code: TicketCode,
  publicKey: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  try {
    const key = await crypto.subtle.importKey("raw", publicKey, { name: "Ed25519" }, false, [
      "verify",
    ]);
    return await crypto.subtle.verify({ name: "Ed25519" }, key, code.signature, code.signed);
  } catch {
    const { verifyAsync } = await import("@noble/ed25519");
    return verifyAsync(code.signature, code.signed, publicKey, { zip215: false }).catch(
      () => false,
    );
  }
}

/** Loads what isSignedBy needs, while there is a network to load it from. */
export async function readyToVerify(publicKey: Uint8Array<ArrayBuffer>): Promise<void> {
  try {
    await crypto.subtle.importKey("raw", publicKey, { name: "Ed25519" }, false, ["verify"]);
  } catch {
    await import("@noble/ed25519");
  }
}
