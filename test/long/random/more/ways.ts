// Routes and settings that somebody makes by hand, and that explain follows.
import type { Kind } from "./words.ts";
import { pods, pods6, range6Of, rangeOf, sysctl } from "./words.ts";

const route = (...words: readonly string[]) => ({
  command: ["ip", "route", "replace", ...words, "metric", "4"],
});

export const moreWays: readonly Kind[] = [
  (dice, scenery) => [
    route(
      dice.one(["blackhole", "unreachable", "prohibit"]),
      dice.one([rangeOf(dice, scenery), "8.8.8.0/24"]),
    ),
  ],
  // A table that no rule leads to does nothing.
  (dice, { nodeAddresses }) => [
    { command: ["ip", "route", "replace", "default", "via", dice.one(nodeAddresses), "table", "55"] },
    { command: ["ip", "route", "replace", "blackhole", pods, "table", "55"] },
  ],
  (dice, scenery) => [
    {
      command: [
        "ip",
        "-6",
        "route",
        "replace",
        dice.one(["blackhole", "unreachable", "prohibit"]),
        dice.one([range6Of(dice, scenery), pods6, "2001:db8::/48"]),
        "metric",
        "4",
      ],
    },
  ],
  (dice) => [sysctl(`net.ipv4.conf.${dice.one(["all", "eth0"])}.rp_filter`, dice.one([0, 2]))],
  (dice, { nodeAddresses, hostAddresses }) => [
    route(
      dice.one(["8.8.8.8", "10.3.0.0/26", "10.1.0.16/28"]),
      "via",
      dice.one([...nodeAddresses, ...hostAddresses]),
    ),
  ],
  () => [sysctl("net.ipv4.conf.eth0.route_localnet", 1)],
  // Two routes to one range: the smaller metric counts.
  (dice, { nodeAddresses, nets }) => {
    const to = dice.one(nets);
    return [
      { command: ["ip", "route", "add", "unreachable", to, "metric", `${dice.one([2, 900])}`] },
      { command: ["ip", "route", "add", to, "via", dice.one(nodeAddresses), "metric", "7"] },
    ];
  },
  // Local by hand, and addresses that are not for everybody.
  (dice, { nets }) => [
    {
      command: [
        "ip",
        "route",
        "add",
        "local",
        dice.one(["8.8.8.8", "10.96.0.1", nets[0]!.replace("0/24", "77")]),
        "dev",
        dice.one(["lo", "eth0"]),
      ],
    },
  ],
  (dice, { nets }) => [
    {
      command: [
        "ip",
        "address",
        "add",
        `${nets[0]!.replace("0/24", "")}${70 + dice.below(9)}/${dice.one([24, 32])}`,
        "dev",
        dice.one(["eth0", "lo"]),
        "scope",
        dice.one(["link", "host", "global"]),
      ],
    },
  ],
  // What a machine says it is from hangs on the way.
  (dice, { nets }) => {
    const own = `${nets[0]!.replace("0/24", "")}${90 + dice.below(9)}`;
    return [
      { command: ["ip", "address", "add", `${own}/${dice.one([24, 32])}`, "dev", "eth0"] },
      {
        command: [
          "ip",
          "route",
          "replace",
          dice.one([dice.one(nets), pods, "172.17.0.0/25"]),
          ...dice.one([
            ["dev", "eth0"],
            ["via", nets[0]!.replace("0/24", "1")],
          ]),
          "src",
          own,
          "metric",
          "3",
        ],
      },
    ];
  },
  (dice, { nodeAddresses }) => [
    {
      command: [
        "ip",
        "route",
        "replace",
        dice.one(["203.0.113.128/25", "10.1.0.0/18"]),
        "via",
        dice.one(nodeAddresses),
        "dev",
        "eth0",
        "onlink",
        "metric",
        "6",
      ],
    },
  ],
  (dice) => [{ command: ["ip", "link", "set", dice.one(["eth0", "eth1"]), "mtu", "1400"] }],
];
