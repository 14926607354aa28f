// What agents and controller may do: enough for all that they do, and nothing that they do not, by the API server's own
// audit log; and a stolen agent's token writes its own node's objects only.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addressBlockKind } from "../../src/api/kinds/address-block.ts";
import { addressListKind } from "../../src/api/kinds/address-list.ts";
import { configMapKind, eventKind, nodeKind } from "../../src/api/kinds/core.ts";
import { ipPoolKind } from "../../src/api/kinds/ip-pool.ts";
import { nodeConfigKind } from "../../src/api/kinds/node-config.ts";
import { podNetworkingKind } from "../../src/api/kinds/pod-networking.ts";
import { bgpPeerKind } from "../../src/api/kinds/routing/bgp.ts";
import { sourceNatKind } from "../../src/api/kinds/source-nat.ts";
import {
  agentRules,
  agentSettingsRules,
  controllerRules,
  controllerSettingsRules,
} from "../../src/cli/deploy/rights.ts";
import { change } from "../../src/store/change.ts";
import { kubeconfigAccess } from "../../src/store/kubernetes/access.ts";
import { kubernetesStore } from "../../src/store/kubernetes/store.ts";
import { audited, compareRights, manifestsOf } from "./audit.ts";
import { auditArguments } from "./audit-log.ts";
import { eventually, KubeBed, type Started } from "./bed.ts";

let bed: KubeBed;
let controller: Started;
const n1 = { file: "" };
const apply = (...objects: object[]) => bed.apply(...objects);

beforeAll(async () => {
  bed = await KubeBed.start(auditArguments);
  const stdout = await manifestsOf(bed, "pool.ipv4=10.1.0.0/16");
  const dry = await bed.kubectl(["apply", "--server-side", "--dry-run=server", "-f", "-"], stdout);
  // Objects of kinds that are only defined by the same text are none of ours: all is known to a dry run, too.
  expect(dry.stderr.replaceAll(/^Warning:.*$/gm, "").trim()).toBe("");
  await bed.install(stdout);
  await bed.nodes(["n1", "n2"], () => ({
    spec: { taints: [{ key: "trunkline.dev/agent-not-ready", effect: "NoSchedule" }] },
  }));
  n1.file = await bed.tokenOf("trunkline-agent", "n1");
  controller = bed.start(
    ["controller", "--identity", "c"],
    { CALICO_IPV4POOL_CIDR: "10.1.0.0/16" },
    await bed.tokenOf("trunkline-controller"),
  );
  await eventually(() => bed.store.get(ipPoolKind, "default-ipv4-ippool"));
}, 180_000);
afterAll(() => bed?.end(), 60_000);

