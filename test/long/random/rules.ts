// What other programs and people may do to a lab's machines: NAT rules and filters, by iptables and nft, addresses that are
// added to links. The same dice give the same.
import { run } from "../../../src/kernel/exec/index.ts";
import type { Dice } from "./dice.ts";

/** What is run in a machine's namespace. */
export interface Meddling {
  readonly member: string;
  readonly command: readonly string[];
  readonly input?: string;
}

export interface Scenery {
  readonly nodes: readonly string[];
  readonly hosts: readonly string[];
  readonly routers: readonly string[];
  /** Addresses of pods, IPv4. */
  readonly pods: readonly string[];
  /** Ranges of networks, IPv4. */
  readonly nets: readonly string[];
  /** Addresses of nodes, IPv4. */
  readonly nodeAddresses: readonly string[];
  readonly hostAddresses: readonly string[];
  /** Addresses of pods, and ranges of networks, IPv6; of the latter there are some. */
  readonly pods6: readonly string[];
  readonly nets6: readonly string[];
}

/** Returns what is done to a lab. */
export function meddlingsOf(dice: Dice, scenery: Scenery): Meddling[] {
  return [
    ...dice.some(scenery.nodes, 60).flatMap((member) => rulesOf(dice, member, scenery)),
    ...dice
      .some([...scenery.nodes, ...scenery.hosts], 30)
      .flatMap((member) => addressesOf(dice, member, scenery)),
    ...dice.some(scenery.nodes, 30).flatMap((member) => routesOf(dice, member, scenery)),
  ];
}

function rulesOf(dice: Dice, member: string, scenery: Scenery): Meddling[] {
  const nat = dice.some(natKinds, 25).map((kind) => kind(dice, scenery));
  const filters = dice.some(filterKinds, 25).map((kind) => kind(dice, scenery));
  return [...nat, ...filters].map((text) => {
    if (text.startsWith("*")) {
      const input = `${text}\nCOMMIT\n`;
      return { member, command: ["iptables-nft-restore", "--noflush"], input };
    }
    return { member, command: ["nft", "-f", "-"], input: text };
  });
}

const pods = "10.1.0.0/16";
type Kind = (dice: Dice, scenery: Scenery) => string;

const destinationOf = (dice: Dice, { nets }: Scenery) => dice.one([...nets, pods, "10.1.0.0/17"]);

