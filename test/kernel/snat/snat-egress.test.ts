import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { namespaceKind, nodeKind, type Pod, podKind } from "../../../src/api/kinds/core.ts";
import { ipPoolKind } from "../../../src/api/kinds/ip-pool.ts";
import { leaseKind } from "../../../src/api/kinds/lease.ts";
import { type SourceNAT, sourceNatKind } from "../../../src/api/kinds/source-nat.ts";
import { collectFacts } from "../../../src/plan/collect.ts";
import { clusterNode, namespace, pod, pool, sourceNat } from "../../../src/plan/snat/facts.suite.ts";
import type { Store } from "../../../src/store/store.ts";
import { until } from "../scene.ts";
import { type BedNode, type BedPod, internetHost, NatBed, peer } from "./nat-bed.ts";

const held4 = "192.168.18.250";
const held6 = "fd18::250";

const isHeld = ({ address }: { address: string }) => address === `${held4}/32`;

/** Objects of the test facts, written to a store, which gives them identities of its own. */
async function put(store: Store, bed: NatBed): Promise<void> {
  await store.create(ipPoolKind, pool("pods", "172.16.0.0/16", { natOutgoing: true }));
  await store.create(ipPoolKind, pool("pods6", "fd10::/48", { natOutgoing: true }));
  await store.create(namespaceKind, namespace("shop"));
  for (const node of bed.nodes) {
    const labels: Record<string, string> = node.name === "node3" ? {} : { egress: "yes" };
    await store.create(nodeKind, clusterNode(node.name, [node.address, node.address6], labels));
  }
  for (const [n, { ip, node }] of bed.pods.entries())
    await store.create<Pod>(podKind, pod(`p${n}`, ip, { node: node.name }));
  const action = {
    type: "Address",
    addresses: [held4, held6],
    egressNodes: { matchLabels: { egress: "yes" } },
  } as const;
  await store.create<SourceNAT>(sourceNatKind, sourceNat("fixed", [{ action }]));
}

