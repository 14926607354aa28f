// What is wrong with addresses of subnets: from the objects, and from what the provider has, where it can be asked. Pure.
import { isTerminal, type Pod, podIps } from "../../api/kinds/core.ts";
import { type CloudInterface, nodeTag, ourTags } from "../../cloud/types.ts";
import type { Finding } from "../addressing/check.ts";
import type { ClusterFacts } from "../facts.ts";
import { wantsOwnNetwork } from "./demand.ts";
import { subnetOf } from "./of-address.ts";

export interface ProviderView {
  /** Name of the cluster, as it stands in the tags. */
  readonly cluster: string;
  readonly interfaces: readonly CloudInterface[];
  /** Milliseconds since 1970, by the clock of the interfaces' stamps. */
  readonly now: number;
}

/** For so long an interface may be on its way to the node that made it, in milliseconds. */
const ON_ITS_WAY_MS = 30_000;

/**
 * Returns all findings about subnets.
 * @param provider undefined: it cannot be asked, and what only it knows is not looked for
 */
export function checkSubnets(facts: ClusterFacts, provider: ProviderView | undefined): Finding[] {
  if (facts.subnets.size === 0) return [];
  const pods = [...facts.pods.values()].filter((pod) => pod.spec.hostNetwork !== true && !isTerminal(pod));
  return [
    ...heldTwice(facts, pods),
    ...heldForNobody(facts, pods),
    ...(provider
      ? [
          ...ofTwoInterfaces(provider),
          ...unknownInterfaces(facts, provider),
          ...foreign(facts, pods, provider),
        ]
      : []),
  ];
}

/** Returns how many addresses of subnets pods have or somebody holds for them: those of nodes' interfaces, and PodENIs'. */
export function countHeld({ nodeConfigs, podEnis }: Pick<ClusterFacts, "nodeConfigs" | "podEnis">): number {
  const ofNodes = [...nodeConfigs.values()].flatMap(({ status }) => status?.interfaces ?? []);
  const ofPods = [...podEnis.values()].flatMap(({ spec }) => spec.allocations ?? []);
  const addresses = ofPods.filter(({ ipv4 }) => ipv4 !== undefined).length;
  return ofNodes.reduce((sum, { used }) => sum + used, addresses);
}

/** Addresses of PodENIs that another PodENI has, or a pod that it is not for. Pods among themselves: see checkAddresses. */
function heldTwice(facts: ClusterFacts, pods: readonly Pod[]): Finding[] {
  const holders = new Map<string, Set<string>>();
  const add = (address: string, who: string) =>
    holders.set(address, (holders.get(address) ?? new Set()).add(who));
  for (const [key, { spec }] of facts.podEnis)
    for (const { ipv4 } of spec.allocations ?? []) if (ipv4 !== undefined) add(ipv4, key);
  const ofPods = [...holders.keys()];
  for (const pod of pods) for (const ip of podIps(pod)) if (ofPods.includes(ip)) add(ip, keyOfPod(pod));
  return [...holders].flatMap(([what, keys]) =>
    keys.size < 2
      ? []
      : [
          {
            kind: "duplicate" as const,
            what,
            message: `${what} is held for ${[...keys].toSorted().join(" and for ")}`,
          },
        ],
  );
}

function heldForNobody(facts: ClusterFacts, pods: readonly Pod[]): Finding[] {
  const out: Finding[] = [];
  for (const [node, { status }] of facts.nodeConfigs) {
    const here = pods.filter(({ spec }) => spec.nodeName === node);
    for (const vSwitchID of new Set(status?.interfaces?.map((one) => one.vSwitchID))) {
      const used = (status?.interfaces ?? [])
        .filter((one) => one.vSwitchID === vSwitchID)
        .reduce((sum, one) => sum + one.used, 0);
      // One that has no address yet may have been given one a moment ago.
      const mayHave = here.filter((pod) => {
        const [ip] = podIps(pod);
        return (
          !wantsOwnNetwork(pod) && (ip === undefined || subnetOf(facts, ip)?.metadata.name === vSwitchID)
        );
      }).length;
      if (used > mayHave)
        out.push({
          kind: "leak",
          what: vSwitchID,
          node,
          message: `node ${node} has given away ${used} addresses of vSwitch ${vSwitchID}, and ${mayHave === 0 ? "no pod" : mayHave === 1 ? "one pod" : `${mayHave} pods`} there can have them`,
        });
    }
  }
  const living = new Set(pods.map(keyOfPod));
  for (const [key, { spec, status, metadata }] of facts.podEnis) {
    const goes =
      metadata.deletionTimestamp !== undefined ||
      status?.phase === "Deleting" ||
      status?.phase === "Detaching";
    for (const { ipv4, allocationType } of spec.allocations ?? [])
      if (ipv4 !== undefined && !goes && allocationType?.type !== "Fixed" && !living.has(key))
        out.push({
          kind: "leak",
          what: ipv4,
          pod: key,
          message: `${ipv4} is held by PodENI ${key} for a pod that does not exist, and is not fixed`,
        });
  }
  return out;
}

