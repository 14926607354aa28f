// A running lab as data: who is there, on which network, with which links and addresses. `lab show` draws it.
import { isTerminal, podIps } from "../../api/kinds/core.ts";
import { formatPort } from "../../explain/ports.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Lab } from "../lab.ts";
import type { LabRecord } from "../life/state.ts";
import { portsOf } from "../pods/pod-spec.ts";

export interface LabPicture {
  readonly name: string;
  readonly startedAt: string;
  readonly rootless: boolean;
  readonly separate: boolean;
  readonly members: readonly MemberPicture[];
  readonly pods: readonly PodPicture[];
}

export interface MemberPicture {
  readonly name: string;
  readonly role: "node" | "router" | "host";
  readonly netns: string;
  readonly links: readonly {
    readonly name: string;
    readonly network: string;
    readonly addresses: readonly string[];
  }[];
  readonly ports: readonly string[];
  readonly admit?: readonly string[];
  readonly zone?: string;
}

export interface PodPicture {
  /** `namespace/name` */
  readonly name: string;
  readonly node: string | undefined;
  readonly phase: string;
  readonly addresses: readonly string[];
  readonly ports: readonly string[];
  readonly netns: string | undefined;
  /** The host's end of its wire. */
  readonly hostInterface: string | undefined;
}

export function describeLab(lab: Lab, record: LabRecord): LabPicture {
  const { name, startedAt, rootless, separate } = record;
  return { name, startedAt, rootless, separate, members: membersOf(lab), pods: podsOf(lab) };
}

function membersOf(lab: Lab): MemberPicture[] {
  const { nodes, hosts } = lab.population;
  return [...lab.members.values()].map(({ plan }) => {
    const host = hosts.get(plan.name);
    const zone = nodes.get(plan.name)?.metadata.labels?.["topology.kubernetes.io/zone"];
    const ports = (host?.spec.ports ?? []).map(({ port, protocol = "TCP" }) =>
      formatPort({ port, protocol }),
    );
    return {
      name: plan.name,
      role: plan.role,
      netns: plan.netns,
      links: plan.interfaces.map((link) => ({
        name: link.name,
        network: link.lan.name,
        addresses: link.addresses,
      })),
      ports,
      ...(host?.spec.admit && { admit: host.spec.admit }),
      ...(zone !== undefined && { zone }),
    };
  });
}

function podsOf(lab: Lab): PodPicture[] {
  return [...lab.population.pods.values()]
    .filter((pod) => !isTerminal(pod))
    .map((pod) => {
      const { namespace, name, uid, deletionTimestamp } = pod.metadata;
      const { netns, kernel } = lab.sandboxOf(uid);
      const node = pod.spec.nodeName === undefined ? undefined : lab.members.get(pod.spec.nodeName);
      return {
        name: `${namespace}/${name}`,
        node: pod.spec.nodeName,
        phase: deletionTimestamp === undefined ? (pod.status?.phase ?? "Pending") : "Terminating",
        addresses: podIps(pod),
        ports: portsOf(pod.spec).map(formatPort),
        netns,
        hostInterface:
          kernel && node && !pod.spec.hostNetwork ? hostInterfaceOf(kernel, node.kernel) : undefined,
      };
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** A veth knows the number of its other end, in that end's namespace. */
function hostInterfaceOf(pod: Kernel, node: Kernel): string | undefined {
  const peer = pod.links.get("eth0")?.lower;
  return peer === undefined ? undefined : node.links.get(peer)?.name;
}
