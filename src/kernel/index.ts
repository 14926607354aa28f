// The door to Linux: importing it is cheap, the native parts are loaded when a machine is first used.
import { FakeMachine } from "./fake/machine.ts";
import type { Machine } from "./kernel.ts";
import { LinuxMachine } from "./linux/machine.ts";

export type { FakeMachine } from "./fake/machine.ts";
export type * from "./kernel.ts";
export { MAIN_TABLE, POD_LINK_GROUP, ROUTE_PROTOCOL } from "./kernel.ts";

/**
 * Returns a machine in memory with the kernel's own rules; its `calls` count changes and can break them.
 * @param ipv6 false: as if the kernel had been started without IPv6
 */
export function fakeMachine(ipv6 = true): FakeMachine {
  return new FakeMachine(ipv6);
}

/** Returns the machine that this process runs on. */
export function linuxMachine(): Machine {
  return new LinuxMachine();
}