const natKinds: readonly Kind[] = [
  // What flannel leaves behind.
  () =>
    `*nat\n:FLANNEL-POSTRTG - [0:0]\n-A POSTROUTING -j FLANNEL-POSTRTG\n-A FLANNEL-POSTRTG -s 10.1.0.0/24 -d ${pods} -j RETURN\n` +
    `-A FLANNEL-POSTRTG -s ${pods} -d 10.1.0.0/24 -j RETURN\n-A FLANNEL-POSTRTG -s ${pods} ! -d 224.0.0.0/4 -j MASQUERADE\n` +
    `-A FLANNEL-POSTRTG ! -s ${pods} -d ${pods} -j MASQUERADE`,
  () => `*nat\n-A POSTROUTING -s ${pods} -o eth0 -j MASQUERADE`,
  (dice) => `*nat\n-A POSTROUTING -s ${pods} -p ${dice.one(["tcp", "udp", "icmp"])} -o eth+ -j MASQUERADE`,
  (dice, scenery) => `*nat\n-A POSTROUTING ! -s ${pods} -d ${destinationOf(dice, scenery)} -j MASQUERADE`,
  (dice, scenery) =>
    `*nat\n-A POSTROUTING -s ${pods} -d ${destinationOf(dice, scenery)} -j SNAT --to-source ${dice.one(["192.168.18.12", "192.168.18.99", "192.168.18.11"])}`,
  // What kube-proxy writes.
  (dice, { pods: targets }) => {
    const to = dice.one(targets);
    const rule = `-d 10.96.0.1/32 -p tcp -m tcp --dport ${dice.one([80, 8080])} -j DNAT --to-destination ${to}:80`;
    const marked = dice.chance(40)
      ? `\n-A PREROUTING -d 10.96.0.1/32 -j MARK --set-xmark 0x4000/0x4000\n-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE`
      : "";
    const lines = marked === "" ? [] : marked.trim().split("\n");
    return [
      "*nat",
      ...lines.slice(0, 1),
      `-A PREROUTING ${rule}`,
      ...(dice.chance(60) ? [`-A OUTPUT ${rule}`] : []),
      ...lines.slice(1),
    ].join("\n");
  },
  (dice, { pods: targets }) =>
    `*nat\n-A PREROUTING -p tcp -m tcp --dport 81 -m addrtype --dst-type LOCAL -j DNAT --to-destination ${dice.one(targets)}:80`,
  () => `*nat\n-A PREROUTING -p tcp -m tcp --dport 22 -j REDIRECT --to-ports 10250`,
  (dice, scenery) =>
    `table ip nat { chain postrouting { type nat hook postrouting priority srcnat; ip saddr ${pods} ip daddr ${destinationOf(dice, scenery)} masquerade\n}\n}\n`,
  (dice, scenery) =>
    `table inet other { set far { type ipv4_addr; flags interval; elements = { ${destinationOf(dice, scenery)} } }\n` +
    `chain out { type nat hook postrouting priority ${dice.one([80, 100, 110])}; ip saddr ${pods} ip daddr @far oifname "eth*" ${dice.one(["masquerade", "snat ip to 192.168.18.98"])}\n}\n}\n`,
  () => `*nat\n-A POSTROUTING -s ${pods} -m limit --limit 3/sec -j MASQUERADE`,
  (dice) => `*nat\n-A PREROUTING -p tcp -m tcp --dport 81 -j DNAT --to-destination :${dice.one([80, 22])}`,
  (dice, { pods: targets }) =>
    `table ip mapped { chain pre { type nat hook prerouting priority dstnat; dnat to tcp dport map { 81 : ${dice.one(targets)}, 82 : ${dice.one(targets)} }\n}\n}\n`,
];

const filterKinds: readonly Kind[] = [
  (dice, scenery) => `*filter\n-A FORWARD -s ${pods} -d ${destinationOf(dice, scenery)} -j DROP`,
  (dice) =>
    `*filter\n-A FORWARD -p tcp -m tcp --dport ${dice.one([80, 22])} -j REJECT --reject-with ${dice.one(["tcp-reset", "icmp-port-unreachable", "icmp-admin-prohibited"])}`,
  (dice) =>
    `*filter\n-A ${dice.one(["INPUT", "OUTPUT"])} -p ${dice.one(["tcp", "udp"])} -m multiport --dports 80:81,10250 -j ${dice.one(["DROP", "REJECT"])}`,
  (dice) => `*filter\n-A FORWARD -m conntrack --ctstate NEW -i ${dice.one(["eth0", "tl+"])} -p icmp -j DROP`,
  (dice) =>
    `*filter\n-A FORWARD -m conntrack --ctstate ${dice.one(["ESTABLISHED", "RELATED,ESTABLISHED"])} -d 10.1.0.0/17 -j DROP`,
  () =>
    `*filter\n:FORWARD DROP [0:0]\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -s ${pods} -j ACCEPT`,
  (dice, scenery) =>
    `table inet fw { chain forward { type filter hook forward priority ${dice.one([-30, 0, 10])}; policy drop;\n` +
    `ct state established,related accept\nip daddr { ${destinationOf(dice, scenery)} } accept\nmeta nfproto ipv6 accept\n}\n}\n`,
  (dice) =>
    `table inet fw2 { chain side { ip saddr ${pods} reject with tcp reset\n}\n` +
    `chain in { type filter hook input priority 0; tcp dport vmap { 10250 : ${dice.one(["drop", "jump side"])}, 22 : accept }\n}\n}\n`,
  () =>
    `*mangle\n-A PREROUTING -p udp -j MARK --set-xmark 0x77/0xff\nCOMMIT\n*filter\n-A FORWARD -m mark --mark 0x77/0xff -j DROP`,
  (dice) =>
    `*filter\n-A FORWARD -p tcp -m tcp --tcp-flags ${dice.one(["FIN,SYN,RST,PSH,ACK,URG NONE", "SYN,RST SYN,RST", "FIN,SYN FIN,SYN"])} -j DROP\n` +
    `-A FORWARD -m conntrack --ctdir ${dice.one(["REPLY", "ORIGINAL"])} -p udp -j DROP`,
  (dice) =>
    `*filter\n-A ${dice.one(["FORWARD", "INPUT"])} -m addrtype ${dice.one(["--dst-type BROADCAST", "! --src-type UNICAST", "--dst-type MULTICAST"])} -j DROP`,
  (dice) =>
    `table inet strict { chain pre { type filter hook prerouting priority ${dice.one([-300, -150])}; fib saddr . iif oif missing drop\n}\n` +
    `chain onward { type filter hook forward priority 0; ct state ${dice.one(["!= { established, related, new }", "! established,related,new", "!= established,related"])} drop\ntcp flags & (fin|syn|rst|ack) != syn ct state new drop\n}\n}\n`,
  () => `*filter\n-A FORWARD -m statistic --mode random --probability 0.5 -p udp -j DROP`,
];

