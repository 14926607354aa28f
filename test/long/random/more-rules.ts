// Rules that reviews have found explain to be wrong about, or that nobody had drawn: marks beside the connection's state,
// what comes before connection tracking, error messages, sets, maps and chains of every shape. Of all of them explain is
// to be sure; what it may not be sure of is in unknowable.ts.
import type { Kind } from "./words.ts";
import {
  filter,
  hookOf,
  ip6tables,
  iptables,
  legacy,
  nat,
  nft,
  pods,
  portOf,
  protocolOf,
  range6Of,
  rangeOf,
  service,
  sysctl,
} from "./words.ts";

const marks: readonly Kind[] = [
  (dice) => {
    const state = dice.one(["ESTABLISHED", "NEW", "RELATED,ESTABLISHED", "INVALID"]);
    const [from, to] = dice.one([
      ["PREROUTING", "FORWARD"],
      ["PREROUTING", "INPUT"],
      ["OUTPUT", "POSTROUTING"],
    ] as const);
    const table = to === "POSTROUTING" ? "mangle" : "filter";
    const rule = `-A ${to} -m mark --mark 0x10/0x10 -m conntrack --ctstate ${state} -j DROP`;
    return [
      iptables(`mangle|-A ${from} -p ${protocolOf(dice)} -j MARK --set-xmark 0x10/0x10`, `${table}|${rule}`),
    ];
  },
  (dice, scenery) => {
    const set = dice.one([
      "meta mark or 0x20",
      "meta mark xor 0x20",
      "0x2f",
      "(meta mark & 0xffffff0f) | 0x20",
    ]);
    const state = dice.one(["ct state new", "ct state established", ""]);
    const asks = dice.one([
      "meta mark & 0x20 == 0x20",
      "meta mark & 0xf0 != 0x20",
      "meta mark { 0x20-0x2f }",
    ]);
    const where = `ip daddr ${rangeOf(dice, scenery)} ${protocolOf(dice)} dport ${portOf(dice)}`;
    const first = dice.one(["prerouting", "output"]);
    const then = first === "output" ? "postrouting" : dice.one(["forward", "input"]);
    return [
      nft(
        "inet marks",
        filter(first, dice.one([-250, -150, -50]), `${state} meta mark set ${set}`),
        filter(
          then,
          dice.one([-10, 0, 5, 130]),
          `${asks} ${dice.one(["ct state established", "ct state new"])} ${where} drop`,
        ),
      ),
    ];
  },
  (dice) => [
    iptables(
      `raw|-A PREROUTING -i eth0 -j MARK --set-mark 0x${dice.one([1, 3, 4])}00/0xf00`,
      `mangle|-A FORWARD -m mark ! --mark 0x100/0x100 -p ${protocolOf(dice)} -j DROP`,
    ),
  ],
];

const icmp: readonly Kind[] = [
  (dice) => [iptables(`filter|-A ${dice.one(["INPUT", "OUTPUT", "FORWARD"])} -p icmp -j DROP`)],
  (dice) => [
    iptables(
      `filter|-A ${dice.one(["INPUT", "OUTPUT", "FORWARD"])} -p icmp -m icmp --icmp-type ${dice.one(["8", "0", "3", "11", "3/3"])} -j DROP`,
    ),
  ],
  (dice) => {
    const type = dice.one(["echo-request", "echo-reply", "destination-unreachable", "time-exceeded"]);
    const rule = `${dice.one(["icmp", "icmpv6"])} type ${type} drop`;
    return [nft("inet icmp1", filter(hookOf(dice), dice.one([0, 150, -160]), rule))];
  },
  (dice) => [
    nft(
      "inet icmp2",
      filter(
        dice.one(["forward", "input", "output"]),
        1,
        `icmpv6 type { ${dice.one(["echo-request", "echo-reply", "destination-unreachable, time-exceeded"])} } drop`,
      ),
    ),
  ],
  // Errors belong to connections, too.
  (dice) => [
    nft(
      "ip icmp3",
      filter(
        dice.one(["forward", "input", "output"]),
        0,
        `ct state related ${dice.one(["ip protocol icmp ", ""])}drop`,
      ),
    ),
  ],
  (dice) => [
    ip6tables(
      `filter|-A ${dice.one(["INPUT", "FORWARD", "OUTPUT"])} -p ipv6-icmp -m icmp6 --icmpv6-type ${dice.one([1, 128, 129])} -j ${dice.one(["DROP", "REJECT"])}`,
    ),
  ],
];

