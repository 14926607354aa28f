// Times as objects have them.

/** Returns a time as RFC 3339 has it, in UTC and whole seconds. @param ms since 1970; default: now */
export function stampOf(ms: number = Date.now()): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
