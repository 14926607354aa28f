// With a provider of subnets agents and controller write more: enough rights for that, none too many, and what a stolen
// agent's token may write of a subnet's book and of pods.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { podEniKind } from "../../src/api/kinds/pod-eni.ts";
import { podNetworkingKind } from "../../src/api/kinds/pod-networking.ts";
import { subnetKind } from "../../src/api/kinds/subnet.ts";
import { subnetLedgerKind } from "../../src/api/kinds/subnet-ledger.ts";
import {
  agentProviderRules,
  agentVlanRules,
  controllerProviderRules,
  controllerVlanRules,
} from "../../src/cli/deploy/rights.ts";
import { kubeconfigAccess } from "../../src/store/kubernetes/access.ts";
import { ApiClient } from "../../src/store/kubernetes/client.ts";
import { audited, compareRights, manifestsOf } from "./audit.ts";
import { auditArguments } from "./audit-log.ts";
import { eventually, KubeBed, type Started } from "./bed.ts";

let bed: KubeBed;
let controller: Started;
let agent: Started;
let token: string;

const subnet = (name: string, cidr: string) => ({
  apiVersion: subnetKind.apiVersion,
  kind: "Subnet",
  metadata: { name },
  spec: { zone: "rack", cidr },
});

beforeAll(async () => {
  bed = await KubeBed.start(auditArguments);
  const manifests = await manifestsOf(bed, "provider=vlan", "pool.ipv4=10.1.0.0/16");
  await bed.install(manifests);
  await bed.nodes(["n1", "n2"]);
  for (const name of ["n1", "n2"])
    await bed.kubectl(["label", "node", name, "topology.kubernetes.io/zone=rack"]);
  await bed.apply(
    subnet("shared", "10.8.0.0/24"),
    subnet("chosen", "10.9.0.0/24"),
    {
      apiVersion: "trunkline.dev/v1alpha1",
      kind: "SecurityGroup",
      metadata: { name: "sg-1" },
      spec: {},
    },
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "eni-config", namespace: "kube-system" },
      data: { eni_conf: '{"vswitches":{"rack":["shared"]},"security_group":"sg-1"}' },
    },
    {
      apiVersion: "network.alibabacloud.com/v1beta1",
      kind: "PodNetworking",
      metadata: { name: "own" },
      spec: {
        selector: { podSelector: { matchLabels: { app: "own" } } },
        vSwitchOptions: ["chosen"],
        securityGroupIDs: ["sg-1"],
        eniOptions: { eniType: "ENI" },
      },
    },
  );
  token = await bed.tokenOf("trunkline-agent", "n1");
  controller = bed.start(
    ["controller", "--identity", "c", "--provider", "vlan"],
    { CALICO_IPV4POOL_CIDR: "10.1.0.0/16" },
    await bed.tokenOf("trunkline-controller"),
  );
  agent = bed.agent("n1", token, "--provider", "vlan");
  await eventually(async () =>
    (await bed.store.get(podNetworkingKind, "own"))?.status?.status === "Ready" ? true : undefined,
  );
}, 180_000);
afterAll(() => bed?.end(), 60_000);

const ledgerOf = (name: string) => bed.store.get(subnetLedgerKind, name);
const plugged = (name: string) =>
  eventually(() => bed.plug("n1", name).catch(() => undefined as undefined | { ip: string }));