const headers: readonly Kind[] = [
  (dice) => {
    const rule = dice.one([
      "ip protocol tcp tcp dport 80 drop",
      "ip protocol != { tcp, udp } drop",
      "ip6 nexthdr tcp drop",
      "meta l4proto { udp, sctp } drop",
      "meta l4proto != { tcp, udp, icmp, ipv6-icmp } drop",
      "meta nfproto ipv4 meta l4proto udp drop",
      "ip6 nexthdr != { tcp, ipv6-icmp } drop",
    ]);
    return [nft("inet headers", filter(hookOf(dice), dice.one([-10, 20]), rule))];
  },
  (dice) => {
    const rule = dice.one([
      "meta l4proto tcp th dport { 22, 80 } drop",
      "meta l4proto { tcp, udp } th dport 80-81 drop",
      "meta l4proto { tcp, udp, sctp } th dport != { 80, 22, 10250 } th sport >= 1024 drop",
      "meta l4proto { tcp, udp } th sport 81 drop",
    ]);
    return [nft("inet ports", filter(hookOf(dice), 0, rule))];
  },
  (dice) => [
    nft(
      "inet syn",
      filter(
        hookOf(dice),
        0,
        `tcp dport ${portOf(dice)} tcp flags ${dice.one(["syn", "& (fin | syn | rst | ack) == syn"])} drop`,
      ),
    ),
  ],
  (dice) => [
    iptables(
      `filter|-A ${dice.one(["INPUT", "FORWARD", "OUTPUT"])} -p tcp -m tcp --dport ${portOf(dice)} ${dice.one(["", "! "])}--tcp-flags FIN,SYN,RST,ACK SYN -j DROP`,
    ),
  ],
  () => [iptables("filter|-A INPUT -p udp -m udp --dport 4789 -j DROP|-A INPUT -p ipencap -j DROP")],
  (dice) => [
    nft(
      "inet vxlan",
      filter(dice.one(["input", "forward", "output", "prerouting"]), -300, "udp dport 4789 drop"),
    ),
  ],
  (dice) => [
    iptables(
      `filter|-A ${dice.one(["OUTPUT", "FORWARD"])} -p ${dice.one(["tcp", "udp"])} --sport ${portOf(dice)} -j DROP`,
    ),
  ],
];

const translations: readonly Kind[] = [
  (dice, { nodeAddresses }) => [
    iptables(
      `nat|-A ${dice.one(["PREROUTING", "OUTPUT"])} -d ${dice.one([service, dice.one(nodeAddresses)])} -p tcp -m tcp --dport ${dice.one([80, 22])} -j DNAT --to-destination 127.0.0.1:${dice.one([10250, 22, 80])}`,
    ),
    ...(dice.chance(50) ? [sysctl(`net.ipv4.conf.${dice.one(["all", "eth0"])}.route_localnet`, 1)] : []),
  ],
  (dice) => {
    const hook = dice.one(["PREROUTING", "OUTPUT"]);
    const [protocol, from, to] = dice.one([
      ["tcp", 80, 22],
      ["tcp", 22, 80],
      ["udp", 81, 9],
      ["udp", 53, 81],
      ["sctp", 9, 9],
    ] as const);
    const rule = `-A ${hook} -p ${protocol} -m ${protocol} --dport ${from} -j REDIRECT --to-ports ${to}`;
    return [dice.chance(60) ? iptables(`nat|${rule}`) : ip6tables(`nat|${rule}`)];
  },
  // What was translated, asked for where it is forwarded.
  (dice, { pods: targets }) => {
    const asks = dice.one([
      "ct status dnat",
      "ct status snat",
      "ct status & dnat == 0 ip daddr 10.1.0.0/16 tcp dport 80",
    ]);
    return [
      nft(
        "ip status",
        nat("prerouting", `ip daddr ${service} tcp dport 80 dnat to ${dice.one(targets)}`),
        dice.chance(50)
          ? filter("postrouting", dice.one([0, 120]), `${asks} drop`)
          : filter("forward", 0, `${asks} ${dice.one(["drop", "reject"])}`),
      ),
    ];
  },
  (dice, { pods: targets }) => [
    iptables(
      `nat|-A PREROUTING -d ${service} -p tcp -m tcp --dport 80 -j DNAT --to-destination ${dice.one(targets)}:80|-A POSTROUTING -s ${pods} -d ${pods} -j MASQUERADE`,
      `filter|-A FORWARD -m conntrack --ctstate ${dice.one(["DNAT", "SNAT", "DNAT,SNAT"])} -j ${dice.one(["ACCEPT", "DROP"])}`,
    ),
  ],
  // Filters that see what translations have made of it.
  (dice, scenery) => [
    nft(
      "ip after",
      filter(
        "postrouting",
        dice.one([90, 101, 300]),
        `ip saddr ${rangeOf(dice, scenery)} ${protocolOf(dice)} dport ${portOf(dice)} drop`,
      ),
    ),
  ],
  (dice, scenery) => [
    nft(
      "ip before",
      nat("prerouting", `ip daddr ${service} tcp dport 80 dnat to ${dice.one(scenery.pods)}`),
      filter(
        "prerouting",
        dice.one([-110, -50, -250]),
        `ip daddr { ${service}, ${rangeOf(dice, { ...scenery, pods: scenery.pods })} } tcp dport 80 drop`.replace(
          `{ ${service}, ${service} }`,
          `{ ${service} }`,
        ),
      ),
    ),
  ],
  (dice, scenery) => [
    nft(
      "inet both",
      nat(
        "postrouting",
        `ip6 daddr ${range6Of(dice, scenery)} masquerade\nip daddr ${rangeOf(dice, scenery)} masquerade`,
      ),
    ),
  ],
  (dice, { nodeAddresses }) => [
    iptables(`nat|-A POSTROUTING -p udp -s ${pods} -j SNAT --to-source ${dice.one(nodeAddresses)}:3000-3100`),
  ],
];

