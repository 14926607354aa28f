// The rules in the way, against every single connection of a tiny address space, one by one.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cidrRange, formatIp, parseCidr } from "../../../base/ip.ts";
import { decideSnat } from "../decide.ts";
import { clusterFacts, nodeFacts, pod, pool } from "../facts.suite.ts";
import { planSnat } from "../plan-snat.ts";
import type { SnatPlan } from "../types.ts";
import { foreignNatEffect } from "./effect.ts";
import { type Exit, rulesInTheWay } from "./in-the-way.ts";
import { parseIptablesSave } from "./parse-iptables.ts";
import { parseNftJson } from "./parse-nft.ts";
import { planTakeover } from "./takeover.ts";
import type { ForeignRule, ForeignRules } from "./types.ts";

const read = (rules: string): ForeignRules => ({
  chains: parseIptablesSave(
    `*nat\n:POSTROUTING ACCEPT [0:0]\n:ONE - [0:0]\n:TWO - [0:0]\n${rules}\nCOMMIT\n`,
    "iptables-nft",
  ),
  unreadable: [],
});

/** Places of the rules in the way, as `CHAIN index`, with a question mark where it cannot be told. */
function found(plan: SnatPlan, foreign: ForeignRules, exits?: readonly Exit[]): string[] {
  return [...rulesInTheWay(plan, foreign, exits)]
    .map(([rule, sure]) => `${rule.chain} ${rule.index}${sure === null ? "?" : ""}`)
    .toSorted();
}

