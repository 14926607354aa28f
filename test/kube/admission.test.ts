// Admission policies that somebody removes and puts back, as with an upgrade, while pods are made: no pod is refused its
// network, isolated pods stay shut, no address is given twice, and a pool that slips in meanwhile changes nothing.
import { afterAll, beforeAll, expect, it } from "vitest";
import { ipPoolKind } from "../../src/api/kinds/ip-pool.ts";
import { pings } from "../kernel/pings.ts";
import { manifestsOf } from "./audit.ts";
import { eventually, KubeBed } from "./bed.ts";

const ROUNDS = 3;
const NODES = ["n1", "n2"] as const;

let bed: KubeBed;
let manifests: string;

beforeAll(async () => {
  bed = await KubeBed.start();
  manifests = await manifestsOf(bed, "pool.ipv4=10.1.0.0/16");
  await bed.install(manifests);
  await bed.nodes(NODES, () => ({
    spec: { taints: [{ key: "trunkline.dev/agent-not-ready", effect: "NoSchedule" }] },
  }));
  bed.start(
    ["controller", "--identity", "c"],
    { CALICO_IPV4POOL_CIDR: "10.1.0.0/16" },
    await bed.tokenOf("trunkline-controller"),
  );
  await eventually(() => bed.store.get(ipPoolKind, "default-ipv4-ippool"));
  for (const name of NODES) bed.agent(name, await bed.tokenOf("trunkline-agent", name));
  await bed.opened(...NODES);
  await bed.apply({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "shut", namespace: "default" },
    spec: { podSelector: { matchLabels: { app: "shut" } }, policyTypes: ["Ingress"] },
  });
}, 180_000);
afterAll(() => bed?.end(), 60_000);

const reaches = (netns: string, to: string) => pings(bed.machine, netns, to, { timeoutMs: 1500 });

/** Makes a pod that lets nobody in, and plugs it in. */
async function shutPod(node: string, name: string): Promise<string> {
  await bed.apply({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", labels: { app: "shut" } },
    spec: { nodeName: node, containers: [{ name: "c", image: "none" }] },
  });
  return (await bed.plug(node, name)).ip;
}

it("removed and put back, they refuse no pod, open none, and give nothing twice", {
  timeout: 240_000,
}, async () => {
  const open = await bed.plug("n1", "open");
  const near = await bed.plug("n2", "near");
  const addresses = [open.ip, near.ip];
  for (let round = 0; round < ROUNDS; round++) {
    const removed = await bed.kubectl([
      "delete",
      "validatingadmissionpolicybindings,validatingadmissionpolicies",
      "--all",
    ]);
    expect(removed).toMatchObject({ code: 0 });
    for (const node of NODES) {
      const ip = await shutPod(node, `shut-${round}-${node}`);
      addresses.push(ip);
      expect(await reaches(near.netns, ip)).toBe(false);
    }
    // Nobody keeps a pool out that overlaps another one: it counts for nothing.
    const overlapping = {
      apiVersion: ipPoolKind.apiVersion,
      kind: "IPPool",
      metadata: { name: "overlapping" },
      spec: { cidr: "10.1.0.0/17" },
    };
    await bed.apply(overlapping);
    addresses.push((await bed.plug("n1", `more-${round}`)).ip);
    expect(await reaches(near.netns, open.ip)).toBe(true);
    await bed.kubectl(["delete", "ippool.crd.projectcalico.org", "overlapping"]);

    await bed.install(manifests);
    addresses.push((await bed.plug("n2", `again-${round}`)).ip);
    await eventually(async () => {
      const { code } = await bed.kubectl(["apply", "-f", "-"], JSON.stringify(overlapping));
      if (code === 0) await bed.kubectl(["delete", "ippool.crd.projectcalico.org", "overlapping"]);
      return code === 0 ? undefined : true;
    });
  }
  expect(new Set(addresses).size).toBe(addresses.length);
  expect(addresses.every((ip) => ip.startsWith("10.1."))).toBe(true);
});