function addressesOf(dice: Dice, member: string, { nets }: Scenery): Meddling[] {
  const inNet = (last: number) => `${dice.one(nets).replace(/0\/24$/, "")}${last}`;
  const more = [
    [`${inNet(60 + dice.below(20))}/32`, dice.one(["lo", "eth0"])],
    [`${inNet(80 + dice.below(10))}/24`, "eth0"],
    [`172.29.${dice.below(3)}.7/24`, "eth0"],
    [`2001:db8:18::${1 + dice.below(9)}/64`, "eth0"],
    [`fd00:18::${50 + dice.below(9)}/${dice.one([64, 128])}`, dice.one(["lo", "eth0"])],
  ] as const;
  return dice.some(more, 30).map(([address, link]) => ({
    member,
    command: ["ip", "address", "add", address, "dev", link, ...(address.includes(":") ? ["nodad"] : [])],
  }));
}

/** Ways that nobody planned: round by another node, into the node itself, or nowhere. */
function routesOf(dice: Dice, member: string, { nets, pods: targets, nodeAddresses }: Scenery): Meddling[] {
  const inNet = (last: number) => `${dice.one(nets).replace(/0\/24$/, "")}${last}/32`;
  const to = () => dice.one([dice.one(nets), inNet(1 + dice.below(20)), `${dice.one(targets)}/32`]);
  const more = [
    [to(), "via", dice.one(nodeAddresses)],
    [inNet(1 + dice.below(20)), "via", dice.one(nodeAddresses)],
    [inNet(1 + dice.below(20)), "dev", dice.one(["lo", "eth0"])],
    ["blackhole", inNet(1 + dice.below(20))],
  ] as const;
  return dice
    .some(more, 35)
    .map((words) => ({ member, command: ["ip", "route", "replace", ...words, "metric", "5"] }));
}

/** Does it, in a lab's namespaces by their members' names. */
export async function meddle(
  namespaces: ReadonlyMap<string, string>,
  meddlings: readonly Meddling[],
): Promise<void> {
  for (const { member, command, input } of meddlings) {
    const [program = "", ...args] = command;
    const netns = { name: namespaces.get(member) ?? member };
    // An address may be there already, and a way be out of reach.
    const codes = program === "ip" ? ("any" as const) : [0];
    await run(program, args, { netns, codes, ...(input !== undefined && { input }) });
  }
}