describe("rules that samples missed", () => {
  const pools = [pool("pods", "10.244.0.0/16")];
  const facts = clusterFacts({ pools, pods: [pod("web", "10.244.64.7")] });
  const plan = planSnat(facts, nodeFacts());

  it("what flannel leaves behind after a change of the network", () => {
    const outgoing = [pool("pods", "10.244.0.0/16", { natOutgoing: true })];
    const left = read(
      [
        "-A POSTROUTING -j ONE",
        "-A ONE -s 10.244.0.0/24 -d 10.244.0.0/16 -j RETURN",
        "-A ONE -s 10.244.0.0/16 -d 10.244.0.0/24 -j RETURN",
        "-A ONE ! -s 10.244.0.0/16 -d 10.244.0.0/24 -j RETURN",
        "-A ONE -s 10.244.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE",
        "-A ONE ! -s 10.244.0.0/16 -d 10.244.0.0/16 -j MASQUERADE",
      ].join("\n"),
    );
    // Outside is masqueraded anyhow; between pods it is not, unless one of them is in the first /24.
    expect(found(planSnat(clusterFacts({ pools: outgoing }), nodeFacts()), left)).toEqual(["ONE 4", "ONE 5"]);
  });

  it("a rule for one pod's address", () => {
    const rule = (...expr: object[]) => ({
      rule: { family: "inet", table: "cni_plugins_masquerade", chain: "postrouting", handle: 2, expr },
    });
    const match = (field: string, right: unknown, op: string) => ({
      match: { op, left: { payload: { protocol: "ip", field } }, right },
    });
    const chain = { type: "nat", hook: "postrouting", prio: 100, policy: "accept" };
    const objects = [
      { chain: { family: "inet", table: "cni_plugins_masquerade", name: "postrouting", ...chain } },
      rule(
        match("saddr", "10.244.202.64", "=="),
        match("daddr", { prefix: { addr: "10.244.0.0", len: 16 } }, "!="),
        { masquerade: null },
      ),
    ];
    expect(found(plan, { chains: parseNftJson(objects), unreadable: [] })).toEqual(["postrouting 1"]);
  });

  it.each([
    [
      "a single pod behind a return for its neighbours",
      "-A POSTROUTING ! -s 10.244.9.9/32 -j RETURN\n-A POSTROUTING -j MASQUERADE",
      ["POSTROUTING 2"],
    ],
    [
      "a rule that an earlier one hides whole",
      "-A POSTROUTING -s 10.244.0.0/15 -j ACCEPT\n-A POSTROUTING -s 10.244.0.0/16 -j MASQUERADE",
      [],
    ],
    [
      "a rule that an earlier one hides in part",
      "-A POSTROUTING -s 10.244.0.0/17 -j ACCEPT\n-A POSTROUTING -s 10.244.0.0/16 -j MASQUERADE",
      ["POSTROUTING 2"],
    ],
    ["groups only", "-A POSTROUTING -d 224.0.0.0/4 -j MASQUERADE", []],
    ["what Docker has for its own bridge", "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE", []],
    [
      "the same of a plugin, by a jump",
      "-A POSTROUTING -s 10.99.0.5/32 -j ONE\n-A ONE ! -d 224.0.0.0/4 -j MASQUERADE",
      [],
    ],
    [
      "the node's own network, hidden from pods",
      "-A POSTROUTING -s 192.168.18.0/24 -j MASQUERADE",
      ["POSTROUTING 1"],
    ],
    [
      "others who name the pods",
      "-A POSTROUTING -s 10.99.0.0/16 -d 10.244.0.0/16 -j MASQUERADE",
      ["POSTROUTING 1"],
    ],
    [
      "one protocol",
      "-A POSTROUTING -p tcp -j ACCEPT\n-A POSTROUTING -p udp -j MASQUERADE\n-A POSTROUTING -p tcp -j MASQUERADE",
      ["POSTROUTING 2"],
    ],
    [
      "a match that nobody knows",
      "-A POSTROUTING -m statistic --mode random --probability 0.5 -j MASQUERADE",
      ["POSTROUTING 1?"],
    ],
    [
      "what stands behind such a match",
      "-A POSTROUTING -m recent --update -j ACCEPT\n-A POSTROUTING -j MASQUERADE",
      ["POSTROUTING 2?"],
    ],
    [
      "a mark that a rule before it may have set",
      "-A POSTROUTING -j MARK --set-xmark 0x8/0x8\n-A POSTROUTING -m mark --mark 0x8/0x8 -j MASQUERADE",
      ["POSTROUTING 2?"],
    ],
    [
      "a link, where no link is known",
      "-A POSTROUTING -s 10.244.0.0/16 -o eth0 -j MASQUERADE",
      ["POSTROUTING 1?"],
    ],
  ] as const)("%s", (_, rules, expected) => expect(found(plan, read(rules))).toEqual(expected));

  it.each([
    ["the uplink", "-o eth0", ["POSTROUTING 1"]],
    ["a link that nothing for pods or outside leaves by", "-o eth7", []],
    ["any other than the uplink", "! -o eth0", ["POSTROUTING 1"]],
    ["by a beginning", "-o tl+", ["POSTROUTING 1"]],
  ] as const)("with the node's routes: %s", (_, match, expected) => {
    const exits: Exit[] = [
      { destination: parseCidr("0.0.0.0/0"), link: { name: "eth0" } },
      { destination: parseCidr("10.244.64.7/32"), link: { name: "tl1" } },
      { destination: parseCidr("10.244.64.0/26"), link: "nowhere" },
    ];
    expect(found(plan, read(`-A POSTROUTING ${match} -j MASQUERADE`), exits)).toEqual(expected);
  });

  it("of two chains with one priority nobody knows which is first: both are in the way", () => {
    const chain = { family: "ip", table: "x", name: "late", type: "nat", hook: "postrouting", prio: 100 };
    const native = parseNftJson([
      { chain: { ...chain, policy: "accept" } },
      { rule: { family: "ip", table: "x", chain: "late", handle: 2, expr: [{ masquerade: null }] } },
    ]);
    const { chains } = read("-A POSTROUTING -j MASQUERADE\n-A POSTROUTING -j MASQUERADE");
    expect(found(plan, { chains: [...chains, ...native], unreadable: [] })).toEqual([
      "POSTROUTING 1",
      "late 1",
    ]);
  });

  it("a chain before ours changes what we would do", () => {
    const early = (target: object) => ({
      chains: parseNftJson([
        {
          chain: {
            family: "ip",
            table: "x",
            name: "early",
            type: "nat",
            hook: "postrouting",
            prio: 0,
            policy: "accept",
          },
        },
        { rule: { family: "ip", table: "x", chain: "early", handle: 2, expr: [target] } },
      ]),
      unreadable: [],
    });
    const outside = [pool("pods", "10.244.0.0/16", { natOutgoing: true })];
    const masqueraded = planSnat(clusterFacts({ pools: outside }), nodeFacts());
    expect(found(masqueraded, early({ snat: { addr: "198.51.100.1" } }))).toEqual(["early 1"]);
  });

  it("is told as it is: null where it cannot be told, and warned of", () => {
    const idle = { flanneld: [], daemonSets: [], pods: [] };
    const { rules, warnings } = planTakeover(facts, plan, read("-A POSTROUTING -o eth0 -j MASQUERADE"), idle);
    expect(rules.map(({ inTheWay }) => inTheWay)).toEqual([null]);
    expect(warnings).toEqual([expect.stringContaining("may change pods' source addresses")]);
  });
});

// All of a network of 16 addresses: what rules and plans name there is drawn at random. Beside it a few addresses that
// stand for all others, and one that is link-local, which ip-masq-agent's configuration treats by itself.
const network = parseCidr("10.0.0.0/28");
const space = [
  ...Array.from({ length: 19 }, (_, at) => formatIp({ family: 4, value: network.base + BigInt(at) })),
  "169.254.0.9",
];
const protocols = ["tcp", "udp", "icmp"];
const links = ["eth0", "tl1"] as const;

const range = fc
  .tuple(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 29, max: 32 }))
  .map(
    ([at, length]) =>
      `${formatIp({ family: 4, value: network.base + ((BigInt(at) >> BigInt(32 - length)) << BigInt(32 - length)) })}/${length}`,
  );
const option = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });
const match = (name: string, value: fc.Arbitrary<string>) =>
  option(fc.tuple(fc.boolean(), value).map(([not, text]) => `${not ? "! " : ""}${name} ${text}`));
