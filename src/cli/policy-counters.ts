// A pod's counters out of its node's kernel, in a running lab.
import type { Pod } from "../api/kinds/core.ts";
import { podIps } from "../api/kinds/core.ts";
import { isError } from "../base/errors.ts";
import { type Counted, countersFor, mapNames, readPeers, readRows } from "../explain/counters.ts";
import type { Counters } from "../explain/effective.ts";
import { type Kernel, linuxMachine } from "../kernel/index.ts";
import { findLab } from "../lab/state.ts";
import type { StoreOptions } from "./context.ts";
import { say } from "./output.ts";

/** Returns the counters of a pod; undefined where there is no node to look at, or it cannot be looked into from here. */
export async function policyCounters(options: StoreOptions, pod: Pod): Promise<Counters | undefined> {
  const lab = options.store === undefined ? findLab(options.lab) : undefined;
  const member = lab?.record.members.find((one) => one.role === "node" && one.name === pod.spec.nodeName);
  // The namespaces of a rootless lab have names only within the lab.
  if (!lab?.running || lab.record.rootless || !member) return undefined;
  try {
    const kernel = linuxMachine().open({ name: member.netns });
    try {
      const counted = { ingress: await read(kernel, "ingress"), egress: await read(kernel, "egress") };
      return countersFor(podIps(pod), counted);
    } finally {
      kernel.close();
    }
  } catch (error) {
    // The rules are still right without their counters.
    if (!isError(error) || !error.code.startsWith("kernel.")) throw error;
    say(`warning: no counters from ${member.name}: ${error.message}`);
    return undefined;
  }
}

async function read(kernel: Kernel, direction: "ingress" | "egress"): Promise<Counted> {
  const list = async (what: "peer" | "row") => {
    const listings = mapNames(direction, what).map((name) =>
      kernel.nft.list(`list map inet trunkline ${name}`),
    );
    return (await Promise.all(listings)).flatMap((listing) => listing ?? []);
  };
  return { peers: readPeers(await list("peer")), rows: readRows(await list("row")) };
}
