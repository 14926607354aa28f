// A lab's machines with the addresses that somebody gave them by hand while it ran, and the routes that routers' daemons
// have learned: no lab file and no object tells them.
import { bare, type Ground, type Machine } from "../explain/ground/ground.ts";
import type { Kernel } from "../kernel/kernel.ts";

/** The part of a lab's member that is looked at. */
export interface Looked {
  readonly kernel: Pick<Kernel, "addresses" | "links" | "routes">;
  readonly plan: {
    readonly name: string;
    readonly interfaces: readonly { readonly name: string }[];
  };
}

/** Returns what a lab was built as, with what its machines have beside that by now. @throws `kernel.refused` */
export function groundNow(built: Ground, members: Iterable<Looked>): Ground {
  const looked = new Map([...members].map((member) => [member.plan.name, member]));
  const machines = built.machines.map((machine) => {
    const member = looked.get(machine.name.replace(/^[a-z]+\//, ""));
    if (!member) return machine;
    const added = addedTo(machine, member);
    return {
      ...machine,
      ...(machine.learns && { routes: routesOf(member) }),
      ...(added.length > 0 && { added }),
    };
  });
  return { ...built, machines };
}

/** Of several ways to one range the kernel takes the one of the least metric. */
function routesOf({ kernel }: Looked): { to: string; via: string }[] {
  const byRange = new Map<string, { to: string; via: string }>();
  const routes = kernel.routes.list().filter(({ type }) => type === "unicast");
  for (const { destination: to, via } of routes.toSorted((a, b) => (a.metric ?? 0) - (b.metric ?? 0))) {
    if (via !== undefined && !byRange.has(to)) byRange.set(to, { to, via });
  }
  return [...byRange.values()];
}

function addedTo({ links }: Machine, { kernel, plan }: Looked): string[] {
  const known = new Set(links.flatMap(({ addresses }) => addresses.map(bare)));
  // Links to pods are none of a machine's own; whatever stands on lo it answers for on its other links, too.
  const own = new Set(["lo", ...plan.interfaces.map(({ name }) => name)]);
  const indexes = new Set(
    kernel.links
      .list()
      .filter(({ name }) => own.has(name))
      .map(({ index }) => index),
  );
  return kernel.addresses
    .list()
    .filter(({ linkIndex, scope }) => scope === "global" && indexes.has(linkIndex))
    .map(({ address }) => address)
    .filter((address) => !known.has(bare(address)));
}
