// The door to Linux: importing it is cheap, the native parts are loaded when a machine is first used.
import type { Machine } from "./kernel.ts";
import { LinuxMachine } from "./linux/machine.ts";

export type * from "./kernel.ts";
export { MAIN_TABLE, ROUTE_PROTOCOL } from "./kernel.ts";
export { routeKey, sameRoute } from "./route.ts";

/** Returns the machine that this process runs on. */
export function linuxMachine(): Machine {
  return new LinuxMachine();
}
