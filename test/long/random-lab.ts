// Random labs and what runs in them: networks, routers that know more or less, hosts on one network or two, pools, source
// translation of every kind, policies. The same number gives the same lab.

/** A small generator of numbers (mulberry32): the same seed, the same sequence. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** 0 to below `end`. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  one<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  some<T>(list: readonly T[], percent: number): T[] {
    return list.filter(() => this.chance(percent));
  }
}

interface Net {
  readonly name: string;
  readonly four: string;
  /** Absent: IPv4 only. */
  readonly six?: string;
}

const addressesOn = ({ four, six }: Net, last: number) => [
  `${four}.${last}`,
  ...(six === undefined ? [] : [`${six}::${last}`]),
];

function netsOf(dice: Dice): Net[] {
  const ranges = ["192.168.18", "10.0.0", "172.17.0", "203.0.113"].slice(0, 2 + dice.below(3));
  return ranges.map((four, at) => ({
    name: `net${at}`,
    four,
    ...((at === 0 || dice.chance(60)) && { six: `fd00:${at + 18}` }),
  }));
}

/** Returns a lab file and manifests, both as JSON, which is YAML. */
export function randomLab(seed: number): { readonly lab: string; readonly objects: string } {
  const dice = new Dice(seed);
  const nets = netsOf(dice);
  return {
    lab: JSON.stringify(labOf(dice, nets)),
    objects: objectsOf(dice, nets)
      .map((one) => `---\n${JSON.stringify(one)}\n`)
      .join(""),
  };
}

function labOf(dice: Dice, nets: readonly Net[]) {
  const [first, ...others] = nets as [Net, ...Net[]];
  const second = dice.chance(50);
  const reached = second ? dice.some(others, 60) : others;
  const routers = [
    {
      name: "gate",
      addresses: [first, ...reached].flatMap((net) => addressesOn(net, 1)),
      podRoutes: dice.chance(80),
      routes: [] as object[],
    },
    ...(second
      ? [
          {
            name: "side",
            addresses: [first, ...others.filter((net) => !reached.includes(net))].flatMap((net) =>
              addressesOn(net, 2),
            ),
            podRoutes: dice.chance(50),
            routes: [] as object[],
          },
        ]
      : []),
  ];
  for (const net of others) {
    if (second && !reached.includes(net) && dice.chance(60))
      routers[0]!.routes.push({ to: `${net.four}.0/24`, via: `${first.four}.2` });
    if (second && reached.includes(net) && dice.chance(60))
      routers[1]!.routes.push({ to: `${net.four}.0/24`, via: `${first.four}.1` });
  }
  const nodes = ["node1", "node2", "node3"].slice(0, 2 + dice.below(2)).map((name, at) => ({
    name,
    addresses: [
      ...addressesOn(first, 11 + at),
      ...dice.some(others, 15).flatMap((net) => addressesOn(net, 11 + at)),
    ],
    labels: { egress: dice.chance(50) ? "yes" : "no" },
  }));
  const hosts = ["a", "b", "c", "d"].slice(0, 2 + dice.below(3)).map((name, at) => {
    const home = dice.one(nets);
    const more = dice.chance(25) ? nets.filter((net) => net !== home).slice(0, 1) : [];
    return {
      name: `host-${name}`,
      addresses: [home, ...more].flatMap((net) => addressesOn(net, 50 + at)),
      ports: dice.some(["80", "81/udp", "9/sctp"], 60),
      ...(dice.chance(35) && {
        admit: dice.some(
          ["10.1.0.0/16", "192.168.18.0/24", "fd00:1::/64", "fd00:18::/64", "192.168.18.11/32"],
          50,
        ),
      }),
    };
  });
  return {
    name: "random",
    networks: nets.map(({ name, four, six }) => ({
      name,
      cidrs: [`${four}.0/24`, ...(six === undefined ? [] : [`${six}::/64`])],
    })),
    routers,
    nodes,
    hosts,
  };
}

const meta = (name: string, more: object = {}) => ({ metadata: { name, ...more } });
const apps = ["a", "b", "c", "d", "e", "f"];

function objectsOf(dice: Dice, nets: readonly Net[]): object[] {
  const calico = { apiVersion: "crd.projectcalico.org/v1", kind: "IPPool" };
  const config = ["nonMasqueradeCIDRs", "masqueradeCIDRs"].map(
    (key) =>
      [
        key,
        dice.some(
          nets.map(({ four }) => `${four}.0/24`),
          40,
        ),
      ] as const,
  );
  return [
    {
      ...calico,
      ...meta("four"),
      spec: { cidr: "10.1.0.0/16", blockSize: 28, natOutgoing: dice.chance(50) },
    },
    ...(dice.chance(70)
      ? [
          {
            ...calico,
            ...meta("six"),
            spec: { cidr: "fd00:1::/64", blockSize: 124, natOutgoing: dice.chance(50) },
          },
        ]
      : []),
    {
      apiVersion: "v1",
      kind: "Namespace",
      ...meta("other", {
        labels: { team: "x" },
        annotations: dice.chance(20) ? { "trunkline.dev/snat": dice.one(["none", "masquerade"]) } : {},
      }),
    },
    ...(dice.chance(50)
      ? [
          {
            apiVersion: "v1",
            kind: "ConfigMap",
            ...meta("ip-masq-agent", { namespace: "kube-system" }),
            data: {
              config: JSON.stringify(Object.fromEntries(config.filter(([, list]) => list.length > 0))),
            },
          },
        ]
      : []),
    ...(dice.chance(60) ? [sourceNat(dice, nets)] : []),
    ...(dice.chance(10)
      ? [
          {
            apiVersion: "v1",
            kind: "ConfigMap",
            ...meta("eni-config", { namespace: "kube-system" }),
            data: { disable_network_policy: "true" },
          },
        ]
      : []),
    ...Array.from({ length: dice.below(4) }, (_, at) => policy(dice, nets, at)),
    ...apps.slice(0, 4 + dice.below(3)).map((app) => pod(dice, app)),
  ];
}

function pod(dice: Dice, app: string): object {
  const protocols = dice.some(["TCP", "UDP", "SCTP"], 60);
  const ports = protocols.map((protocol) => ({ containerPort: dice.one([80, 81, 9]), protocol }));
  const annotations = dice.chance(25) ? { "trunkline.dev/snat": dice.one(["none", "masquerade"]) } : {};
  return {
    apiVersion: "v1",
    kind: "Pod",
    ...meta(app, { namespace: dice.one(["default", "other"]), labels: { app }, annotations }),
    spec: {
      nodeName: dice.one(["node1", "node2"]),
      ...(dice.chance(15) && { hostNetwork: true }),
      containers: [{ name: "c", ports }],
    },
  };
}

function sourceNat(dice: Dice, nets: readonly Net[]): object {
  const action = dice.one([
    { type: "None" },
    { type: "Masquerade" },
    {
      type: "Address",
      addresses: ["192.168.18.240", "fd00:18::240"],
      egressNodes: { matchLabels: { egress: "yes" } },
    },
    // A real node has this one, so what comes back comes to that node.
    { type: "Address", addresses: ["192.168.18.12"] },
    // Nobody holds this one, so answers to it get lost.
    { type: "Address", addresses: ["192.168.18.250"] },
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
      { ipBlock: { cidr: "fd00::/16" } },
    ]);
  const ports = () =>
    dice.chance(50) ? {} : { ports: [{ port: 80, protocol: dice.one(["TCP", "UDP", "SCTP"]) }] };
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
