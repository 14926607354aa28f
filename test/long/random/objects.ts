// What runs in a random lab: pools, pods, policies, source translation.
import type { Dice } from "./dice.ts";
import type { Net } from "./nets.ts";

/** Who has which addresses: some objects name them. */
export interface Machines {
  readonly nodes: readonly { readonly name: string; readonly addresses: readonly string[] }[];
  readonly hosts: readonly { readonly addresses: readonly string[] }[];
}

const meta = (name: string, more: object = {}) => ({ metadata: { name, ...more } });
const apps = ["a", "b", "c", "d", "e", "f"];
/** A pool that no node's blocks come from, unless a pod asks for it. */
const asked = { "cni.projectcalico.org/ipv4pools": '["single"]' };

/** Returns the manifests of a lab. */
export function objectsOf(dice: Dice, nets: readonly Net[], machines: Machines): object[] {
  const hasSingle = dice.chance(40);
  const hostPorts = dice.some(["22/TCP", "80/TCP", "81/UDP", "9/SCTP"], 50);
  return [
    ...poolsOf(dice, hasSingle),
    {
      apiVersion: "v1",
      kind: "Namespace",
      ...meta("other", {
        labels: { team: "x" },
        annotations: {
          ...(dice.chance(20) && { "trunkline.dev/snat": dice.one(["none", "masquerade"]) }),
          ...(hasSingle && dice.chance(20) && asked),
        },
      }),
    },
    ...configsOf(dice, nets),
    ...(dice.chance(60) ? [sourceNat(dice, nets, machines)] : []),
    ...Array.from({ length: dice.below(4) }, (_, at) => policy(dice, nets, at)),
    ...apps
      .slice(0, 4 + dice.below(3))
      .map((app) => pod(dice, app, { hasSingle, hostPorts, nodes: machines.nodes })),
  ];
}

function poolsOf(dice: Dice, hasSingle: boolean): object[] {
  const pool = (name: string, spec: object) => ({
    apiVersion: "crd.projectcalico.org/v1",
    kind: "IPPool",
    ...meta(name),
    spec: { ...spec, natOutgoing: dice.chance(50) },
  });
  return [
    pool("four", { cidr: "10.1.0.0/16", blockSize: 28 }),
    ...(dice.chance(70) ? [pool("six", { cidr: "fd00:1::/64", blockSize: 124 })] : []),
    ...(hasSingle ? [pool("single", { cidr: "10.3.0.0/26", blockSize: 29, nodeSelector: "!all()" })] : []),
  ];
}

function configsOf(dice: Dice, nets: readonly Net[]): object[] {
  const config = (name: string, data: object) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    ...meta(name, { namespace: "kube-system" }),
    data,
  });
  const ranges = ["nonMasqueradeCIDRs", "masqueradeCIDRs"].map(
    (key) =>
      [
        key,
        dice.some(
          nets.map(({ four }) => `${four}.0/24`),
          40,
        ),
      ] as const,
  );
  const text = JSON.stringify(Object.fromEntries(ranges.filter(([, list]) => list.length > 0)));
  return [
    ...(dice.chance(50) ? [config("ip-masq-agent", { config: text })] : []),
    ...(dice.chance(10) ? [config("eni-config", { disable_network_policy: "true" })] : []),
  ];
}

interface PodPlace {
  readonly hasSingle: boolean;
  /** Host ports that nobody has yet. */
  readonly hostPorts: string[];
  readonly nodes: Machines["nodes"];
}

function pod(dice: Dice, app: string, place: PodPlace): object {
  const node = dice.one(place.nodes.slice(0, 2));
  const hostNetwork = dice.chance(15);
  const protocols = dice.some(["TCP", "UDP", "SCTP"], 60);
  const ports = protocols.map((protocol) => ({
    name: `main-${protocol.toLowerCase()}`,
    containerPort: dice.one([80, 81, 9]),
    protocol,
    ...(!hostNetwork && hostPortOf(dice, protocol, place.hostPorts, node.addresses)),
  }));
  const annotations = {
    ...(dice.chance(25) && { "trunkline.dev/snat": dice.one(["none", "masquerade"]) }),
    ...(place.hasSingle && dice.chance(35) && asked),
  };
  return {
    apiVersion: "v1",
    kind: "Pod",
    ...meta(app, { namespace: dice.one(["default", "other"]), labels: { app }, annotations }),
    spec: {
      nodeName: node.name,
      ...(hostNetwork && { hostNetwork: true }),
      ...(dice.chance(30) && { initContainers: initContainers(dice) }),
      containers: [{ name: "c", ports }],
    },
  };
}