// In this order: those who act with a stolen token leave objects that tell the agents of addresses that are not theirs.
describe("what agents and controller may do", { shuffle: false }, () => {
  it("is granted what is used, and uses what is granted", async () => {
    const [first, second] = [
      bed.agent("n1", n1.file),
      bed.agent("n2", await bed.tokenOf("trunkline-agent", "n2")),
    ];
    await bed.opened("n1", "n2");
    const a = await bed.plug("n1", "a");
    const b = await bed.plug("n2", "b");
    expect(await bed.talk(a.netns, b)).toBe(a.ip);
    // Source addresses that a node holds, some that none can be, a neighbour that does not answer, a pool with a tunnel.
    await apply(
      {
        apiVersion: "trunkline.dev/v1alpha1",
        kind: "SourceNAT",
        metadata: { name: "egress" },
        spec: { rules: [{ action: { type: "Address", addresses: ["192.168.77.100"], egressNodes: {} } }] },
      },
      {
        apiVersion: "trunkline.dev/v1alpha1",
        kind: "SourceNAT",
        metadata: { name: "wrong" },
        spec: { rules: [{ action: { type: "Address", addresses: ["10.1.0.5"], egressNodes: {} } }] },
      },
      {
        apiVersion: "trunkline.dev/v1alpha1",
        kind: "AddressList",
        metadata: { name: "list" },
        spec: {
          for: [{}],
          to: "172.31.0.1",
          sinks: [
            { name: "nodes", nodes: {}, file: { path: "/nowhere/list" } },
            { name: "controller", file: { path: "/nowhere/list" } },
          ],
        },
      },
      {
        apiVersion: "crd.projectcalico.org/v1",
        kind: "BGPPeer",
        metadata: { name: "peer" },
        spec: { peerIP: "192.168.77.200", asNumber: 64512 },
      },
      {
        apiVersion: "crd.projectcalico.org/v1",
        kind: "IPPool",
        metadata: { name: "tunnelled" },
        spec: { cidr: "10.90.0.0/16", ipipMode: "Always" },
      },
      {
        apiVersion: "network.alibabacloud.com/v1beta1",
        kind: "PodNetworking",
        metadata: { name: "own" },
        spec: {
          selector: { podSelector: { matchLabels: { app: "none" } } },
          vSwitchOptions: ["vsw-1"],
          securityGroupIDs: ["sg-1"],
        },
      },
    );
    await eventually(async () =>
      (await bed.store.get(podNetworkingKind, "own"))?.status?.status === "Fail" ? true : undefined,
    );
    await eventually(async () =>
      (await bed.store.get(sourceNatKind, "egress"))?.status?.holders?.length ? true : undefined,
    );
    await eventually(async () => ((await bed.store.get(bgpPeerKind, "peer"))?.status ? true : undefined));
    // The node's configuration comes, and goes.
    await bed.store.create(configMapKind, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "eni-config", namespace: "kube-system" },
      data: { eni_conf: '{"ip_stack":"ipv4"}' },
    });
    await eventually(async () => ((await bed.store.get(nodeConfigKind, "n1"))?.status ? true : undefined));
    await bed.store.delete(configMapKind, "eni-config", "kube-system");
    await eventually(async () => ((await bed.store.get(nodeConfigKind, "n1")) ? undefined : true));
    // A pod that can have no address: its owner is told, and told again.
    for (const pause of [0, 11_000]) {
      await new Promise((resolve) => setTimeout(resolve, pause));
      await expect(bed.plug("n1", "c", { "cni.projectcalico.org/ipv4pools": '["none"]' })).rejects.toThrow(
        "none",
      );
    }
    // And a network whose state somebody has written over.
    await change(bed.store, podNetworkingKind, { name: "own" }, (network) => ({
      ...network,
      status: { ...network.status, message: "by hand" },
    }));
    for (const kind of ["Pod", "PodNetworking"])
      await eventually(async () =>
        (await bed.store.list(eventKind)).items.some(
          ({ count, involvedObject }) => involvedObject.kind === kind && (count ?? 1) > 1,
        )
          ? true
          : undefined,
      );
    // A claim that came second is given up by its owner.
    const [block] = (await bed.store.list(addressBlockKind)).items.filter(({ spec }) => spec.node === "n1");
    await bed.store.create(addressBlockKind, {
      apiVersion: block!.apiVersion,
      kind: "AddressBlock",
      metadata: { name: "second" },
      spec: { ...block!.spec, loans: [], requests: [], state: "pending" },
    });
    await eventually(async () => ((await bed.store.get(addressBlockKind, "second")) ? undefined : true));
    // A node that goes for good: the controller takes its block back.
    second.child.kill("SIGTERM");
    await second.ended;
    await bed.store.delete(nodeKind, "n2");
    // As Kubernetes' own collector of pods does.
    await bed.kubectl(["delete", "pod", "b", "--force", "--grace-period=0"]);
    await eventually(async () =>
      (await bed.store.list(addressBlockKind)).items.some(({ spec }) => spec.node === "n2")
        ? undefined
        : true,
    );
    for (const { child, ended } of [first, controller]) {
      child.kill("SIGTERM");
      await ended;
    }
    const log = audited(bed);
    compareRights(log, "trunkline-agent", [...agentRules, ...agentSettingsRules]);
    compareRights(log, "trunkline-controller", [...controllerRules, ...controllerSettingsRules]);
  }, 240_000);

  describe("a stolen token of node n1's agent", () => {
    const as = (words: readonly string[], input = "") => bed.kubectl(words, input, n1.file);
    const patch = (what: readonly string[], change: object) =>
      as(["patch", ...what, "--type", "merge", "-p", JSON.stringify(change)]);
    const other = {
      apiVersion: "trunkline.dev/v1alpha1",
      kind: "AddressBlock",
      metadata: { name: "others" },
      spec: {
        cidr: "10.3.0.0/26",
        pool: "p",
        node: "victim",
        state: "confirmed",
        loans: [{ address: "10.3.0.9", node: "third", seq: 1 }],
      },
    };

    beforeAll(async () => {
      await apply(
        { apiVersion: "v1", kind: "Node", metadata: { name: "victim", labels: { zone: "a" } } },
        other,
        {
          apiVersion: "coordination.k8s.io/v1",
          kind: "Lease",
          metadata: { name: "trunkline-egress-1", namespace: "kube-system" },
          spec: { holderIdentity: "victim" },
        },
      );
    });

    it("asks lists for its own node's pods, and does not write what they hold or what others tell", async () => {
      await apply({
        apiVersion: "trunkline.dev/v1alpha1",
        kind: "AddressList",
        metadata: { name: "stolen" },
        spec: { for: [{}], to: "172.31.0.1" },
      });
      const asked = (node: string) => [
        { pod: "default/p", uid: "u", node, addresses: ["10.1.0.9"], at: "2026-01-01T00:00:00Z" },
      ];
      const sinks = (node: string) => [{ name: "s", at: `node/${node}`, revision: 1, ranges: 1 }];
      const store = kubernetesStore(kubeconfigAccess(n1.file));
      const status = (more: object) =>
        change(store, addressListKind, { name: "stolen" }, (list) => ({
          ...list,
          status: { ...list.status, ...more },
        }));
      const entry = { range: "192.0.2.1/32", revision: 1, pods: 1, neededBy: [] };
      for (const more of [
        { ranges: ["192.0.2.1/32"] },
        { entries: [entry] },
        { asked: asked("victim") },
        { sinks: sinks("victim") },
      ])
        await expect(status(more)).rejects.toThrow(/trunkline-agent-lists.* an agent /s);
      expect((await status({ asked: asked("n1"), sinks: sinks("n1") }))?.status).toMatchObject({
        asked: asked("n1"),
      });
      await store.close();
    });

    it.each([
      ["another Node's annotation", ["node", "victim"], { metadata: { annotations: { a: "b" } } }],
      ["its own Node's labels", ["node", "n1"], { metadata: { labels: { dedicated: "secrets" } } }],
      ["taints on its own Node", ["node", "n1"], { spec: { taints: [{ key: "k", effect: "NoExecute" }] } }],
      ["its own Node's spec", ["node", "n1"], { spec: { unschedulable: true } }],
      ["another node's block", ["addressblock", "others"], { spec: { node: "n1" } }],
      [
        "a loan for itself",
        ["addressblock", "others"],
        { spec: { loans: [...other.spec.loans, { address: "10.3.0.8", node: "n1", seq: 1 }] } },
      ],
      ["the end of another one's loan", ["addressblock", "others"], { spec: { loans: [] } }],
      [
        "the controller's lease",
        ["lease", "trunkline-controller", "-n", "kube-system"],
        { spec: { holderIdentity: "n1" } },
      ],
      [
        "a lease for another node",
        ["lease", "trunkline-egress-1", "-n", "kube-system"],
        { spec: { holderIdentity: "other" } },
      ],
    ] as const)("does not write %s", async (_, what, change) => {
      if (what[1] === "trunkline-controller")
        await apply({
          apiVersion: "coordination.k8s.io/v1",
          kind: "Lease",
          metadata: { name: what[1], namespace: "kube-system" },
          spec: { holderIdentity: "" },
        });
      const { code, stderr } = await patch(what, change);
      expect(stderr).toMatch(
        /ValidatingAdmissionPolicy 'trunkline-agent-.*' .*denied request: .*\ban agent /s,
      );
      expect(code).toBe(1);
    });

    it("does not claim or give back blocks for others, speak for them, read Secrets or make pools", async () => {
      const claim = { ...other, metadata: { name: "mine" } };
      for (const [words, text] of [
        [["create", "-f", "-"], JSON.stringify(claim)],
        [["delete", "addressblock", "others"], ""],
        [
          ["create", "-f", "-"],
          JSON.stringify({
            apiVersion: "v1",
            kind: "Event",
            metadata: { name: "e", namespace: "default" },
            involvedObject: { kind: "Node", name: "victim" },
            source: { component: "x", host: "victim" },
            reason: "r",
            message: "m",
            type: "Warning",
          }),
        ],
      ] as const)
        expect((await as(words, text)).stderr).toMatch(/ValidatingAdmissionPolicy 'trunkline-agent-/);
      for (const words of [
        ["get", "secrets", "-n", "kube-system"],
        ["get", "configmaps", "-n", "default"],
        ["delete", "node", "n1"],
        ["delete", "ippool", "default-ipv4-ippool"],
      ])
        expect((await as(words)).stderr).toMatch(/is forbidden|cannot/);
    });

    it("asks for a loan, returns one, and annotates its own Node, as agents do", async () => {
      await apply({
        ...other,
        metadata: { name: "lender" },
        spec: { ...other.spec, cidr: "10.3.0.64/26", loans: [{ address: "10.3.0.70", node: "n1", seq: 4 }] },
      });
      const returned = { loans: [{ address: "10.3.0.70", node: "n1", seq: 4, returned: true }] };
      const request = { requests: [{ node: "n1", count: 1, at: "2026-01-01T00:00:00Z" }] };
      for (const spec of [request, returned])
        expect(await patch(["addressblock", "lender"], { spec })).toMatchObject({ code: 0 });
      expect(await patch(["node", "n1"], { metadata: { annotations: { a: "b" } } })).toMatchObject({
        code: 0,
      });
      expect(
        await patch(["lease", "trunkline-egress-1", "-n", "kube-system"], { spec: { holderIdentity: "n1" } }),
      ).toMatchObject({ code: 0 });
    });

    it("writes nothing at all with a token that is bound to no node", async () => {
      const file = await bed.tokenOf("trunkline-agent");
      const words = [
        "patch",
        "node",
        "n1",
        "--type",
        "merge",
        "-p",
        '{"metadata":{"annotations":{"c":"d"}}}',
      ];
      expect((await bed.kubectl(words, "", file)).stderr).toMatch(/an agent writes to its own Node only/);
    });
  });

  describe("a pool that cannot be", () => {
    const pool = (name: string, spec: object) =>
      JSON.stringify({ apiVersion: "crd.projectcalico.org/v1", kind: "IPPool", metadata: { name }, spec });
    const create = (name: string, spec: object) => bed.kubectl(["create", "-f", "-"], pool(name, spec));

    it("is refused by the API server, with both ranges named", async () => {
      expect(await create("first", { cidr: "10.40.0.0/16" })).toMatchObject({ code: 0 });
      // Parameters reach the API server's own cache a moment later.
      const why = await eventually(async () => {
        const { code, stderr } = await create("second", { cidr: "10.40.64.0/18" });
        if (code === 0) await bed.kubectl(["delete", "ippool", "second"]);
        return code === 0 ? undefined : stderr;
      });
      expect(why).toContain("range 10.40.64.0/18 overlaps 10.40.0.0/16 of IPPool first");
      expect((await create("third", { cidr: "10.32.0.0/11" })).stderr).toContain(
        "10.32.0.0/11 overlaps 10.40.0.0/16",
      );
      expect(await create("six", { cidr: "fd00:40::/64" })).toMatchObject({ code: 0 });
      expect((await create("bits", { cidr: "10.41.0.1/16" })).stderr).toContain(
        "the bits behind the prefix must be 0",
      );
      expect((await create("size", { cidr: "10.42.0.0/24", blockSize: 20 })).stderr).toContain(
        "makes blocks larger than the whole pool",
      );
      // The pool itself may be changed.
      const change = ["patch", "ippool", "first", "--type", "merge", "-p", '{"spec":{"natOutgoing":true}}'];
      expect(await bed.kubectl(change)).toMatchObject({ code: 0 });
    });

    it("is shown by kubectl with its range", async () => {
      await create("shown", { cidr: "10.70.0.0/16", blockSize: 27 });
      const { stdout } = await bed.kubectl(["get", "ippool", "shown", "-o", "wide"]);
      expect(stdout).toMatch(/NAME\s+CIDR\s+BLOCKSIZE\s+NAT\s+DISABLED\s+AGE\s+IPIP\s+VXLAN\s+SELECTOR/);
      expect(stdout).toMatch(/shown\s+10\.70\.0\.0\/16\s+27/);
      expect((await bed.kubectl(["explain", "sourcenat.spec.rules"])).stdout).toContain("destinations");
    });
  });
});