function ofTwoInterfaces({ interfaces }: ProviderView): Finding[] {
  const owners = new Map<string, string[]>();
  for (const { id, vSwitchID, addresses } of interfaces)
    for (const address of new Set(addresses)) {
      const key = `${vSwitchID} ${address}`;
      owners.set(key, [...(owners.get(key) ?? []), id]);
    }
  return [...owners].flatMap(([key, ids]) => {
    const [vSwitchID = "", what = ""] = key.split(" ");
    if (ids.length < 2) return [];
    const message = `${what} of vSwitch ${vSwitchID} is on interfaces ${ids.join(" and ")}`;
    return [{ kind: "duplicate" as const, what, message }];
  });
}

/** Interfaces that are ours, and that neither a node nor a PodENI says it has. */
function unknownInterfaces(facts: ClusterFacts, { interfaces, cluster, now }: ProviderView): Finding[] {
  const known = new Set([
    ...[...facts.nodeConfigs.values()].flatMap(({ status }) => status?.interfaces?.map(({ id }) => id) ?? []),
    ...[...facts.podEnis.values()].flatMap(({ spec }) => spec.allocations?.map(({ eni }) => eni.id) ?? []),
    // A node's trunk.
    ...[...facts.nodes.values()].flatMap(
      ({ metadata }) => metadata.annotations?.["k8s.aliyun.com/trunk-on"] ?? [],
    ),
  ]);
  return interfaces
    .filter((one) => isOurs(one, cluster) && !known.has(one.id) && !isOnItsWay(facts, one, now))
    .map((one) => {
      const { id, vSwitchID, addresses, status, createdAt } = one;
      const of = one.tags[nodeTag];
      const message =
        `interface ${id} in vSwitch ${vSwitchID} (${addresses.join(", ")}; ${status}, made ${createdAt}) is ours, and no ` +
        "node and no PodENI has it; the controller takes it away once it is ten minutes old";
      return { kind: "leaked-interface" as const, what: id, ...(of !== undefined && { node: of }), message };
    });
}

function isOnItsWay({ nodes }: ClusterFacts, { tags, createdAt }: CloudInterface, now: number): boolean {
  const node = tags[nodeTag];
  return node !== undefined && nodes.has(node) && now - Date.parse(createdAt) < ON_ITS_WAY_MS;
}

/** Pods whose address is on an interface of somebody else, or on none. */
function foreign(
  facts: ClusterFacts,
  pods: readonly Pod[],
  { interfaces, cluster }: ProviderView,
): Finding[] {
  const owners = new Map(
    interfaces.flatMap((one) => one.addresses.map((address) => [address, one] as const)),
  );
  return pods.flatMap((pod) =>
    podIps(pod).flatMap((what): Finding[] => {
      const subnet = subnetOf(facts, what);
      const owner = owners.get(what);
      if (!subnet || (owner && isOurs(owner, cluster))) return [];
      const key = keyOfPod(pod);
      const node = pod.spec.nodeName;
      const whose = owner
        ? `the provider has it on interface ${owner.id}, which is not ours`
        : "the provider has it on no interface";
      const message = `pod ${key} has ${what} of vSwitch ${subnet.metadata.name}, and ${whose}`;
      return [{ kind: "foreign-address", what, pod: key, ...(node !== undefined && { node }), message }];
    }),
  );
}

function isOurs({ tags, type }: CloudInterface, cluster: string): boolean {
  return type !== "Primary" && Object.entries(ourTags(cluster)).every(([key, value]) => tags[key] === value);
}

function keyOfPod(pod: Pod): string {
  return `${pod.metadata.namespace ?? ""}/${pod.metadata.name}`;
}
