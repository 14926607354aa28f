// What explain must not be sure of, as nobody can who only looks: rules with lots and limits, connections that are not
// tracked, matches that it does not read, routing rules, filters of sources, one of several next hops. It is counted apart
// from all else that cannot be told.
import { filter, ip6tables, iptables, type Kind, nft, pods, portOf, rangeOf, sysctl } from "./words.ts";

/** Rules of that sort say so, by a comment or their table's name. */
const sign = "unknowable";
const comment = `-m comment --comment ${sign}`;
const table = (family: string) => `${family} ${sign}`;

/** Returns whether it was meant that explain cannot tell that. */
export function isMeant(doubt: string): boolean {
  return (
    doubt.includes(sign) ||
    /^routing rule of |, whose route to it says: |^rp_filter of .* is |^which next hop |: rp_filter of .* is strict/.test(
      doubt,
    )
  );
}

const rules: readonly Kind[] = [
  () => [iptables(`raw|-A PREROUTING -p udp -m udp --dport 81 ${comment} -j CT --notrack`)],
  (dice, scenery) => [
    nft(
      table("ip"),
      filter("prerouting", -300, `ip daddr ${rangeOf(dice, scenery)} tcp dport ${portOf(dice)} notrack`),
    ),
  ],
  () => [iptables(`filter|-A FORWARD -p udp -m limit --limit 2/min ${comment} -j DROP`)],
  (dice) => [
    iptables(
      `filter|-A ${dice.one(["FORWARD", "INPUT"])} -p tcp --dport ${portOf(dice)} -m statistic --mode nth --every 3 --packet 0 ${comment} -j DROP`,
    ),
  ],
  (dice) => [
    nft(
      table("inet"),
      filter(
        "forward",
        0,
        `udp dport 81 ${dice.one(["limit rate over 2/minute", "numgen random mod 3 0", "quota over 100 bytes"])} drop`,
      ),
    ),
  ],
  () => [
    iptables(
      `filter|-A FORWARD -p tcp -m conntrack --ctorigdst ${pods} --ctorigdstport 80 ${comment} -j DROP`,
    ),
  ],
  () => [
    iptables(
      "mangle|-A PREROUTING -p udp -m conntrack --ctstate NEW -j CONNMARK --set-mark 0x7",
      `filter|-A FORWARD -m connmark --mark 0x7 ${comment} -j DROP`,
    ),
  ],
  (dice) => [
    nft(
      table("inet"),
      filter(
        "forward",
        0,
        `udp dport 81 ${dice.one(["ct direction original", "meta pkttype host", "ct original proto-dst 81", "meta length > 10", "ct mark 0"])} drop`,
      ),
    ),
  ],
  (dice) => [
    nft(
      table("inet"),
      "set met { type ipv4_addr; size 65535; flags dynamic,timeout; timeout 1m; }",
      filter(
        "input",
        0,
        `tcp dport ${portOf(dice)} ip saddr @met drop\nudp dport 81 update @met { ip saddr }`,
      ),
    ),
  ],
  () => [
    iptables(
      `filter|-A INPUT -p tcp --dport 22 -m recent --name seen --update --seconds 5 ${comment} -j DROP|-A INPUT -p tcp --dport 22 -m recent --name seen --set`,
    ),
  ],
  (dice) => [
    nft(
      table("ip"),
      `chain n { type nat hook prerouting priority -100;\nip daddr 10.96.0.1 dnat to tcp dport map { 80 : 10.1.0.${dice.below(9)}, 22 : 10.1.0.9 }\n}`,
    ),
  ],
  // Neighbours of IPv6 are found by these.
  (dice) => [ip6tables(`filter|-A ${dice.one(["INPUT", "OUTPUT"])} -p ipv6-icmp ${comment} -j DROP`)],
];

const ways: readonly Kind[] = [
  (dice) => {
    const ask = dice.one([
      ["fwmark", "0x10/0x10"],
      ["from", "10.1.0.0/24"],
      ["iif", "eth0"],
      ["ipproto", "tcp", "dport", "80"],
      ["to", "10.1.0.0/20"],
      ["sport", "80", "ipproto", "tcp"],
    ] as const);
    return [
      { command: ["ip", "route", "add", "blackhole", "default", "table", "77"] },
      { command: ["ip", "rule", "add", ...ask, "lookup", "77", "priority", "700"] },
    ];
  },
  (dice) => [sysctl(`net.ipv4.conf.${dice.one(["all", "eth0"])}.rp_filter`, 1)],
  (dice, { nodeAddresses, hostAddresses }) => {
    const [one, two] = [dice.one(nodeAddresses), dice.one([...nodeAddresses, ...hostAddresses])];
    const to = dice.one(["10.1.0.0/20", "203.0.113.0/25", "8.8.8.8"]);
    return [
      {
        command: ["ip", "route", "replace", to, "metric", "3", "nexthop", "via", one, "nexthop", "via", two],
      },
    ];
  },
  (dice) => [
    {
      command: [
        "ip",
        "rule",
        "add",
        "from",
        dice.one(["10.1.0.0/28", "192.168.18.12"]),
        dice.one(["prohibit", "blackhole", "unreachable"]),
        "priority",
        "600",
      ],
    },
  ],
];

export const unknowableRules = rules;
export const unknowableWays = ways;
