import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NodeConfig } from "../../../api/kinds/node-config.ts";
import type { SecurityGroup, SecurityGroupRule } from "../../../api/kinds/security-group.ts";
import { parseIp } from "../../../base/ip.ts";
import { POD_LINK_GROUP } from "../../../kernel/kernel.ts";
import { NftTable } from "../../../kernel/nft/document.ts";
import { emptyFacts } from "../../facts.ts";
import { PolicyWriter } from "../../policy/nft/writer.ts";
import { traceFlow } from "../../trace/policy.suite.ts";
import { tableOf } from "../../trace/table.ts";
import { trace } from "../../trace/trace.ts";
import { podEni } from "../pod-enis.suite.ts";
import { type GroupDirection, SecurityGroups } from "./model.ts";
import { type GroupedPod, writeGroups } from "./write.ts";

const meta = (name: string) => ({ name, uid: name, resourceVersion: "1", creationTimestamp: "" });
const group = (id: string, spec: SecurityGroup["spec"]): SecurityGroup => ({
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "SecurityGroup",
  metadata: meta(id),
  spec,
});
/** A node with an interface of those groups. */
const nodeConfig = (securityGroupIDs: string[], addresses: string[]): NodeConfig => ({
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "NodeConfig",
  metadata: meta("n"),
  status: {
    interfaces: [
      { id: "eni", vSwitchID: "vsw-1", mac: "", hash: "", used: 0, idle: 0, securityGroupIDs, addresses },
    ],
  },
});
const factsOf = (groups: SecurityGroup[], configs: NodeConfig[] = []) => ({
  ...emptyFacts(),
  securityGroups: new Map(groups.map((one) => [one.metadata.name, one])),
  nodeConfigs: new Map(configs.map((one, at) => [`n${at}`, one])),
});
const http = { protocol: "TCP", port: 80 };

describe("security groups", () => {
  const groups = new SecurityGroups({
    ...factsOf(
      [
        group("sg-open", {}),
        group("sg-shut", { ingress: [], egress: [] }),
        group("sg-web", { ingress: [{ peers: ["10.9.0.0/24", "sg-open"], ports: ["80/tcp", "443/tcp"] }] }),
        group("sg-any", { egress: [{ peers: ["10.9.0.0/24"] }] }),
      ],
      [nodeConfig(["sg-open"], ["10.2.1.9"])],
    ),
    podEnis: new Map([["default/p", podEni("Member")]]),
  });
  const said = (
    direction: GroupDirection,
    ids: string[],
    peer: string,
    port = http as typeof http | undefined,
  ) => groups.verdict(direction, ids, peer, port);

  it("let everything pass in a direction that they do not name, and nothing where they name nothing", () => {
    expect(said("ingress", ["sg-open"], "1.2.3.4")).toEqual({ allowed: true, group: "sg-open" });
    expect(said("egress", ["sg-web"], "1.2.3.4")).toMatchObject({ allowed: true });
    expect(said("ingress", ["sg-shut"], "1.2.3.4")).toEqual({ allowed: false });
    expect(said("egress", [], "1.2.3.4")).toEqual({ allowed: true });
  });

  it("match by range and by the addresses of a group's interfaces, by port, and all protocols without one", () => {
    const rule = { allowed: true, group: "sg-web", rule: "spec.ingress[0]" };
    expect(said("ingress", ["sg-web"], "10.9.0.5")).toEqual(rule);
    expect(said("ingress", ["sg-web"], "10.2.1.9")).toEqual(rule);
    expect(said("ingress", ["sg-web"], "10.2.1.8")).toEqual({ allowed: false });
    expect(said("ingress", ["sg-web"], "10.9.0.5", { protocol: "UDP", port: 80 }).allowed).toBe(false);
    expect(said("ingress", ["sg-web"], "10.9.0.5", { protocol: "TCP", port: 81 }).allowed).toBe(false);
    expect(groups.verdict("ingress", ["sg-web"], "10.9.0.5", undefined).allowed).toBe(false);
    expect(groups.verdict("egress", ["sg-any"], "10.9.0.5", undefined).allowed).toBe(true);
    expect([...groups.membersOf("sg-1")]).toEqual(["10.2.1.7"]);
  });

  it("match nobody by what is no port and no range, whoever wrote it", () => {
    const odd = new SecurityGroups(
      factsOf([
        group("sg-odd", {
          ingress: [{ peers: ["0.0.0.0/0", "; drop"], ports: ["80/icmp", "99999/tcp", "0/tcp"] }],
        }),
      ]),
    );
    expect(odd.verdict("ingress", ["sg-odd"], "10.9.0.5", http)).toEqual({ allowed: false });
    const table = written(odd, [{ address: "10.2.1.1", groups: ["sg-odd"], own: true }]);
    expect(tableOf(table).chains.size).toBeGreaterThan(2);
    for (const name of table.chainNames())
      expect(JSON.stringify(table.chain(name))).not.toMatch(/99999|; drop/);
  });

  it("have no member that is no IPv4 address, whoever wrote it", () => {
    const odd = new SecurityGroups(
      factsOf(
        [group("sg-odd", { ingress: [{ peers: ["sg-odd"] }] })],
        [nodeConfig(["sg-odd"], ["10.2.1.9", "fd00::1", "1.2.3.4 } ; flush ruleset"])],
      ),
    );
    expect([...odd.membersOf("sg-odd")]).toEqual(["10.2.1.9"]);
    written(odd, [{ address: "10.2.1.1", groups: ["sg-odd"], own: true }]);
  });

  it("are the union of what each lets pass; nobody speaks for one whose rules only its provider has", () => {
    expect(said("ingress", ["sg-shut", "sg-web"], "10.9.0.5").group).toBe("sg-web");
    expect(said("ingress", ["sg-shut", "sg-open"], "1.2.3.4").allowed).toBe(true);
    expect(said("ingress", ["sg-shut", "sg-theirs"], "1.2.3.4").allowed).toBe(null);
    expect(said("ingress", ["sg-web", "sg-theirs"], "10.9.0.5").allowed).toBe(true);
  });
});