const ruleOf = (targets: readonly string[]) =>
  fc
    .tuple(
      match("-s", range),
      match("-d", range),
      match("-p", fc.constantFrom(...protocols)),
      match("-o", fc.constantFrom(...links, "tl+")),
      fc.constantFrom(...targets),
    )
    .map((words) => words.filter((word) => word !== undefined).join(" "));
const ends = ["-j MASQUERADE", "-j MASQUERADE", "-j RETURN", "-j ACCEPT", "-j SNAT --to-source 198.51.100.1"];
const rulesOf = (chain: string, targets: readonly string[]) =>
  fc.array(
    ruleOf(targets).map((text) => `-A ${chain} ${text}`),
    { maxLength: 5 },
  );
const ruleSets = fc
  .tuple(
    rulesOf("POSTROUTING", [...ends, "-j ONE", "-g ONE"]),
    rulesOf("ONE", [...ends, "-j TWO", "-g TWO"]),
    rulesOf("TWO", ends),
  )
  .map((parts) => parts.flat().join("\n"));
const exitSets = fc.uniqueArray(fc.tuple(range, fc.constantFrom(...links, "nowhere" as const)), {
  maxLength: 4,
  selector: ([text]) => text,
});
const plans = fc
  .record({
    pods: fc.constantFrom("10.0.0.0/29", "10.0.0.8/29", "10.0.0.4/30", "10.0.0.0/28"),
    natOutgoing: fc.boolean(),
    config: option(fc.array(range, { maxLength: 3 })),
    single: option(fc.constantFrom("none", "masquerade")),
  })
  .map(({ pods, natOutgoing, config, single }) => {
    const first = formatIp({ family: 4, value: cidrRange(parseCidr(pods)).first + 1n });
    const facts = clusterFacts({
      pools: [pool("pods", pods, { natOutgoing })],
      pods: [pod("a", first, single === undefined ? {} : { snat: single })],
      ...(config && { config: `nonMasqueradeCIDRs: [${config.join(", ")}]` }),
    });
    // The node stands outside of the space: what calls of its own come to is another test's question.
    return planSnat(facts, nodeFacts());
  });

/** Every connection of the space, one by one, with the rule that surely translates it. */
function bruteForce(plan: SnatPlan, foreign: ForeignRules, exits: readonly Exit[]): Set<ForeignRule> {
  const out = new Set<ForeignRule>();
  const isPods = (text: string) => plan.inside[4].some((one) => decides(one, text));
  for (const source of space)
    for (const destination of space) {
      if (source === destination || !(isPods(source) || isPods(destination))) continue;
      const link = linkTo(exits, destination);
      if (link === undefined || decideSnat(plan, { source, destination }).action !== "None") continue;
      for (const protocol of [...protocols, "sctp"]) {
        const { rule } = foreignNatEffect(foreign, { source, destination, protocol, outInterface: link });
        if (rule && (isPods(source) || !speaksOfItsOwn(plan, rule))) out.add(rule);
      }
    }
  return out;
}

function decides({ first, last }: { first: bigint; last: bigint }, text: string): boolean {
  const { base } = parseCidr(`${text}/32`);
  return first <= base && base <= last;
}

function linkTo(exits: readonly Exit[], text: string): string | undefined {
  const value = parseCidr(`${text}/32`).base;
  const [best] = exits
    .filter(({ destination }) => decides(cidrRange(destination), formatIp({ family: 4, value })))
    .toSorted((a, b) => b.destination.length - a.destination.length);
  return typeof best?.link === "object" ? best.link.name : undefined;
}

function speaksOfItsOwn(plan: SnatPlan, { match: { source, destination } }: ForeignRule): boolean {
  if (!source || source.not) return false;
  const touches = (cidr: ReturnType<typeof parseCidr>) =>
    plan.inside[4].some((one) => one.first <= cidrRange(cidr).last && cidrRange(cidr).first <= one.last);
  return !touches(source.value) && !(destination && !destination.not && touches(destination.value));
}

describe("cells and single connections", () => {
  it("name the same rules", () => {
    const seen = { some: 0, none: 0 };
    fc.assert(
      fc.property(plans, ruleSets, exitSets, (plan, text, routes) => {
        const foreign = read(text);
        // Jumps that narrow the sources make rules after them speak of these: single connections do not tell that.
        fc.pre(!/-s \S+ .*-[jg] (ONE|TWO)/.test(text.replaceAll("! -s", "!-s")));
        const exits: Exit[] = [
          { destination: parseCidr("0.0.0.0/0"), link: { name: "eth0" } },
          ...routes.map(([destination, link]) => ({
            destination: parseCidr(destination),
            link: link === "nowhere" ? ("nowhere" as const) : { name: link },
          })),
        ];
        const expected = [...bruteForce(plan, foreign, exits)].map(({ chain, index }) => `${chain} ${index}`);
        expect(found(plan, foreign, exits)).toEqual(expected.toSorted());
        seen[expected.length > 0 ? "some" : "none"]++;
      }),
      { numRuns: 100 },
    );
    expect(Math.min(seen.some, seen.none)).toBeGreaterThan(5);
  });
});
