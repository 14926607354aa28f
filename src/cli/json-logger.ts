// Log lines of the daemons: one JSON object a line on standard output, with stable keys: time, level, component, node, msg.
import { pino } from "pino";
import type { Logger } from "../base/log.ts";

export const logLevels = ["debug", "info", "warn", "error"] as const;

/** @param facts what every line carries */
export function jsonLogger(level: (typeof logLevels)[number], facts: object): Logger {
  return pino({
    level,
    base: facts,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
  });
}
