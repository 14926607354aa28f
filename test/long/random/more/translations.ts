// Rules that translate, and filters that see what was made of a packet, or that it was.
import {
  filter,
  ip6tables,
  iptables,
  type Kind,
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

export const translations: readonly Kind[] = [
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
        `ip daddr ${rangeOf(dice, scenery)} tcp dport 80 drop\nip daddr ${service} tcp dport 22 drop`,
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

export const onTheWay: readonly Kind[] = [
  // A router that has one address for all, a load balancer, a service that nobody may use.
  (dice, scenery) => [
    nft(
      "inet natter",
      nat(
        "postrouting",
        `oifname ${dice.one(['"eth0"', '"eth1"', '"eth*"'])} ip saddr ${rangeOf(dice, scenery)} masquerade`,
      ),
    ),
  ],
  (dice, { pods: targets, hostAddresses }) => [
    iptables(
      `nat|-A ${dice.one(["PREROUTING", "PREROUTING", "OUTPUT"])} -d ${service} -p ${dice.one(["udp", "icmp", "tcp"])} -j DNAT --to-destination ${dice.one([...targets, ...hostAddresses])}`,
    ),
  ],
  (dice, { pods: targets, hostAddresses }) => {
    const to = dice.one([...targets, ...hostAddresses]);
    const how = dice.one(["tcp-reset", "icmp-port-unreachable", "icmp-host-prohibited"]);
    return [
      iptables(
        `nat|-A PREROUTING -d ${service} -p tcp -j DNAT --to-destination ${to}`,
        `filter|-A FORWARD -d ${to} -p tcp -m conntrack --ctstate ${dice.one(["DNAT", "NEW"])} -j REJECT --reject-with ${how}`,
      ),
    ];
  },
  (dice, { nodeAddresses, hostAddresses }) => [
    nft(
      "ip behind",
      filter(
        "postrouting",
        dice.one([101, 150, 300]),
        `ip saddr ${dice.one(nodeAddresses)} ${dice.one(["", `ip daddr ${dice.one(hostAddresses)} `])}${protocolOf(dice)} dport ${portOf(dice)} drop`,
      ),
    ),
  ],
  (dice, { pods6: targets, nets6 }) => {
    const to = dice.one([...targets, `${nets6[0]!.replace("/64", "")}11`]);
    return [
      nft(
        "ip6 six",
        nat("prerouting", `ip6 daddr 2001:db8::53 tcp dport ${dice.one([80, 22])} dnat to ${to}`),
        nat("postrouting", `ip6 saddr ${nets6[0]} ip6 daddr ${to} masquerade`),
      ),
    ];
  },
  // What may leave is listed.
  (dice, scenery) => [
    nft(
      "ip outward",
      filter(
        "output",
        0,
        `ct state { established, related } accept\noifname "lo" accept\nip protocol icmp accept\nip daddr ${rangeOf(dice, scenery)} accept\nip daddr 10.1.0.0/17 accept\nudp dport { 4789, 81 } accept`,
        "drop",
      ),
    ),
  ],
  (dice) => [
    nft(
      "inet lo",
      filter(
        "input",
        0,
        `iifname != "lo" tcp dport { 22, ${dice.one([80, 10250])} } drop\niifname lo udp dport 81 ${dice.one(["drop", "reject"])}`,
      ),
    ),
  ],
  (dice, scenery) => [
    nft(
      "ip masks",
      filter(
        dice.one(["forward", "output"]),
        0,
        `ip daddr != { ${rangeOf(dice, scenery)} } iif != "lo" tcp dport != { 22, 80, 10250, 1024-65535 } drop`,
      ),
    ),
  ],
];
