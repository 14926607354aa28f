// What the parts of the kernel suite share.
import { expect } from "vitest";
import { isError } from "../../base/errors.ts";
import { type Kernel, type Link, MAIN_TABLE, type Machine, ROUTE_PROTOCOL, type Route } from "../kernel.ts";

export interface Scene {
  readonly machine: Machine;
  /** Makes a namespace of its own name, which is removed after the test. */
  readonly netns: (mark?: string) => string;
  readonly open: (name: string) => Kernel;
}

/** A veth pair in one namespace, both ends up, the first with 10.0.0.1/24 and fd00::1/64. */
export function pair(scene: Scene): { kernel: Kernel; link: Link; name: string } {
  const name = scene.netns();
  const kernel = scene.open(name);
  const link = kernel.links.add({ kind: "veth", name: "v0", up: true, peer: { name: "v1", up: true } });
  kernel.addresses.add({ linkIndex: link.index, address: "10.0.0.1/24", scope: "global" });
  kernel.addresses.add({ linkIndex: link.index, address: "fd00::1/64", scope: "global", noDad: true });
  return { kernel, link, name };
}

export function route(facts: Partial<Route> & { destination: string }): Route {
  const family = facts.destination.includes(":") ? 6 : 4;
  return { family, type: "unicast", protocol: ROUTE_PROTOCOL, table: MAIN_TABLE, ...facts };
}

export function ours(kernel: Kernel, table = MAIN_TABLE): Route[] {
  return kernel.routes.list({ protocol: ROUTE_PROTOCOL, table });
}

export const table = "add table inet t; add chain inet t c; add set inet t s { type ipv4_addr; }";

/** Returns the code of the error that is thrown; undefined where none is. */
export function codeOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (isError(error)) return error.code;
    throw error;
  }
}

/** Waits for something that the kernel does in its own time. */
export async function until(condition: () => boolean): Promise<void> {
  for (let left = 400; !condition(); left--) {
    if (left === 0) expect.fail("it did not come about");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
