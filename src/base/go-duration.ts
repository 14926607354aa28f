// Go's duration text, as command lines and ip-masq-agent's resyncInterval have it: `60s`, `1h30m`, `1.5m`.

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** What it may look like; that it is not too long for Go is not in it. */
export const goDurationForm = /^[-+]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$/;

/** 64 bits of nanoseconds, as milliseconds: some 292 years. */
const longestMs = 2 ** 63 / 1e6;

/** Returns the milliseconds of a Go duration (time.ParseDuration), or undefined where Go would refuse the text. */
export function parseGoDuration(text: string): number | undefined {
  const sign = text.startsWith("-") ? -1 : 1;
  const body = text.replace(/^[+-]/, "");
  if (body === "0") return 0;
  if (body === "") return undefined;
  const part = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y;
  let total = 0;
  while (part.lastIndex < body.length) {
    const found = part.exec(body);
    if (!found) return undefined;
    total += Number(found[1]) * (unitMs[found[2] ?? ""] ?? 0);
  }
  return total < longestMs ? sign * total : undefined;
}