const early: readonly Kind[] = [
  (dice) => [
    iptables(
      `raw|-A ${dice.one(["PREROUTING", "OUTPUT"])} -p ${protocolOf(dice)} --dport ${portOf(dice)} -j DROP`,
    ),
  ],
  (dice) => [
    iptables(
      `raw|-A ${dice.one(["PREROUTING", "OUTPUT"])} -p tcp -m conntrack --ctstate ${dice.one(["NEW", "ESTABLISHED", "INVALID"])} -j DROP`,
    ),
  ],
  (dice, scenery) => {
    const asks = dice.one([
      "ct state new",
      "ct state established",
      "ct state invalid",
      "ct status dnat",
      "ct state { new, established }",
      "ct state != new",
    ]);
    const hook = dice.one(["prerouting", "output"]);
    const priority = dice.one([-400, -300, -250, -201, -199, -150]);
    return [
      nft(
        "inet early",
        filter(
          hook,
          priority,
          `${asks} ip daddr ${rangeOf(dice, scenery)} ${protocolOf(dice)} dport ${portOf(dice)} drop`,
        ),
      ),
    ];
  },
  (dice) => [
    ip6tables(`raw|-A PREROUTING -p tcp -m tcp --${dice.one(["dport", "sport"])} ${portOf(dice)} -j DROP`),
  ],
];

const rejections: readonly Kind[] = [
  (dice, scenery) => {
    const how = dice.one([
      "icmp-net-unreachable",
      "icmp-host-unreachable",
      "icmp-port-unreachable",
      "icmp-proto-unreachable",
      "icmp-net-prohibited",
      "icmp-host-prohibited",
      "icmp-admin-prohibited",
    ]);
    const chain = dice.one(["INPUT", "FORWARD", "OUTPUT"]);
    return [
      iptables(
        `filter|-A ${chain} -d ${rangeOf(dice, scenery)} -p ${protocolOf(dice)} -j REJECT --reject-with ${how}`,
      ),
    ];
  },
  (dice, scenery) => {
    const how = dice.one([
      "icmp6-no-route",
      "icmp6-adm-prohibited",
      "icmp6-addr-unreachable",
      "icmp6-port-unreachable",
    ]);
    const chain = dice.one(["INPUT", "FORWARD", "OUTPUT"]);
    return [
      ip6tables(
        `filter|-A ${chain} -d ${range6Of(dice, scenery)} -p ${protocolOf(dice)} -j REJECT --reject-with ${how}`,
      ),
    ];
  },
  (dice) => {
    const how = dice.one([
      "icmpx type admin-prohibited",
      "icmpx type port-unreachable",
      "icmpx type no-route",
      "icmpx type host-unreachable",
      "icmp type net-unreachable",
      "icmp type port-unreachable",
      "icmpv6 type addr-unreachable",
    ]);
    const rule = `${protocolOf(dice)} dport ${portOf(dice)} reject with ${how}`;
    return [
      nft("inet rejects", filter(dice.one(["input", "forward", "output"]), dice.one([-40, 0, 40]), rule)),
    ];
  },
  (dice) => [
    nft(
      "inet resets",
      filter(dice.one(["input", "forward", "output"]), 0, `tcp dport ${portOf(dice)} reject with tcp reset`),
    ),
  ],
  (dice) => [
    nft(
      "inet early_reject",
      filter("prerouting", dice.one([-160, -90]), `${protocolOf(dice)} dport ${portOf(dice)} reject`),
    ),
  ],
];