const links = new Map([
  ["10.2.1.1", "tl1"],
  ["10.2.1.2", "tl2"],
  ["10.2.1.3", "tl3"],
  ["10.1.0.1", "tl4"],
]);
const node = { podLink: (ip: string) => links.get(ip), isOwn: (ip: string) => ip === "192.168.0.1" };
const addresses = [...links.keys(), "10.2.1.9", "10.9.0.5", "8.8.8.8", "192.168.0.1"];

/** Group sg-theirs is its provider's to enforce. */
function written(groups: SecurityGroups, pods: readonly GroupedPod[], table = new NftTable("inet", "t")) {
  writeGroups(table, groups, pods, (id) => id === "sg-theirs");
  return table;
}

/** What the rules are to come to, told without them. */
function expected(
  groups: SecurityGroups,
  pods: readonly GroupedPod[],
  { from, to, protocol, port }: { from: string; to: string; protocol: string; port: number },
): boolean {
  if (node.isOwn(from) || node.isOwn(to)) return true;
  const [sender, target] = [from, to].map((ip) => pods.find(({ address }) => address === ip));
  if (sender && target && !sender.own && !target.own) return true;
  const asked = protocol === "ICMP" ? undefined : { protocol, port };
  const out = sender && groups.verdict("egress", sender.groups, to, asked).allowed;
  const into = target && groups.verdict("ingress", target.groups, from, asked).allowed;
  // What only the provider knows is not refused here.
  return out !== false && into !== false;
}