/** Of these the sidecar's ports are the pod's; those of the other one, which has ended, are nobody's. */
function initContainers(dice: Dice): object[] {
  const side = { containerPort: dice.one([22, 80, 81]), protocol: dice.one(["TCP", "UDP"]) };
  return [
    { name: "before", ports: [{ name: "gone", containerPort: 22 }] },
    { name: "side", restartPolicy: "Always", ports: [{ name: "side", ...side }] },
  ];
}

function hostPortOf(dice: Dice, protocol: string, free: string[], addresses: readonly string[]): object {
  const at = free.findIndex((text) => text.endsWith(`/${protocol}`));
  if (at === -1 || dice.chance(40)) return {};
  const [text = ""] = free.splice(at, 1);
  const hostIP = dice.one([undefined, undefined, ...addresses, "0.0.0.0", "127.0.0.1", "::"]);
  return { hostPort: Number.parseInt(text, 10), ...(hostIP !== undefined && { hostIP }) };
}

function sourceNat(dice: Dice, nets: readonly Net[], { nodes, hosts }: Machines): object {
  const egressNodes = { matchLabels: { egress: "yes" } };
  const action = dice.one([
    { type: "None" },
    { type: "Masquerade" },
    { type: "Address", addresses: ["192.168.18.240", "fd00:18::240"], egressNodes },
    { type: "Address", addresses: ["192.168.18.240", "fd00:18::240"], egressNodes },
    // A real node has this one, so what comes back comes to that node.
    { type: "Address", addresses: ["192.168.18.12"] },
    // Nobody holds this one, so answers to it get lost.
    { type: "Address", addresses: ["192.168.18.250"] },
    // Somebody has this one already, so no node may take it.
    {
      type: "Address",
      addresses: [
        dice.one([
          ...nodes.flatMap(({ addresses }) => addresses.slice(0, 2)),
          ...hosts.flatMap(({ addresses }) => addresses),
          "192.168.18.1",
          "10.1.0.2",
        ]),
      ],
      egressNodes,
    },
  ]);
  const destinations = dice.some(
    nets.map(({ four }) => `${four}.0/24`),
    60,
  );
  const podSelector = dice.chance(60)
    ? { matchExpressions: [{ key: "app", operator: "In", values: ["a", "b"] }] }
    : {};
  return {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "SourceNAT",
    ...meta("rule"),
    spec: { rules: [{ podSelector, ...(destinations.length > 0 && { destinations }), action }] },
  };
}

function policy(dice: Dice, nets: readonly Net[], at: number): object {
  const peer = () =>
    dice.one<object>([
      { podSelector: { matchLabels: { app: dice.one(apps) } } },
      { namespaceSelector: { matchLabels: { team: "x" } } },
      { ipBlock: { cidr: `${dice.one(nets).four}.0/24` } },
      { ipBlock: { cidr: "0.0.0.0/0", except: [`${dice.one(nets).four}.0/28`] } },
      { ipBlock: { cidr: "10.3.0.0/24" } },
      { ipBlock: { cidr: "fd00::/16" } },
    ]);
  const port = () => dice.one<number | string>([80, 80, "main-tcp", "main-udp", "side", "gone"]);
  const ports = () =>
    dice.chance(50) ? {} : { ports: [{ port: port(), protocol: dice.one(["TCP", "UDP", "SCTP"]) }] };
  const spec = {
    podSelector: dice.chance(70) ? { matchLabels: { app: dice.one(apps) } } : {},
    policyTypes: dice.one([["Ingress"], ["Egress"], ["Ingress", "Egress"]]),
    ingress: Array.from({ length: dice.below(3) }, () => ({ from: [peer()], ...ports() })),
    egress: Array.from({ length: dice.below(3) }, () => ({ to: [peer()], ...ports() })),
  };
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    ...meta(`p${at}`, { namespace: dice.one(["default", "other"]) }),
    spec,
  };
}
