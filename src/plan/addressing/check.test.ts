import { describe, expect, it } from "vitest";
import { blockName, type Loan } from "../../api/kinds/address-block.ts";
import type { Pod } from "../../api/kinds/core.ts";
import type { Subnet } from "../../api/kinds/subnet.ts";
import { withOwnerMissing } from "../../ipam/block-object.ts";
import { Ledger } from "../../ipam/ledger.ts";
import type { Holding } from "../../ipam/types.ts";
import { type ClusterFacts, emptyFacts } from "../facts.ts";
import { checkAddresses, isNote, livePodWith } from "./check.ts";
import { usageOf } from "./usage.ts";

const meta = (name: string, namespace?: string) => ({
  name,
  uid: `uid-${name}`,
  resourceVersion: "1",
  creationTimestamp: "2026-01-01T00:00:00Z",
  ...(namespace === undefined ? {} : { namespace }),
});

function facts(options: {
  nodes?: string[];
  blocks?: [cidr: string, node: string][];
  pods?: Pod[];
}): ClusterFacts {
  const { nodes = ["a", "b"], blocks = [["10.1.0.0/26", "a"]], pods = [] } = options;
  return {
    ...emptyFacts(),
    nodes: new Map(nodes.map((name) => [name, { apiVersion: "v1", kind: "Node", metadata: meta(name) }])),
    pools: new Map([
      [
        "p",
        {
          apiVersion: "crd.projectcalico.org/v1",
          kind: "IPPool",
          metadata: meta("p"),
          spec: { cidr: "10.1.0.0/16" },
        },
      ],
    ]),
    blocks: new Map(
      blocks.map(([cidr, node]) => [
        blockName(cidr),
        {
          apiVersion: "trunkline.dev/v1alpha1",
          kind: "AddressBlock",
          metadata: meta(blockName(cidr)),
          spec: { cidr, pool: "p", node, state: "confirmed" },
        },
      ]),
    ),
    pods: new Map(pods.map((pod) => [`x/${pod.metadata.name}`, pod])),
  };
}

function pod(name: string, node: string, ip?: string, phase: "Running" | "Succeeded" = "Running"): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: meta(name, "x"),
    spec: { containers: [], nodeName: node },
    status: { phase, ...(ip === undefined ? {} : { podIP: ip }) },
  };
}

function holding(name: string, address: string, more: { uid?: string; lost?: boolean } = {}): Holding {
  const lost = more.lost === undefined ? {} : { lost: more.lost };
  return {
    seq: 7,
    at: 0,
    owner: { containerId: `c-${name}`, ifName: "eth0", pod: `x/${name}`, uid: more.uid ?? `uid-${name}` },
    addresses: [{ address, family: 4, pool: "p", block: "10.1.0.0/26", ...lost }],
  };
}

const now = Date.UTC(2030, 0, 1);

const kinds = (cluster: ClusterFacts, journals: Record<string, Holding[]>) =>
  checkAddresses(cluster, new Map(Object.entries(journals)), now).map(({ kind, what }) => `${kind} ${what}`);