describe("their rules on a node", () => {
  const ids = ["sg-a", "sg-b", "sg-c", "sg-theirs"];
  const peers = ["0.0.0.0/0", "10.2.1.0/24", "10.9.0.5/32", "10.9.0.0/16", "fd00::/8", ...ids, "sg-none"];
  const ports = ["80/tcp", "81/tcp", "53/udp", "9/sctp"];
  const rule: fc.Arbitrary<SecurityGroupRule> = fc.record(
    { peers: fc.uniqueArray(fc.constantFrom(...peers), { maxLength: 3 }), ports: fc.subarray(ports) },
    { requiredKeys: ["peers"] },
  );
  const list = fc.option(fc.array(rule, { maxLength: 3 }), { nil: undefined });
  const spec = fc.record({ ingress: list, egress: list }).map(({ ingress, egress }) => ({
    ...(ingress && { ingress }),
    ...(egress && { egress }),
  }));
  const cluster = fc.record({
    specs: fc.tuple(spec, spec, spec),
    pods: fc.tuple(
      ...[...links.keys()].map((address) =>
        fc
          .record({ groups: fc.subarray(ids), own: fc.boolean() })
          .map(
            (one): GroupedPod =>
              address.startsWith("10.1.") ? { address, groups: [], own: false } : { address, ...one },
          ),
      ),
    ),
    members: fc.subarray(ids),
  });
  const modelOf = ({ specs, members }: { specs: SecurityGroup["spec"][]; members: string[] }) =>
    new SecurityGroups(
      factsOf(
        specs.map((one, at) => group(ids[at]!, one)),
        [nodeConfig(members, ["10.2.1.9", "10.2.1.1"])],
      ),
    );
  const flows = [
    { protocol: "TCP", port: 80 },
    { protocol: "TCP", port: 82 },
    { protocol: "UDP", port: 53 },
    { protocol: "SCTP", port: 9 },
    { protocol: "ICMP", port: 0 },
  ].flatMap((what) => addresses.flatMap((from) => addresses.map((to) => ({ ...what, from, to }))));

  it("come to what the groups say, of every flow that they are asked about", () => {
    const seen = { accept: 0, drop: 0 };
    fc.assert(
      fc.property(cluster, ({ specs, pods, members }) => {
        const model = modelOf({ specs, members });
        const table = tableOf(written(model, pods));
        for (const flow of flows) {
          if (flow.from === flow.to) continue;
          const { verdict } = traceFlow(table, { fromIp: flow.from, toIp: flow.to, ...flow }, node);
          if (verdict !== "reject") seen[verdict]++;
          expect([flow, verdict]).toEqual([flow, expected(model, pods, flow) ? "accept" : "drop"]);
        }
      }),
      { numRuns: 60 },
    );
    // Both came up: the comparison has teeth.
    expect(Math.min(seen.accept, seen.drop)).toBeGreaterThan(100);
  });

  it("are the same whatever they were before, and nothing at all where groups let everything pass", () => {
    fc.assert(
      fc.property(cluster, cluster, (before, after) => {
        const table = written(modelOf(before), before.pods);
        table.committed();
        written(modelOf(after), after.pods, table);
        const fresh = written(modelOf(after), after.pods);
        const text = (one: NftTable) => [
          one
            .chainNames()
            .toSorted()
            .map((name) => [name, one.chain(name)]),
          one
            .setNames()
            .toSorted()
            .map((name) => [name, Object.fromEntries(one.elements(name))]),
        ];
        expect(text(table)).toEqual(text(fresh));
      }),
      { numRuns: 60 },
    );
    const open = new SecurityGroups(factsOf([group("sg-open", {})]));
    expect(written(open, [{ address: "10.2.1.1", groups: ["sg-open"], own: true }]).chainNames()).toEqual([]);
  });

  it("let nothing pass of a group that nobody enforces", () => {
    const none = new SecurityGroups(factsOf([]));
    const pods = (id: string) => [{ address: "10.2.1.1", groups: [id], own: true }];
    const flow = { fromIp: "10.9.0.5", toIp: "10.2.1.1", protocol: "TCP", port: 80 };
    const verdict = (id: string) => traceFlow(tableOf(written(none, pods(id))), flow, node).verdict;
    expect([verdict("sg-gone"), verdict("sg-theirs")]).toEqual(["drop", "accept"]);
  });

  it("are called by policies, and by themselves while these are off; what one lets pass the other may refuse", () => {
    const web = new SecurityGroups(factsOf([group("sg-a", { ingress: [{ peers: ["10.9.0.0/24"] }] })]));
    const table = new NftTable("inet", "t");
    const writer = new PolicyWriter(table);
    const hooks = () => table.chainNames().filter((name) => table.chain(name)?.base?.hook === "forward");
    const pods: GroupedPod[] = [{ address: "10.2.1.1", groups: ["sg-a"], own: true }];
    written(web, pods, table);
    expect(hooks()).toEqual(["pod-forward", "groups-forward"]);
    writer.start();
    expect(hooks()).toEqual(["policy-forward"]);
    expect(table.chain("policy-forward-new")?.rules[0]).toBe("jump groups-new");
    const ask = (fromIp: string) =>
      traceFlow(tableOf(table), { fromIp, toIp: "10.2.1.1", protocol: "TCP", port: 80 }, node).verdict;
    // No pod has the address yet, as policies know it.
    expect([ask("10.9.0.5"), ask("10.8.0.5")]).toEqual(["drop", "drop"]);
    const open = { interface: "tl1", ips: ["10.2.1.1"], ingress: undefined, egress: undefined };
    writer.local("c/eth0", open);
    expect([ask("10.9.0.5"), ask("10.8.0.5")]).toEqual(["accept", "drop"]);
    writer.stop();
    expect(hooks()).toEqual(["pod-forward", "groups-forward"]);
    expect([ask("10.9.0.5"), ask("10.8.0.5")]).toEqual(["accept", "drop"]);
    written(web, [], table);
    writer.start();
    expect(table.chain("policy-forward-new")?.rules).toHaveLength(2);
    expect(table.chainNames().filter((name) => name.startsWith("groups-"))).toEqual([]);
  });

  it("let answers pass, and what belongs to a connection that was let pass", () => {
    const shut = new SecurityGroups(factsOf([group("sg-a", { ingress: [], egress: [] })]));
    const table = tableOf(written(shut, [{ address: "10.2.1.1", groups: ["sg-a"], own: true }]));
    const packet = {
      source: parseIp("10.2.1.1"),
      destination: parseIp("8.8.8.8"),
      protocol: 6,
      port: 80,
      in: { name: "tl1", group: POD_LINK_GROUP },
      out: { name: "eth1", group: 0 },
    };
    for (const [state, verdict] of [
      ["new", "drop"],
      ["established", "accept"],
      ["related", "accept"],
    ] as const)
      expect([state, trace(table, ["forward"], { ...packet, state }).verdict]).toEqual([state, verdict]);
  });
});
