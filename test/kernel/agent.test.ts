import { statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Manager } from "../../src/agent/managers/manager.ts";
import { addParts } from "../../src/agent/pods/add-parts.ts";
import { eventKind, podKind } from "../../src/api/kinds/core.ts";
import type { CniResult } from "../../src/cni/spec.ts";
import { run } from "../../src/kernel/exec/index.ts";
import { ROUTE_PROTOCOL } from "../../src/kernel/index.ts";
import { TestNode } from "./agent-node.ts";
import { pings } from "./pings.ts";

let node: TestNode;

beforeEach(() => {
  node = new TestNode();
});
afterEach(() => node.stop());

function pods(...names: string[]): Record<string, string>[] {
  return names.map((name) => ({
    CNI_CONTAINERID: name,
    CNI_NETNS: node.pod(name),
    CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${name}`,
  }));
}

const reaches = (from: string, to: string, timeoutMs?: number) =>
  pings(node.machine, from, to, { ...(timeoutMs !== undefined && { timeoutMs }) });

describe("the agent and the plugin executable", () => {
  it("give two pods interfaces over which they, and the node, reach each other", async () => {
    const agent = await node.start();
    await agent.ready;
    const [a, b] = pods("a", "b");
    const first = await node.cni("ADD", a!);
    expect(first).toMatchObject({ code: 0 });
    const result = JSON.parse(first.stdout) as CniResult;
    expect(result.ips).toEqual([{ address: "10.9.0.1/32", gateway: "169.254.1.1", interface: 1 }]);
    expect(result.interfaces?.[1]).toMatchObject({ name: "eth0", sandbox: a!["CNI_NETNS"], mtu: 1500 });
    expect((await node.cni("ADD", b!)).code).toBe(0);
    expect(await reaches(`${node.netns}-a`, "10.9.0.2")).toBe(true);
    expect(await reaches(node.netns, "10.9.0.2")).toBe(true);
    expect(await reaches(`${node.netns}-b`, "192.168.77.1")).toBe(true);

    expect(await node.cni("DEL", a!)).toMatchObject({ code: 0, stdout: "" });
    await agent.endpoints.settled();
    const kernel = node.machine.open({ name: node.netns });
    expect(kernel.links.get(result.interfaces?.[0]?.name ?? "")).toBeUndefined();
    kernel.close();
    expect(await reaches(node.netns, "10.9.0.1", 300)).toBe(false);
    expect([...node.addresses.held.keys()]).toEqual(["b/eth0"]);
  });

  it("leave no address on a wire but the pod's own, and the gateway's where there is IPv6", async () => {
    const agent = await node.start();
    await agent.ready;
    const [a, b] = pods("a", "b");
    const four = JSON.parse((await node.cni("ADD", a!)).stdout) as CniResult;
    node.addresses.families = [4, 6];
    const both = JSON.parse((await node.cni("ADD", b!)).stdout) as CniResult;
    const addressesOf = (netns: string, name: string): string[] => {
      const kernel = node.machine.open({ name: netns });
      try {
        const index = kernel.links.get(name)?.index ?? 0;
        return kernel.addresses.list(index).map(({ address }) => address);
      } finally {
        kernel.close();
      }
    };
    // Long enough for what the kernel adds by itself once a link has a carrier.
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(addressesOf(node.netns, four.interfaces?.[0]?.name ?? "")).toEqual([]);
    expect(addressesOf(`${node.netns}-a`, "eth0")).toEqual(["10.9.0.1/32"]);
    expect(addressesOf(node.netns, both.interfaces?.[0]?.name ?? "")).toEqual(["fe80::a9fe:101/64"]);
    expect(addressesOf(`${node.netns}-b`, "eth0")).toEqual(
      expect.arrayContaining(["10.9.0.2/32", "fd09::2/128"]),
    );
  });

  it("give both families, and IPv6 alone", async () => {
    const agent = await node.start();
    await agent.ready;
    const [a, b, six] = pods("a", "b", "six");
    node.addresses.families = [4, 6];
    const results = [await node.cni("ADD", a!), await node.cni("ADD", b!)];
    node.addresses.families = [6];
    results.push(await node.cni("ADD", six!));
    const ips = results.map((one) => (JSON.parse(one.stdout) as CniResult).ips?.map((ip) => ip.address));
    expect(ips).toEqual([["10.9.0.1/32", "fd09::1/128"], ["10.9.0.2/32", "fd09::2/128"], ["fd09::3/128"]]);
    expect(await reaches(`${node.netns}-a`, "fd09::2")).toBe(true);
    expect(await reaches(`${node.netns}-a`, "10.9.0.2")).toBe(true);
    expect(await reaches(`${node.netns}-six`, "fd09::1")).toBe(true);
    expect(await reaches(node.netns, "fd09::3")).toBe(true);
    for (const [pod, result] of [a!, six!].map((one, at) => [one, results[at * 2]!] as const)) {
      const prevResult = JSON.parse(result.stdout) as CniResult;
      expect(await node.cni("CHECK", pod, node.config({ prevResult }))).toMatchObject({
        code: 0,
        stdout: "",
      });
    }
  });

  it("do not let a pod forward", async () => {
    await (await node.start()).ready;
    const [a] = pods("a");
    await node.cni("ADD", a!);
    const kernel = node.machine.open({ name: `${node.netns}-a` });
    expect(kernel.sysctl.get("net/ipv4/conf/eth0/forwarding")).toBe("0");
    kernel.close();
  });

  it("put a pod's route back at once when somebody takes it away, and hold it through a restart", async () => {
    let agent = await node.start();
    await agent.ready;
    const [a] = pods("a");
    await node.cni("ADD", a!);
    const kernel = node.machine.open({ name: node.netns });
    const podRoutes = () => kernel.routes.list({ protocol: ROUTE_PROTOCOL });
    for (let restarts = 0; restarts < 2; restarts++) {
      const [route] = podRoutes();
      kernel.routes.remove(route!);
      await expect.poll(podRoutes, { interval: 20 }).toEqual([route]);
      await agent.stop();
      agent = await node.start();
      await agent.ready;
    }
    kernel.close();
  });

  it("answer over HTTP whether the agent lives and is ready, and what it counts", async () => {
    const agent = await node.start({ health: { port: 0 } });
    await agent.ready;
    const get = (path: string) => fetch(`http://127.0.0.1:${agent.healthPort}${path}`);
    expect((await get("/livez")).status).toBe(200);
    expect(await (await get("/readyz")).text()).toBe("ok\n");
    expect((await get("/else")).status).toBe(404);
    const [a] = pods("a");
    await node.cni("ADD", a!);
    const metrics = await (await get("/metrics")).text();
    expect(metrics).toContain(`trunkline_cni_requests_total{verb="ADD",code="0",node="${node.name}"} 1`);
    const counted = /^trunkline_cni_add_part_seconds_count\{.*?part="(\w+)".*\} 1$/gm;
    expect(new Set([...metrics.matchAll(counted)].map(([, part]) => part))).toEqual(new Set(addParts));
    expect(metrics).toContain(`trunkline_endpoints{phase="ready",node="${node.name}"} 1`);
    expect(metrics).toContain(`trunkline_ready{node="${node.name}"} 1`);
  });

  it("say why they are not ready, and serve no pod until they are", async () => {
    const broken: Manager = {
      name: "broken",
      apply: async () => {
        throw new Error("rules refused");
      },
      resync: async () => {},
    };
    const agent = await node.start({ health: { port: 0 }, managers: () => [broken] });
    const [a] = pods("a");
    await expect.poll(() => agent.notReady().join()).toContain("rules refused");
    const ready = await fetch(`http://127.0.0.1:${agent.healthPort}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.text()).toContain("broken: rules refused");
    expect(JSON.parse((await node.cni("ADD", a!)).stdout)).toMatchObject({ code: 11 });
    expect(JSON.parse((await node.cni("STATUS", {})).stdout)).toMatchObject({ code: 50 });
    // The pod's owner sees it on the pod.
    await expect
      .poll(async () => (await node.store.list(eventKind)).items.map((event) => event.involvedObject.name))
      .toEqual(["a"]);
  });

  it("take back what belongs to pods that are gone without a DEL, and not before the grace is over", async () => {
    const agent = await node.start({ graceSeconds: 0.2, resyncSeconds: 0.05 });
    await agent.ready;
    const [gone, kept] = pods("gone", "kept");
    await node.cni("ADD", gone!);
    await node.cni("ADD", kept!);
    await node.machine.removeNetns(`${node.netns}-gone`);
    await expect.poll(() => [...node.addresses.held.keys()], { interval: 20 }).toEqual(["kept/eth0"]);
  });

  it("take back what earlier sandboxes of a living pod hold, and nothing that it shows or that is there", async () => {
    const agent = await node.start({ graceSeconds: 0.2, resyncSeconds: 0.05 });
    await agent.ready;
    const ips: string[] = [];
    // A plugin behind ours fails: the runtime tries again with a new container, and never deletes the old one.
    for (const name of ["try1", "try2", "shown", "runs"]) {
      const env = { ...pods(name)[0], CNI_ARGS: "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web" };
      const result = JSON.parse((await node.cni("ADD", env)).stdout) as CniResult;
      ips.push(result.ips?.[0]?.address.split("/")[0] ?? "");
    }
    await node.store.create(podKind, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "web", namespace: "default" },
      spec: { containers: [], nodeName: node.name },
      status: { phase: "Running", podIP: ips[2] ?? "" },
    });
    for (const name of ["try1", "try2", "shown"]) await node.machine.removeNetns(`${node.netns}-${name}`);
    const held = () => [...node.addresses.held.keys()];
    await expect.poll(held, { interval: 20 }).toEqual(["shown/eth0", "runs/eth0"]);
    // The pod shows its new sandbox's address, and the last of the dead ones goes as well.
    const pod = (await node.store.get(podKind, "web", "default"))!;
    await node.store.update(podKind, { ...pod, status: { phase: "Running", podIP: ips[3] ?? "" } });
    await expect.poll(held, { interval: 20 }).toEqual(["runs/eth0"]);
    expect(await reaches(node.netns, ips[3] ?? "")).toBe(true);
  });

  it("answer at once where CNI_NETNS is no namespace, whatever it is", async () => {
    const agent = await node.start();
    await agent.ready;
    const fifo = path.join(node.folder, "fifo");
    await run("mkfifo", [fifo]);
    const [a] = pods("a");
    for (const netns of [fifo, node.folder, "/dev/zero", "/proc/self/ns/mnt", "/nowhere"]) {
      for (const command of ["ADD", "DEL", "CHECK"]) {
        const done = await node.cni(command, { ...a!, CNI_NETNS: netns });
        const code = done.code === 0 ? 0 : (JSON.parse(done.stdout) as { code: number }).code;
        expect([command, netns, code]).toEqual([command, netns, { ADD: 8, DEL: 0, CHECK: 3 }[command]]);
      }
    }
    expect((await node.cni("ADD", a!)).code).toBe(0);
  });

  it("refuse to serve a socket that another agent serves, and take over one that a dead agent left", async () => {
    const agent = await node.start();
    await expect(node.start()).rejects.toMatchObject({ code: "agent.socket-in-use" });
    await agent.stop();
    writeFileSync(node.socket, "");
    await (await node.start()).ready;
    expect((await node.cni("STATUS", {})).code).toBe(0);
    expect(statSync(node.socket).mode & 0o777).toBe(0o600);
  });
});
