// AS numbers as Calico's objects write them: 64512, "64512", or "1.10" (RFC 5396).

export const mostAs = 0xffff_ffff;

/** What its text looks like; that the number is in bounds is not in it. */
export const asNumberForm = /^[0-9]{1,10}([.][0-9]{1,10})?$/;

/** Returns the number, or undefined where it is none from 1 to 2^32-1. */
export function parseAsNumber(value: number | string): number | undefined {
  if (typeof value === "number") return inBounds(value);
  const [upper = "", lower, ...more] = value.trim().split(".");
  const digits = (text: string) => (/^\d{1,10}$/.test(text) ? Number(text) : undefined);
  const high = digits(upper);
  if (high === undefined || more.length > 0) return undefined;
  if (lower === undefined) return inBounds(high);
  const low = digits(lower);
  if (low === undefined || low > 0xffff || high > 0xffff) return undefined;
  return inBounds(high * 0x1_0000 + low);
}

function inBounds(value: number): number | undefined {
  return Number.isInteger(value) && value >= 1 && value <= mostAs ? value : undefined;
}