describe("checkAddresses", () => {
  it("finds nothing where pods and journals agree, nor in pods of the host's network", () => {
    const host = {
      ...pod("h", "a", "192.168.0.1"),
      spec: { containers: [], nodeName: "a", hostNetwork: true },
    };
    const cluster = facts({ pods: [pod("one", "a", "10.1.0.1"), pod("new", "a"), host] });
    expect(kinds(cluster, { a: [holding("one", "10.1.0.1"), holding("new", "10.1.0.2")] })).toEqual([]);
  });

  it("finds an address that two nodes hold, two pods have, or two blocks cover", () => {
    const two = [pod("one", "a", "10.1.0.1"), pod("two", "b", "10.1.0.1")];
    expect(
      kinds(facts({ pods: two }), { a: [holding("one", "10.1.0.1")], b: [holding("two", "10.1.0.1")] }),
    ).toEqual(["duplicate 10.1.0.1"]);
    expect(
      kinds(
        facts({
          blocks: [
            ["10.1.0.0/26", "a"],
            ["10.1.0.0/28", "b"],
          ],
        }),
        { a: [], b: [] },
      ),
    ).toEqual(["duplicate 10.1.0.0/26"]);
  });

  it("finds what is held for a pod that is gone, has ended, or was made anew", () => {
    const cluster = facts({
      pods: [pod("ended", "a", "10.1.0.2", "Succeeded"), pod("again", "a", "10.1.0.4")],
    });
    const journal = [
      holding("gone", "10.1.0.1"),
      holding("ended", "10.1.0.2"),
      holding("again", "10.1.0.3", { uid: "uid-before" }),
      holding("again", "10.1.0.4"),
    ];
    expect(kinds(cluster, { a: journal })).toEqual(["leak 10.1.0.1", "leak 10.1.0.2", "leak 10.1.0.3"]);
  });

  it("finds what is held for sandboxes of a living pod that are gone, and not the one that starts", () => {
    const sandbox = (seq: number, more: Partial<Holding["owner"]> = {}, at = now): Holding => {
      const one = holding("web", `10.1.0.${seq}`);
      return { ...one, seq, at, owner: { ...one.owner, containerId: `c${seq}`, ...more } };
    };
    const leaks = (shown: string | undefined, ...held: Holding[]) =>
      kinds(facts({ pods: [pod("web", "a", shown)] }), { a: held });
    // Without an address yet: the newest may be starting.
    expect(leaks(undefined, sandbox(1), sandbox(3), sandbox(2))).toEqual(["leak 10.1.0.1", "leak 10.1.0.2"]);
    expect(leaks("10.1.0.3", sandbox(1), sandbox(2), sandbox(3))).toEqual(["leak 10.1.0.1", "leak 10.1.0.2"]);
    // The pod still shows the old one's address while the new one starts; after a while it does not start any more.
    expect(leaks("10.1.0.1", sandbox(1), sandbox(2))).toEqual([]);
    expect(leaks("10.1.0.1", sandbox(1), sandbox(2, {}, now - 61_000))).toEqual(["leak 10.1.0.2"]);
    // Another interface of the pod is shown nowhere; what was found after a lost journal is no sandbox.
    expect(leaks("10.1.0.1", sandbox(1), sandbox(2, { ifName: "net1" }))).toEqual([]);
    const found = sandbox(2, { containerId: "recovered-10.1.0.2", ifName: "" });
    expect(leaks("10.1.0.9", found, { ...sandbox(9), seq: 9 })).toEqual([]);
    // A runtime that names no uid.
    expect(leaks("10.1.0.2", sandbox(1, { uid: "" }), sandbox(2, { uid: "" }))).toEqual(["leak 10.1.0.1"]);
  });

  it("finds pods whose address their node does not hold, or that is in no pool", () => {
    const cluster = facts({ pods: [pod("one", "a", "10.1.0.1"), pod("two", "a", "10.9.0.1")] });
    expect(kinds(cluster, { a: [] })).toEqual(["not-allocated 10.1.0.1", "outside-pools 10.9.0.1"]);
    const subnet: Subnet = {
      apiVersion: "trunkline.dev/v1alpha1",
      kind: "Subnet",
      metadata: meta("vsw-1"),
      spec: { zone: "z", cidr: "10.9.0.0/24" },
    };
    const subnets = new Map([["vsw-1", subnet]]);
    expect(kinds({ ...cluster, subnets }, { a: [] })).toEqual(["not-allocated 10.1.0.1"]);
  });

  it("says once of a pool that was deleted which pods still have addresses of it", () => {
    const cluster = facts({
      nodes: ["a", "b"],
      blocks: [
        ["10.7.0.0/26", "a"],
        ["10.7.0.64/26", "b"],
      ],
      pods: [pod("one", "a", "10.7.0.1"), pod("two", "b", "10.7.0.65"), pod("stray", "b", "10.9.0.1")],
    });
    const journals = { a: [holding("one", "10.7.0.1")], b: [holding("two", "10.7.0.65")] };
    const found = checkAddresses(cluster, new Map(Object.entries(journals)), now);
    const outside = found.filter(({ kind }) => kind === "outside-pools");
    expect(outside.map(({ what }) => what)).toEqual(["10.7.0.0/26", "10.9.0.1"]);
    expect(outside[0]?.message).toMatch(
      /^blocks 10\.7\.0\.0\/26 of a, 10\.7\.0\.64\/26 of b of pool \S+ are in no pool; pods with addresses of them: \S+\/one, \S+\/two$/,
    );
  });

  it("finds blocks of nodes that are gone, blocks outside of pools, and journals that cannot be read", () => {
    const cluster = facts({
      nodes: ["a"],
      blocks: [
        ["10.1.0.0/26", "a"],
        ["10.1.1.0/26", "z"],
        ["10.7.0.0/26", "a"],
      ],
    });
    expect(kinds(cluster, {})).toEqual([
      "no-journal 10.1.0.0/26",
      "missing-node 10.1.1.0/26",
      "outside-pools 10.7.0.0/26",
      "no-journal 10.7.0.0/26",
    ]);
  });

  describe("a block of a node that was deleted", () => {
    const block = (since: number | undefined, loans: Loan[] = []) => {
      const cluster = facts({ nodes: [], blocks: [["10.1.0.0/26", "a"]] });
      const blocks = [...cluster.blocks].map(([name, one]) => {
        const spec = { ...one.spec, loans };
        return [name, withOwnerMissing({ ...one, spec }, since)] as const;
      });
      return { ...cluster, blocks: new Map(blocks) };
    };
    const messages = (cluster: ClusterFacts) =>
      checkAddresses(cluster, new Map(), now).map(({ kind, message }) => `${kind}: ${message}`);

    it("is being taken back while the grace runs, and some seconds longer", () => {
      expect(messages(block(now - 89_000))).toEqual([
        "collecting: block 10.1.0.0/26 of node a, which does not exist since 2029-12-31T23:58:31.000Z, is being taken back: once 60 s have passed",
      ]);
      expect(messages(block(now - 91_000))[0]).toMatch(
        /^missing-node: .* should have been taken back by now$/,
      );
    });

    it("is a finding if no controller has seen it", () => {
      expect(messages(block(undefined))[0]).toMatch(/^missing-node: .* no controller takes it back$/);
    });

    it("waits as long as it has to for pods that are bound to the node, and for what it lent", () => {
      const pods = new Map([["x/one", pod("one", "a")]]);
      expect(messages({ ...block(now - 1e6), pods })).toEqual([
        expect.stringMatching(/^collecting: .* once no pod is bound to the node any more \(1 is\)$/),
      ]);
      const lent = { address: "10.1.0.4", node: "b", seq: 1 };
      expect(messages(block(now - 1e6, [lent]))).toEqual([
        expect.stringMatching(/^collecting: .* once the addresses that it lent came back \(1\)$/),
      ]);
      expect(messages(block(now - 1e6, [{ ...lent, returned: true }]))[0]).toMatch(/^missing-node: /);
    });

    it("is nothing wrong, in contrast to what nobody takes back", () => {
      const found = (since: number | undefined) => checkAddresses(block(since), new Map(), now).map(isNote);
      expect([found(now), found(undefined)]).toEqual([[true], [false]]);
    });
  });

  it("finds addresses that were taken from under a pod", () => {
    const cluster = facts({ pods: [pod("one", "a")] });
    expect(kinds(cluster, { a: [holding("one", "10.1.0.1", { lost: true })] })).toEqual(["lost 10.1.0.1"]);
  });
});