describe("an address held on egress nodes", () => {
  let bed: NatBed;
  let web: BedPod;
  let six: BedPod;
  let near: BedPod;
  const timers: NodeJS.Timeout[] = [];
  const dead = new Set<BedNode>();

  beforeEach(async () => {
    bed = new NatBed();
    for (const number of [1, 2, 3]) bed.addNode(number);
    web = bed.addPod(bed.nodes[2] as BedNode, "172.16.3.5");
    six = bed.addPod(bed.nodes[2] as BedNode, "fd10::5");
    bed.addPod(bed.nodes[0] as BedNode, "172.16.1.5");
    near = bed.addPod(bed.nodes[2] as BedNode, "172.16.3.6");
    await put(bed.store, bed);
    // It admits only the one address, as a firewall would.
    await bed.listen(80, (socket) => {
      socket.on("error", () => socket.destroy());
      if ([held4, held6].includes(peer(socket))) socket.end(peer(socket));
      else socket.end(`refused: ${peer(socket)}`);
    });
    // Stands for the agent: hands every change of objects to the managers.
    for (const node of bed.nodes) {
      let applied = "";
      let busy = false;
      const follow = async () => {
        if (busy || dead.has(node)) return;
        busy = true;
        const facts = await collectFacts(bed.store);
        const picture = JSON.stringify([...facts.sourceNats.values(), ...facts.pods.values()]);
        if (picture !== applied) await bed.apply(node, facts);
        applied = picture;
        busy = false;
      };
      timers.push(setInterval(() => void follow(), 20));
    }
  });
  afterEach(async () => {
    for (const timer of timers.splice(0)) clearInterval(timer);
    dead.clear();
    await bed.close();
  });

  const holderOf = async (address: string) =>
    (await bed.store.get(sourceNatKind, "fixed"))?.status?.holders?.find((one) => one.address === address)
      ?.node;

  it("is seen from every node, and taken over when the holder dies", async () => {
    await until(async () => (await bed.seen(web, internetHost, 80, 300)) === held4);
    await until(async () => (await bed.seen(six, "2001:db8::10", 80, 300)) === held6);
    // A pod on a node that may be the holder itself.
    expect(await bed.seen(bed.pods[2] as BedPod, internetHost)).toBe(held4);
    // Between pods nothing is steered or translated.
    const server = web.kernel.sockets.listenTcp("0.0.0.0", 8080);
    const socket = bed.connect(bed.pods[2] as BedPod, web.ip, 8080);
    await until(() => socket.remoteAddress === web.ip);
    socket.destroy();
    web.kernel.sockets.close(server);

    const first = bed.nodes.find((node) => node.name === "node1") as BedNode;
    const second = bed.nodes.find((node) => node.name === "node2") as BedNode;
    const holder = (await holderOf(held4)) === "node1" ? first : second;
    const heir = holder === first ? second : first;
    dead.add(holder);
    await bed.kill(holder);
    let wrong = "";
    await until(async () => {
      const answer = await bed.seen(web, internetHost, 80, 200);
      if (answer !== held4 && !answer.startsWith("none")) wrong ||= answer;
      return answer === held4;
    });
    expect(wrong).toBe("");
    expect(await holderOf(held4)).toBe(heir.name);
  });

  it("is not the way to a pod behind a port of the node's own", async () => {
    const node = bed.nodes[2] as BedNode;
    await until(async () => (await bed.seen(web, internetHost, 80, 300)) === held4);
    await node.kernel.nft.run(
      `table ip other {
        chain ports { type nat hook prerouting priority dstnat; ip daddr ${node.address} tcp dport 8081 dnat to ${near.ip}:8080; }
      }`,
    );
    const server = near.kernel.sockets.listenTcp("0.0.0.0", 8080);
    const socket = bed.connect(web, node.address, 8081);
    await until(() => socket.remoteAddress === node.address);
    socket.destroy();
    near.kernel.sockets.close(server);
  });

  it("goes to another node at once when its agent ends", async () => {
    await until(async () => (await bed.seen(web, internetHost, 80, 300)) === held4);
    const name = await holderOf(held4);
    const leaving = bed.nodes.find((node) => node.name === name) as BedNode;
    dead.add(leaving);
    await leaving.manager.stop();
    const left = leaving.kernel.addresses.list().map(({ address }) => address);
    expect(left).not.toContain(`${held4}/32`);
    await until(
      async () => (await holderOf(held4)) !== name && (await bed.seen(web, internetHost, 80, 300)) === held4,
    );
  });

  it("is given up by a holder that has lost the store, once another node announces it", async () => {
    await until(async () => (await holderOf(held4)) !== undefined && (await holderOf(held6)) !== undefined);
    const holder = bed.nodes.find((node) => node.kernel.addresses.list().some(isHeld));
    if (!holder) throw new TypeError("nobody holds it");
    dead.add(holder);
    bed.cutOff(holder);
    await until(async () => (await holderOf(held4)) !== holder.name);
    await until(() => !holder.kernel.addresses.list().some(isHeld));
    await until(async () => (await bed.seen(web, internetHost, 80, 300)) === held4);
  });

  it("is nobody's, and its pods cannot leave, where no candidate is left", async () => {
    await until(async () => (await bed.seen(web, internetHost, 80, 300)) === held4);
    const object = await bed.store.get(sourceNatKind, "fixed");
    if (!object) throw new TypeError("the object is gone");
    const action = {
      type: "Address",
      addresses: [held4, held6],
      egressNodes: { matchLabels: { egress: "never" } },
    } as const;
    await bed.store.update(sourceNatKind, { ...object, spec: { rules: [{ action }] } });
    await until(async () => (await bed.seen(web, internetHost, 80, 200)).startsWith("none"));
    await until(() =>
      bed.nodes.every((node) =>
        node.kernel.addresses.list().every(({ address }) => address !== `${held4}/32`),
      ),
    );
    expect((await bed.store.list(leaseKind)).items.length).toBeGreaterThan(0);
    // What the node refuses in the pod's name is an answer, and comes back.
    const node = bed.nodes[2] as BedNode;
    const chain = "chain f { type filter hook forward priority 0; tcp dport 23 reject with tcp reset\n}";
    await node.kernel.nft.run(`table ip other { ${chain}\n}`);
    const outside = { ...web, kernel: bed.outside };
    await until(async () => (await bed.seen(outside, web.ip, 23, 1000)).includes("ECONNREFUSED"));
  });
});