describe("with provider vlan", { shuffle: false }, () => {
  it("what is granted is used, and nothing is refused", async () => {
    expect((await plugged("a")).ip).toMatch(/^10\.8\.0\./);
    // Nobody has noted its network, as no admission runs here: it waits, says so, and starts once the controller has.
    await bed.apply({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "b", namespace: "default", labels: { app: "own" } },
      spec: { nodeName: "n1", containers: [{ name: "c", image: "none" }] },
    });
    expect((await plugged("b")).ip).toMatch(/^10\.9\.0\./);
    await eventually(async () =>
      (await bed.store.get(subnetKind, "chosen"))?.status?.servedPods === 1 ? true : undefined,
    );
    await bed.kubectl(["delete", "pod", "b", "--force", "--grace-period=0"]);
    await eventually(async () =>
      (await bed.store.get(podEniKind, "b", "default")) === undefined ? true : undefined,
    );
    await eventually(async () =>
      (await ledgerOf("chosen"))?.spec.interfaces.length === 0 ? true : undefined,
    );
    for (const { child, ended } of [agent, controller]) {
      child.kill("SIGTERM");
      await ended;
    }
    const log = audited(bed);
    compareRights(log, "trunkline-agent", [...agentProviderRules, ...agentVlanRules]);
    compareRights(log, "trunkline-controller", [...controllerProviderRules, ...controllerVlanRules]);
  }, 240_000);

  describe("a stolen token of node n1's agent", () => {
    const patch = (what: readonly string[], change: object) =>
      bed.kubectl(["patch", ...what, "--type", "merge", "-p", JSON.stringify(change)], "", token);
    const entry = (id: string, node: string, more: object = {}) => ({
      id,
      token: id,
      status: "InUse",
      instanceID: node,
      mac: "02:00:00:00:00:01",
      securityGroupIDs: [],
      addresses: ["10.8.0.77"],
      tags: { "trunkline.dev/node": node },
      createdAt: "2026-01-01T00:00:00Z",
      ...more,
    });

    it("changes interfaces of its own node in a subnet's book, and no others", async () => {
      const mine = (await ledgerOf("shared"))?.spec.interfaces ?? [];
      expect(mine.map(({ instanceID }) => instanceID)).toContain("n1");
      const others = entry("eni-others", "n2");
      const write = async (interfaces: readonly object[]) => {
        const { code, stderr } = await patch(["subnetledger", "shared"], { spec: { interfaces } });
        if (code !== 0) expect(stderr).toMatch(/trunkline-agent-ledgers.* an agent writes interfaces/s);
        return code === 0;
      };
      // Somebody else's node has one.
      const before = [...mine, others];
      const all = JSON.stringify({ spec: { interfaces: before } });
      await bed.kubectl(["patch", "subnetledger", "shared", "--type", "merge", "-p", all]);
      const free = { ...entry("eni-free", "n2"), instanceID: undefined, status: "Available" };
      for (const wrong of [
        mine,
        [...mine, { ...others, addresses: [] }],
        [...mine, { ...others, instanceID: "n1" }],
        [...before, entry("eni-more", "n2")],
        [...before, free],
      ])
        expect(await write(wrong)).toBe(false);
      expect(await write([...before, entry("eni-own", "n1")])).toBe(true);
      expect(await write([others])).toBe(true);
    });

    it("says what its own node's pods wait for, and nothing else of them or of others'", async () => {
      const pod = (name: string, nodeName: string) => ({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, namespace: "default" },
        spec: { nodeName, containers: [{ name: "c", image: "none" }] },
      });
      await bed.apply(pod("mine", "n1"), pod("theirs", "n2"));
      // kubectl would read the status first, which an agent has no need of.
      const api = new ApiClient(kubeconfigAccess(token));
      const status = (name: string, body: object) =>
        api.ask({
          method: "PATCH",
          path: `/api/v1/namespaces/default/pods/${name}/status`,
          contentType: "application/merge-patch+json",
          body,
        });
      const waits = { type: "trunkline.dev/NetworkReady", status: "False", reason: "NodeFull" };
      const ready = { type: "Ready", status: "True" };
      expect(await status("mine", { status: { conditions: [waits] } })).toMatchObject({
        status: { conditions: [waits] },
      });
      for (const [name, change] of [
        ["theirs", { status: { conditions: [waits] } }],
        ["mine", { status: { conditions: [waits, ready] } }],
        ["mine", { status: { podIPs: [{ ip: "10.8.0.9" }], podIP: "10.8.0.9" } }],
        ["mine", { status: { phase: "Succeeded" } }],
        ["mine", { metadata: { annotations: { "k8s.aliyun.com/pod-networking": "own" } } }],
        ["mine", { metadata: { labels: { app: "own" } } }],
      ] as const)
        await expect(status(name, change), JSON.stringify(change)).rejects.toThrow(
          /ValidatingAdmissionPolicy 'trunkline-agent-pods.* an agent writes /s,
        );
      api.close();
      expect((await patch(["pod", "mine"], { metadata: { labels: { app: "own" } } })).stderr).toMatch(
        /forbidden/,
      );
    });
  });
});
