// Somebody changes our table while no agent is there to see it. The next agent finds out by looking, and its first
// transaction puts everything right; what nobody touched is left alone.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { NetworkPolicy } from "../../../src/api/kinds/network-policy.ts";
import { run } from "../../../src/kernel/exec/index.ts";
import type { PolicyBed } from "./policy-bed.ts";
import { friend, meta, other, rulesetOf, server, trio } from "./policy-trio.ts";

let bed: PolicyBed;

/**
 * Maps of ranges of both families, the whole world among them, neighbours in them, a set of ranges of ports, and a single
 * port of a class.
 */
const policy: NetworkPolicy = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { ...meta, name: "only", namespace: "x", uid: "p" },
  spec: {
    podSelector: { matchLabels: { app: "server" } },
    policyTypes: ["Ingress", "Egress"],
    ingress: [
      {
        from: [{ podSelector: { matchLabels: { app: "friend" } } }],
        ports: Array.from({ length: 10 }, (_, at) => ({ port: 80 + 10 * at, endPort: 85 + 10 * at })),
      },
      {
        from: [
          { ipBlock: { cidr: "10.0.0.0/30", except: ["10.0.0.3/32"] } },
          { ipBlock: { cidr: "172.17.0.0/16" } },
          { ipBlock: { cidr: "172.18.0.0/32" } },
          { ipBlock: { cidr: "fd00::2/128" } },
          { ipBlock: { cidr: "::ffff:0.0.0.0/96" } },
        ],
        ports: [{ port: 443 }],
      },
      { from: [{ ipBlock: { cidr: "172.17.8.0/24" } }], ports: [{ port: 444 }] },
      { from: [{ podSelector: { matchLabels: { app: "other" } } }], ports: [{ port: 7 }] },
    ],
    egress: [
      { to: [{ ipBlock: { cidr: "0.0.0.0/0" } }, { ipBlock: { cidr: "::/0" } }], ports: [{ port: 5 }] },
    ],
  },
};

const flows = [
  { from: friend, to: server, protocol: "TCP", port: 80 },
  { from: friend, to: server, protocol: "TCP", port: 443 },
  { from: "fd00::2", to: "fd00::1", protocol: "TCP", port: 443 },
  { from: server, to: other, protocol: "TCP", port: 5 },
  { from: other, to: server, protocol: "TCP", port: 80 },
  { from: other, to: server, protocol: "TCP", port: 443 },
  { from: "fd00::3", to: "fd00::1", protocol: "TCP", port: 443 },
  { from: friend, to: server, protocol: "TCP", port: 79 },
  { from: server, to: other, protocol: "TCP", port: 6 },
  { from: other, to: server, protocol: "TCP", port: 7 },
  { from: other, to: server, protocol: "TCP", port: 8 },
  { from: other, to: server, protocol: "UDP", port: 7 },
] as const;
const verdicts = [true, true, true, true, false, false, false, false, false, true, false, false];

async function restart(): Promise<void> {
  bed.startManager();
  await bed.apply();
}

beforeEach(async () => {
  bed = await trio(policy);
});

afterEach(() => bed.close());

describe("a table that was changed while its agent was dead", () => {
  it.each<[string, string]>([
    ["deleted", "delete table inet trunkline"],
    ["flushed", "flush table inet trunkline"],
    ["asleep", "add table inet trunkline { flags dormant; }"],
    ["a chain emptied", "flush chain inet trunkline policy-refuse-in"],
    ["let in by a rule at the front", "insert rule inet trunkline policy-forward accept"],
    ["let in by a rule where ports are compared", "insert rule inet trunkline PORTS accept"],
    ["let in by a range", "add element inet trunkline BLOCK4 { 10.0.0.3 : accept }"],
    ["let in by a port", "add element inet trunkline PORTSET { 70-79 }"],
    ["let in by another port of a class", "add element inet trunkline policy-in-port4 { CLASS . tcp . 8 }"],
    ["a port of a class gone", "delete element inet trunkline policy-in-port4 { CLASS . tcp . 7 }"],
    ["a range gone", "delete element inet trunkline BLOCK4 { 10.0.0.0-10.0.0.2 }"],
    ["an IPv6 range gone", "delete element inet trunkline BLOCK6 { fd00::2 }"],
    ["all ranges gone", "flush map inet trunkline BLOCK4"],
    ["ports gone", "flush set inet trunkline PORTSET"],
    [
      "a range with another verdict",
      "delete element inet trunkline BLOCK4 { 10.0.0.0-10.0.0.2 }\nadd element inet trunkline BLOCK4 { 10.0.0.0-10.0.0.255 : accept }",
    ],
    ["a peer taken for another", "flush map inet trunkline policy-in-peer4"],
    ["chains of others", "add chain inet trunkline mine { type filter hook forward priority -300; }"],
    ["sets of others", "add set inet trunkline mine { type ipv4_addr; elements = { 10.0.0.3 } }"],
    [
      "a map of another definition",
      "flush chain inet trunkline policy-egress\ndelete map inet trunkline policy-from4\nadd map inet trunkline policy-from4 { type ipv4_addr : verdict; flags timeout; timeout 1h; }",
    ],
  ])("is put right by the next one: %s", async (_, harm) => {
    const before = await rulesetOf(bed);
    await bed.manager.stop();
    const found = (pattern: RegExp): string => pattern.exec(before)?.[0] ?? "missing";
    const command = harm
      .replaceAll("PORTSET", found(/policy-portset-\w+/))
      .replaceAll("PORTS", found(/policy-in-ports-[0-9a-f]{16}/))
      .replaceAll("CLASS", found(/[0-9a-f]+:[0-9a-f]+ \. [0-9.]+(?= \. tcp \. 7\b)/))
      .replaceAll("BLOCK4", found(/policy-in-block4-\w+/))
      .replaceAll("BLOCK6", found(/policy-in-block6-\w+/));
    await run("nft", ["-f", "-"], { netns: { name: bed.nodeName }, input: command });
    expect(await rulesetOf(bed)).not.toBe(before);
    await restart();
    expect(await bed.send(flows)).toEqual(verdicts);
    expect(await rulesetOf(bed)).toBe(before);
  });

  it("keeps its ranges, which are not written anew, where nobody touched them", async () => {
    const before = await rulesetOf(bed);
    expect(before).toMatch(/map policy-in-block4-[^}]*flags interval/);
    await bed.manager.stop();
    const sent: string[] = [];
    const nftRun = bed.node.nft.run.bind(bed.node.nft);
    bed.node.nft.run = async (commands: string) => {
      sent.push(commands);
      await nftRun(commands);
    };
    await restart();
    expect(sent).toHaveLength(1);
    expect(sent[0]).not.toMatch(/^(add|flush) (set|map|element) .*(block|portset)/m);
    expect(await rulesetOf(bed)).toBe(before);
    expect(await bed.send(flows)).toEqual(verdicts);
  });
});
