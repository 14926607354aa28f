// Subnets in a random lab: vSwitches and security groups, nodes by their configuration or beside it on pools, pods with an
// interface of their own, whole or as a member of the node's trunk.
import type { Commands } from "../../e2e/trunkline.ts";
import { type Given, HandMadeEnis } from "../hand-made-enis.ts";
import type { Dice } from "./dice.ts";
import type { Net } from "./nets.ts";

interface RandomLab {
  readonly nodes: readonly { readonly name: string; readonly labels: Readonly<Record<string, string>> }[];
}
interface RandomObject {
  readonly kind?: string;
  readonly metadata?: {
    readonly name?: string;
    readonly namespace?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: { readonly nodeName?: string; readonly hostNetwork?: boolean };
  readonly data?: Readonly<Record<string, string>>;
}

/** An interface that one pod has to itself. */
export interface OwnInterface extends Omit<Given, "trunk"> {
  readonly pod: string;
  readonly node: string;
  readonly isMember: boolean;
}

export interface Drawn<L, O> {
  readonly lab: L;
  readonly objects: readonly O[];
  readonly own: readonly OwnInterface[];
}

const switches = ["vsw-1", "vsw-2"];
const groupIds = ["sg-base", "sg-a", "sg-b"];
const zone = "h";

/** Returns a lab with subnets, in some two labs of five; else the same. */
export function withSubnets<L extends RandomLab, O extends object>(
  dice: Dice,
  nets: readonly Net[],
  lab: L,
  objects: readonly O[],
): Drawn<L, O> {
  if (!dice.chance(40)) return { lab, objects, own: [] };
  const exclusive = dice.chance(20);
  const nodes = lab.nodes.map((node, at) => ({
    ...node,
    zone,
    labels: {
      ...node.labels,
      // Pools beside: nothing of the base's vSwitches is left.
      ...(at === 1 && dice.chance(30) && { "terway-config": "blocks" }),
      ...(at === 2 && exclusive && { "k8s.aliyun.com/exclusive-mode-eni-type": "eniOnly" }),
    },
  }));
  const own: OwnInterface[] = [];
  const drawn = objects.map((one): O => {
    const { kind, metadata, spec } = one as RandomObject;
    const mayHave = kind === "Pod" && metadata?.namespace === "default" && spec?.hostNetwork !== true;
    if (!mayHave || !dice.chance(30)) return one;
    const { name = "" } = metadata;
    const groups = dice.some(groupIds, 40);
    own.push({
      pod: name,
      node: spec?.nodeName ?? "",
      vSwitchID: dice.one(switches),
      groups: groups.length > 0 ? groups : ["sg-base"],
      isMember: dice.chance(50),
    });
    const annotations = { ...metadata.annotations, "k8s.aliyun.com/pod-eni": "true" };
    return { ...one, metadata: { ...metadata, annotations } };
  });
  const subnets = switches.map((id, at) => ({ id, zone, cidr: `10.2.${at + 1}.0/24` }));
  const securityGroups = groupIds.map((id) => group(dice, nets, id));
  return {
    lab: { ...lab, nodes, subnets, securityGroups, addressCooldown: "1s" },
    objects: withConfigs(dice, drawn),
    own,
  };
}

function group(dice: Dice, nets: readonly Net[], id: string): object {
  const peers = [
    "0.0.0.0/0",
    "10.2.0.0/16",
    "10.1.0.0/16",
    ...nets.map(({ four }) => `${four}.0/24`),
    ...groupIds,
  ];
  const rule = () => ({
    peers: [dice.one(peers), ...(dice.chance(30) ? [dice.one(peers)] : [])],
    ...(dice.chance(60) && {
      ports: dice.some(["80/tcp", "81/udp", "9/sctp", "81/tcp"], 50).concat("80/tcp"),
    }),
  });
  const rules = () => Array.from({ length: dice.below(3) }, rule);
  return {
    id,
    ...(dice.chance(60) && { ingress: rules() }),
    ...(dice.chance(40) && { egress: rules() }),
  };
}

function withConfigs<O extends object>(dice: Dice, objects: readonly O[]): readonly O[] {
  const vswitches = { [zone]: dice.one([["vsw-1"], ["vsw-2"], ["vsw-1", "vsw-2"]]) };
  const text = JSON.stringify({ vswitches, security_group: "sg-base", max_pool_size: dice.below(3) });
  const isBase = ({ kind, metadata }: RandomObject) =>
    kind === "ConfigMap" && metadata?.name === "eni-config";
  const config = (name: string, data: object) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "kube-system" },
    data,
  });
  const others = objects.filter((one) => !isBase(one as RandomObject));
  const before = objects.find((one) => isBase(one as RandomObject)) as RandomObject | undefined;
  const configs = [
    config("eni-config", { ...before?.data, eni_conf: text }),
    config("blocks", { eni_conf: JSON.stringify({ vswitches: null }) }),
  ];
  return [...(configs as unknown as O[]), ...others];
}

/** Gives pods the interfaces that were drawn: the controller's part, by hand. */
export async function giveInterfaces(commands: Commands, own: readonly OwnInterface[]): Promise<void> {
  if (own.length === 0) return;
  const enis = new HandMadeEnis(commands.lab, commands.entry().paths);
  try {
    const trunks = new Map<string, string>();
    for (const { node, isMember } of own)
      if (isMember && !trunks.has(node)) trunks.set(node, await enis.trunk(node, "vsw-1", "sg-base"));
    for (const { pod, node, vSwitchID, groups, isMember } of own) {
      const trunk = isMember ? trunks.get(node) : undefined;
      await enis.give(pod, { vSwitchID, groups, ...(trunk !== undefined && { trunk }) });
    }
  } finally {
    await enis.close();
  }
}
