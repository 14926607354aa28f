// Rules of every shape: sets, maps, verdict maps, nests of chains, iptables' extensions.
import {
  filter,
  hookOf,
  ip6tables,
  iptables,
  type Kind,
  legacy,
  nft,
  pods,
  portOf,
  protocolOf,
  range6Of,
  rangeOf,
  service,
} from "./words.ts";

export const sets: readonly Kind[] = [
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

export const nests: readonly Kind[] = [
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

export const extensions: readonly Kind[] = [
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
