// resource.Quantity: `100m`, `1.5Gi`, `1e3`, 2.

const units: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

function amountOf(quantity: unknown): number {
  if (typeof quantity === "number") return quantity;
  const [, digits = "", unit = ""] = /^([-+]?[\d.]+)(.*)$/.exec(String(quantity).trim()) ?? [];
  const factor = units[unit];
  return factor === undefined ? Number(`${digits}${unit}`) : Number(digits) * factor;
}

/** Returns a negative number, 0 or a positive one, as the first is smaller than the second, equal or greater. */
export function compareQuantities(a: unknown, b: unknown): number {
  return amountOf(a) - amountOf(b);
}

/** Returns whether the quantity is a whole number. */
export function isWholeQuantity(quantity: unknown): boolean {
  return Number.isInteger(amountOf(quantity));
}

const form = /^[-+]?(\d+(\.\d*)?|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][-+]?\d+)?$/;

/** Returns how much a quantity is; undefined where the text is none. */
export function quantityAmount(text: string): number | undefined {
  return form.test(text) ? amountOf(text) : undefined;
}