const sets: readonly Kind[] = [
  (dice, scenery) => [
    nft(
      "inet named",
      `set ends { type ipv4_addr; flags interval; auto-merge; elements = { ${rangeOf(dice, scenery)}, ${rangeOf(dice, scenery)}, 10.1.0.4-10.1.0.20 } }`,
      `set doors { type inet_service; flags interval; elements = { ${dice.one(["80-81", "22", "9-22", "10000-65535"])} } }`,
      filter(
        hookOf(dice),
        0,
        `ip ${dice.one(["saddr", "daddr"])} ${dice.one(["", "!= "])}@ends ${protocolOf(dice)} dport @doors drop`,
      ),
    ),
  ],
  (dice, scenery) => [
    nft(
      "ip pairs",
      `set pairs { typeof ip saddr . tcp dport; flags interval; elements = { ${rangeOf(dice, scenery)} . 80, 10.1.0.0-10.1.0.40 . 20-30 } }`,
      filter(dice.one(["input", "forward"]), 0, "ip saddr . tcp dport @pairs drop"),
    ),
  ],
  (dice) => [
    nft(
      "inet verdicts",
      "chain no { counter drop\n}",
      `map what { type inet_proto . inet_service : verdict; elements = { tcp . 80 : ${dice.one(["jump no", "drop", "accept"])}, udp . 81 : ${dice.one(["goto no", "return"])} } }`,
      filter(hookOf(dice), 0, `meta l4proto . th dport vmap @what\n${dice.one(["", "tcp dport 22 drop"])}`),
    ),
  ],
  (dice, scenery) => [
    nft(
      "ip places",
      `chain other { ip daddr ${rangeOf(dice, scenery)} return\n${protocolOf(dice)} dport ${portOf(dice)} drop\n}`,
      filter(
        dice.one(["input", "forward"]),
        dice.one([-30, 0]),
        `iifname vmap { "eth0" : jump other, "lo" : accept }\nip saddr vmap { ${pods} : goto other, 192.168.18.0/24 : continue }`,
      ),
    ),
  ],
  (dice) => [
    nft(
      "inet state",
      filter(
        hookOf(dice),
        0,
        `ct state vmap { established : accept, related : accept, invalid : ${dice.one(["drop", "accept"])} }\ntcp dport ${portOf(dice)} drop`,
      ),
    ),
  ],
  (dice) => [
    nft(
      "ip types",
      filter(
        "prerouting",
        dice.one([-150, 0]),
        `fib daddr type ${dice.one(["local", "!= local"])} tcp dport ${portOf(dice)} drop`,
      ),
    ),
  ],
  (dice) => [
    nft(
      "inet types2",
      filter(
        dice.one(["input", "output", "forward"]),
        0,
        `fib saddr type ${dice.one(["local", "!= local"])} udp dport 81 ${dice.one(["drop", "reject"])}`,
      ),
    ),
  ],
];

