// Two namespaces joined by a veth pair, for tests of what only the real kernel does.
import { afterEach } from "vitest";
import { type Kernel, type Link, linuxMachine, type Machine } from "../../src/kernel/index.ts";

let made = 0;

export interface Scene {
  readonly machine: Machine;
  /** Makes a namespace and a handle on it; both go after the test. */
  space(): { name: string; kernel: Kernel };
  /** Two of them, `a` with 10.0.0.1/24 and fd00::1/64, `b` with .2 and ::2. */
  joined(): Joined;
}

export interface Joined {
  readonly a: Kernel;
  readonly b: Kernel;
  readonly nameA: string;
  readonly nameB: string;
  readonly linkA: Link;
  readonly linkB: Link;
}

/** Call once in a test file. */
export function makeScene(): Scene {
  const machine = linuxMachine();
  const names: string[] = [];
  const handles: Kernel[] = [];
  afterEach(async () => {
    for (const handle of handles.splice(0)) handle.close();
    await Promise.all(names.splice(0).map((name) => machine.removeNetns(name)));
  });
  const space = (): { name: string; kernel: Kernel } => {
    const name = `tls${process.pid}-${++made}`;
    machine.createNetns(name);
    names.push(name);
    const kernel = machine.open({ name });
    handles.push(kernel);
    return { name, kernel };
  };
  const joined = (): Joined => {
    const [one, two] = [space(), space()];
    const netns = { name: two.name };
    const linkA = one.kernel.links.add({
      kind: "veth",
      name: "v0",
      up: true,
      peer: { name: "v1", netns, up: true },
    });
    const linkB = two.kernel.links.get("v1")!;
    for (const [kernel, linkIndex, n] of [
      [one.kernel, linkA.index, 1],
      [two.kernel, linkB.index, 2],
    ] as const) {
      kernel.addresses.add({ linkIndex, address: `10.0.0.${n}/24`, scope: "global" });
      kernel.addresses.add({ linkIndex, address: `fd00::${n}/64`, scope: "global", noDad: true });
    }
    return { a: one.kernel, b: two.kernel, nameA: one.name, nameB: two.name, linkA, linkB };
  };
  return { machine, space, joined };
}

/** Waits for something that the kernel does in its own time. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let left = 400; !(await condition()); left--) {
    if (left === 0) throw new TypeError("it did not come about");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
