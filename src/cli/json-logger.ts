// Log lines of the daemons: one JSON object a line on standard output, with stable keys: time, level, component, node, msg.
import { destination, pino } from "pino";
import type { Logger } from "../base/log.ts";

export const logLevels = ["debug", "info", "warn", "error"] as const;

/**
 * @param facts what every line carries
 * @param file appended to; default: standard output
 */
export function jsonLogger(level: (typeof logLevels)[number], facts: object, file?: string): Logger {
  const options = {
    level,
    base: facts,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return file === undefined
    ? pino(options)
    : pino(options, destination({ dest: file, append: true, sync: true, mode: 0o600 }));
}
