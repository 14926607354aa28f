// BIRD's configuration while it goes over from one to another: what both ask for, and what the change takes away.
import type { BirdConfig } from "../../bird/config/types.ts";

const HASTY_UPDATE_SECONDS = 1;

/** Returns the new configuration with what only the old one has: sessions, and RIP. */
export function together(next: BirdConfig, old: BirdConfig): BirdConfig {
  const families = next.families.map((family) => {
    const before = old.families.find((one) => one.family === family.family);
    if (!before) return family;
    const names = new Set(family.sessions.map(({ name }) => name));
    const rip = family.rip ?? before.rip;
    return {
      ...family,
      sessions: [...family.sessions, ...before.sessions.filter(({ name }) => !names.has(name))],
      ...(rip && { rip }),
    };
  });
  return { ...next, families };
}

/** Returns the configuration with RIP that tells all it has more often. */
export function hasty(config: BirdConfig): BirdConfig {
  const families = config.families.map(({ rip, ...family }) => ({
    ...family,
    ...(rip && { rip: { ...rip, updateTime: Math.min(rip.updateTime, HASTY_UPDATE_SECONDS) } }),
  }));
  return { ...config, families };
}

/** Returns whether BIRD goes from one configuration to the other without losing what neighbours have told it. */
export function keepsRoutes(before: BirdConfig, after: BirdConfig): boolean {
  const lasting = (config: BirdConfig) =>
    config.families.flatMap(({ family, sessions, rip }) => [
      ...sessions.map(({ import: _import, export: _export, nextHop: _hop, ...rest }) => JSON.stringify(rest)),
      ...(rip ? [JSON.stringify({ family, ...rip, known: undefined, updateTime: undefined })] : []),
    ]);
  const kept = new Set(lasting(after));
  return before.routerId === after.routerId && lasting(before).every((one) => kept.has(one));
}
