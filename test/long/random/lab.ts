// Random labs and what runs in them: networks, routers that know more or less, hosts on one network or two, pools, source
// translation of every kind, policies. The same number gives the same lab.
import { Dice } from "./dice.ts";
import { happeningsOf } from "./happenings.ts";
import { addressesOn, type Net, netsOf } from "./nets.ts";
import { objectsOf } from "./objects.ts";
import { type OwnInterface, withSubnets } from "./subnets.ts";
import { withTunnels } from "./tunnels.ts";

/** Returns a lab file and manifests, both as JSON, which is YAML. */
export function randomLab(seed: number): {
  readonly lab: string;
  readonly objects: string;
  readonly own: readonly OwnInterface[];
} {
  const dice = new Dice(seed);
  const nets = netsOf(dice);
  const plain = labOf(dice, nets);
  // By dice of their own: whether there are subnets changes nothing else.
  const drawn = withSubnets(new Dice(seed ^ 0x5b5b5b), nets, plain, objectsOf(dice, nets, plain));
  // Tunnels of pools that are deleted go some seconds later: what happens in the meantime is nobody's question.
  const isKept = happeningsOf(new Dice(seed + 1)).pools.length === 0;
  const objects = isKept ? withTunnels(new Dice(seed ^ 0x7a7a7a), drawn.objects) : drawn.objects;
  return {
    lab: JSON.stringify(drawn.lab),
    objects: objects.map((one) => `---\n${JSON.stringify(one)}\n`).join(""),
    own: drawn.own,
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
    ...(dice.chance(40) && { chainedPlugins: ["portmap"] }),
  };
}
