// Rules by what a packet is, or what is known of its connection: marks beside the connection's state, ICMP and its errors,
// headers of one family, what comes before connection tracking, rejections.
import {
  filter,
  hookOf,
  ip6tables,
  iptables,
  type Kind,
  nft,
  pods,
  portOf,
  protocolOf,
  range6Of,
  rangeOf,
} from "./words.ts";

export const marks: readonly Kind[] = [
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

export const marksOfFirst: readonly Kind[] = [
  // What a nat table marks is a connection's first packet, and no other.
  (dice) => [
    iptables(
      `nat|-A PREROUTING -p ${protocolOf(dice)} -j MARK --set-xmark 0x40/0x40`,
      `filter|-A FORWARD -m mark --mark 0x40/0x40 -m conntrack --ctstate ${dice.one(["ESTABLISHED", "NEW"])} -d ${dice.one([pods, "192.168.18.0/24"])} -j ${dice.one(["DROP", "REJECT"])}`,
    ),
  ],
  (dice) => [
    nft(
      "inet routed",
      `chain out { type route hook output priority -150; ${protocolOf(dice)} dport ${portOf(dice)} meta mark set 0x700\n}`,
      filter("postrouting", dice.one([-10, 140]), "meta mark & 0xf00 == 0x700 drop"),
    ),
  ],
];

export const icmp: readonly Kind[] = [
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

export const headers: readonly Kind[] = [
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

export const early: readonly Kind[] = [
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

export const rejections: readonly Kind[] = [
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