const nests: readonly Kind[] = [
  (dice, scenery) => [
    nft(
      "inet nest",
      `chain deep { ip daddr ${rangeOf(dice, scenery)} return\n${dice.one(["tcp", "udp"])} dport ${portOf(dice)} drop\n}`,
      `chain middle { ${dice.one(["jump", "goto"])} deep\nudp dport 81 drop\n}`,
      filter(
        dice.one(["forward", "input", "output"]),
        0,
        `ip saddr ${rangeOf(dice, scenery)} ${dice.one(["jump", "goto"])} middle\ntcp dport 22 drop`,
      ),
    ),
  ],
  (dice, scenery) => {
    const chain = dice.one(["FORWARD", "INPUT", "OUTPUT"]);
    return [
      iptables(
        `filter|:UP - [0:0]|:DOWN - [0:0]|-A ${chain} -s ${rangeOf(dice, scenery)} -${dice.one(["j", "g"])} UP|-A ${chain} -p udp -m udp --dport 81 -j DROP|-A UP -d ${rangeOf(dice, scenery)} -j ${dice.one(["RETURN", "ACCEPT"])}|-A UP -p tcp -${dice.one(["j", "g"])} DOWN|-A UP -p udp -j DROP|-A DOWN -p tcp -m tcp --dport 22 -j RETURN|-A DOWN -p tcp -m tcp --dport 80 -j DROP`,
      ),
    ];
  },
  // What a careful administrator has on a machine.
  (dice) => [
    nft(
      "inet firewall",
      filter(
        "input",
        0,
        `ct state vmap { established : accept, related : accept, invalid : drop }\niifname "lo" accept\nmeta l4proto { icmp, ipv6-icmp } accept\ntcp dport { 22, ${portOf(dice)} } accept\nct status dnat accept\nudp dport 4789 accept`,
        "drop",
      ),
    ),
  ],
  (dice, scenery) => [
    nft(
      "inet gateway",
      filter(
        "forward",
        0,
        `ct state established,related accept\nct state invalid drop\nip saddr ${rangeOf(dice, scenery)} accept\nip6 saddr ${range6Of(dice, scenery)} accept\nip protocol icmp accept`,
        "drop",
      ),
    ),
  ],
  (dice) => [
    iptables(`filter|-A ${dice.one(["FORWARD", "INPUT", "OUTPUT"])} -m conntrack --ctstate INVALID -j DROP`),
  ],
  // Two that hang on one hook.
  (dice) => [
    nft("ip one", filter("forward", -5, `tcp dport ${portOf(dice)} accept`)),
    nft("ip two", filter("forward", 5, `tcp dport ${portOf(dice)} drop`)),
  ],
];

const extensions: readonly Kind[] = [
  (dice) => {
    const chain = dice.one(["INPUT", "FORWARD", "OUTPUT"]);
    const ask = dice.one(["--dports 80,9:22", "! --dports 80,81,10250", "--sports 80,81", "--dports 22"]);
    return [iptables(`filter|-A ${chain} -p ${protocolOf(dice)} -m multiport ${ask} -j DROP`)];
  },
  (dice) => {
    const ask = dice.one([
      "--src-range 10.1.0.0-10.1.0.20",
      "--dst-range 192.168.18.11-192.168.18.60",
      "! --src-range 10.1.0.0-10.255.0.0",
      "--src-range 10.1.0.0-10.1.255.255 --dst-range 10.1.0.0-10.1.0.30",
    ]);
    return [
      iptables(
        `filter|-A ${dice.one(["INPUT", "FORWARD", "OUTPUT"])} -m iprange ${ask} -p ${dice.one(["tcp", "icmp", "udp"])} -j DROP`,
      ),
    ];
  },
  (dice) => {
    const ask = dice.one([
      "--dst-type LOCAL",
      "! --dst-type LOCAL",
      "--src-type LOCAL",
      "! --src-type LOCAL",
    ]);
    return [
      iptables(
        `mangle|-A PREROUTING -m addrtype ${ask} -p ${protocolOf(dice)} --dport ${portOf(dice)} -j DROP`,
      ),
    ];
  },
  (dice, scenery) => [
    legacy(
      `filter|-A ${dice.one(["FORWARD", "INPUT", "OUTPUT"])} -d ${rangeOf(dice, scenery)} -p ${protocolOf(dice)} -j ${dice.one(["DROP", "REJECT"])}`,
      `nat|-A PREROUTING -d ${service} -p tcp -m tcp --dport 80 -j DNAT --to-destination ${dice.one(scenery.pods)}`,
    ),
  ],
  (dice) => [
    iptables(
      `filter|-A FORWARD ${dice.one(["", "! "])}-i eth0 ${dice.one(["-o eth0", "! -o tl+", "-o eth+"])} -p ${protocolOf(dice)} -j DROP`,
    ),
  ],
  (dice, scenery) => [
    ip6tables(
      `filter|-A ${dice.one(["FORWARD", "INPUT", "OUTPUT"])} ${dice.one(["-s", "-d"])} ${range6Of(dice, scenery)} -p ${protocolOf(dice)} -j DROP`,
    ),
  ],
];

/** Neighbours are unlike one another, so that a lab that takes some in turn has one of each sort. */
export const moreKinds: readonly Kind[] = mixed([
  marks,
  icmp,
  headers,
  translations,
  early,
  rejections,
  sets,
  nests,
  extensions,
]);

/** One of each list, then the next of each. */
export function mixed<T>(lists: readonly (readonly T[])[]): T[] {
  const most = Math.max(...lists.map(({ length }) => length));
  return Array.from({ length: most }, (_, at) => lists.flatMap((list) => list.slice(at, at + 1))).flat();
}