it("livePodWith overlooks pods that have ended", () => {
  const cluster = facts({ pods: [pod("one", "a", "10.1.0.1"), pod("two", "a", "10.1.0.2", "Succeeded")] });
  expect(livePodWith(cluster, "10.1.0.1")).toBe("x/one");
  expect(livePodWith(cluster, "10.1.0.2")).toBeUndefined();
});

/** A machine at a date of 1970, without a journal that knows of its clock. */
const clock = { now: () => 2000, steady: () => 0, boot: "this" };

it("usageOf counts from journals, and from what owners wrote where there is none", () => {
  const cluster = facts({
    blocks: [
      ["10.1.0.0/26", "a"],
      ["10.1.0.64/26", "b"],
    ],
  });
  const ledger = new Ledger();
  ledger.apply({ op: "block", cidr: "10.1.0.0/26", pool: "p", uid: `uid-${blockName("10.1.0.0/26")}` });
  ledger.apply({ op: "hold", ...holding("one", "10.1.0.9") });
  ledger.apply({ op: "hold", ...holding("two", "10.1.0.10"), seq: 8 });
  ledger.apply({ op: "free", seq: 8, at: 1000 });
  const usage = usageOf(cluster, new Map([["a", ledger]]), clock);
  expect(usage.pools).toEqual([
    {
      pool: "p",
      cidr: "10.1.0.0/16",
      size: "65536",
      used: 1,
      cooling: 1,
      free: "65534",
      blocks: 2,
      unclaimed: "1022",
    },
  ]);
  expect(usage.blocks.map(({ used, cooling, free, source }) => [used, cooling, free, source])).toEqual([
    [1, 1, 62, "journal"],
    [0, 0, 64, "store"],
  ]);
  expect(usage.addresses.map(({ address, pod: key }) => [address, key])).toEqual([["10.1.0.9", "x/one"]]);
  // The node's own rule for how long an address rests.
  ledger.apply({ op: "cooldown", ms: 1000 });
  expect(usageOf(cluster, new Map([["a", ledger]]), clock).pools[0]).toMatchObject({ used: 1, cooling: 0 });
});
