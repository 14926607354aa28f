// How commands speak: results on stdout, everything else on stderr, exit codes that mean something.
import { isError, textOf } from "../base/errors.ts";
import { formatProblem, type Problem } from "../base/problem.ts";

/** yes: done, or the answer is yes. no: denied, findings, not there. usage: wrong use or bad input. unknown: cannot tell. */
export const exit = { yes: 0, no: 1, usage: 2, unknown: 3 } as const;

const roomsOfInput = new Set(["api", "base", "cli"]);
const codes: Readonly<Record<string, number>> = {
  "cli.not-found": exit.no,
  "cli.declined": exit.no,
  "store.not-found": exit.no,
  "store.forbidden": exit.no,
  "lab.unknown": exit.usage,
  "lab.none": exit.usage,
  "lab.dead": exit.usage,
  "lab.several": exit.usage,
  "lab.party": exit.usage,
  "lab.no-member": exit.usage,
  "lab.no-file": exit.usage,
  "lab.path-long": exit.usage,
  "lab.rootless-run": exit.usage,
  "lab.running": exit.no,
  "lab.router-package": exit.usage,
  "lab.router-config": exit.usage,
  "lab.router-rootless": exit.usage,
  "lab.no-process": exit.usage,
  "lab.no-node": exit.usage,
  "lab.node-refused": exit.usage,
  "lab.cloud-unknown": exit.usage,
  "lab.cloud-fault": exit.usage,
  "lab.cloud-none": exit.usage,
  "explain.end": exit.usage,
  "explain.port": exit.usage,
  "explain.unknown-end": exit.usage,
  "explain.service-port": exit.usage,
  "explain.service-from": exit.usage,
};

/** Returns the exit code that an error ends the process with. */
export function exitCodeOf(error: unknown): number {
  if (!isError(error)) return exit.unknown;
  const room = error.code.split(".")[0] ?? "";
  return codes[error.code] ?? (roomsOfInput.has(room) ? exit.usage : exit.unknown);
}

/** Tells an error to a person: what is wrong in plain words; a stack only where the mistake is ours. */
export function report(error: unknown): void {
  // Every line of these begins with a position that editors understand.
  if (isError(error, "api.problems")) say(error.message);
  else if (isError(error)) say(`trunkline: ${error.message}`);
  else say(`trunkline: unexpected: ${error instanceof Error ? error.stack : textOf(error)}`);
}

let onReaderGone = (): void => process.exit(process.exitCode ?? exit.yes);

/** Does that instead of ending at once when the reader of the output goes away (`trunkline … | head`). */
export function whenReaderGone(then: () => void): void {
  onReaderGone = then;
}

/** Gives a stream that a reader may leave: there is nobody to tell anything then, and a stack would be no answer. */
export function bearLeaving(stream: NodeJS.WriteStream): void {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    onReaderGone();
  });
}

/** Prints a line of the result. */
export function print(text: string): void {
  printText(`${text}\n`);
}

/** Prints text as it is, but for what would change the terminal or hide other text. */
export function printText(text: string): void {
  process.stdout.write(visible(text));
}

/** Prints a line that is not the result: progress, warnings. */
export function say(text: string): void {
  process.stderr.write(visible(`${text}\n`));
}

/**
 * Returns a text whose control characters, other than line ends and tabs, and signs of direction are written out: manifests and
 * objects of others may hold them, and terminals obey them.
 */
export function visible(text: string): string {
  return text.replaceAll(
    /(?![\n\t])[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Waits for `work`, and says what is being done if that takes longer than a second. */
export async function patiently<T>(what: string, work: Promise<T>): Promise<T> {
  const timer = setTimeout(() => say(`${what} …`), 1000);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
  }
}

/** Prints problems, one a line. */
export function sayProblems(problems: readonly Problem[], what: "error" | "warning" | "note"): void {
  for (const problem of problems) say(`${what}: ${formatProblem(problem)}`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, undefined, 2));
}

export async function printYaml(value: unknown): Promise<void> {
  const { stringify } = await import("./objects/yaml.ts");
  process.stdout.write(stringify(value));
}

/**
 * Returns lines of aligned columns; the first row is the heading. `widths` are the columns' least widths, and become
 * those that were used, for further rows below.
 */
export function table(rows: readonly (readonly string[])[], widths: number[] = []): string {
  for (const row of rows)
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  const line = (row: readonly string[]) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("   ");
  return rows.map((row) => line(row).trimEnd()).join("\n");
}

/** Returns how long ago an RFC 3339 time was, as kubectl writes it: 5s, 3m20s, 4h, 2d. */
export function ago(time: string | undefined, now: Date = new Date()): string {
  if (time === undefined) return "<unknown>";
  return duration((now.getTime() - Date.parse(time)) / 1000);
}

/** Returns a number of seconds in at most two units. */
export function duration(seconds: number): string {
  const total = Math.max(0, Math.floor(seconds));
  const minutes = Math.floor(total / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (total < 120) return `${total}s`;
  if (minutes < 10) return `${minutes}m${total % 60 ? `${total % 60}s` : ""}`;
  if (hours < 3) return `${minutes}m`;
  if (hours < 8) return `${hours}h${minutes % 60 ? `${minutes % 60}m` : ""}`;
  if (hours < 48) return `${hours}h`;
  return `${days}d`;
}
