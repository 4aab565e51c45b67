// Money is an integer in minor units plus an ISO 4217 code; how many digits are minor is the currency's own business.
const formats = new Map<string, Intl.NumberFormat>();

function formatFor(currency: string): Intl.NumberFormat {
  let format = formats.get(currency);
  if (!format) {
    format = new Intl.NumberFormat(undefined, { style: "currency", currency });
    formats.set(currency, format);
  }
  return format;
}

/** Digits after the decimal point: 2 for EUR, 0 for JPY, 3 for KWD. Unknown codes have 2. */
export function minorDigits(currency: string): number {
  try {
    return formatFor(currency).resolvedOptions().maximumFractionDigits ?? 2;
  } catch {
    return 2;
  }
}

export function formatMoney(minor: number, currency: string): string {
  const amount = minor / 10 ** minorDigits(currency);
  try {
    return formatFor(currency).format(amount);
  } catch {
    return `${amount.toFixed(2)} ${currency}`;
  }
}

export function formatPriceRange(min: number, max: number, currency: string): string {
  if (min === max) return min === 0 ? "Free" : formatMoney(min, currency);
  return `${formatMoney(min, currency)} – ${formatMoney(max, currency)}`;
}

/** "12.50" or "12,5" to minor units; null when it is not an amount of that currency. */
export function parseMoney(text: string, currency: string): number | null {
  const digits = minorDigits(currency);
  const match = /^(\d{1,9})(?:[.,](\d*))?$/.exec(text.trim());
  if (!match) return null;
  const fraction = match[2] ?? "";
  if (fraction.length > digits) return null;
  return Number(match[1]) * 10 ** digits + Number(fraction.padEnd(digits, "0") || "0");
}
