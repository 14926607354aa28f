// Pods pinned to one vSwitch by the configuration of their nodes, and a database that admits no other.
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Event, Node, Pod } from "../../../src/api/kinds/core.ts";
import type { NodeConfig } from "../../../src/api/kinds/node-config.ts";
import type { Subnet } from "../../../src/api/kinds/subnet.ts";
import { Commands } from "../../e2e/trunkline.ts";

const manifest = path.resolve(import.meta.dirname, "../../../examples/vswitch-pinning/vswitch-pinning.yaml");
const pinned = /^10\.2\.1\.\d+$/;

interface List<T> {
  readonly items: readonly T[];
}
interface Probe {
  readonly reachable: boolean;
  readonly sourceSeen: string | null;
}

function conditionOf(object: Pod | Node | Subnet, type: string) {
  return object.status?.conditions?.find((one) => one.type === type);
}

async function until<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (let left = 100; left > 0; left--) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await pause(200);
  }
  throw new Error(`it did not come about: ${ask.toString()}`);
}

describe("vswitch-pinning", () => {
  const trunkline = new Commands();
  beforeAll(async () => {
    await trunkline.up("examples/vswitch-pinning");
  }, 60_000);
  afterAll(() => trunkline.end());
  // Every test begins with the manifest as it is.
  beforeEach(async () => {
    await trunkline.ask("apply", "-f", manifest);
    await trunkline.ask("wait", "--for", "ready", "deploy/nginx-fixed", "--timeout", "60s");
  }, 90_000);

  const pods = async () =>
    (await trunkline.json<List<Pod>>("get", "pods", "-l", "app=nginx-fixed")).items.filter(
      ({ metadata }) => metadata.deletionTimestamp === undefined,
    );
  const node = (name: string) => trunkline.json<Node>("get", "node", name);
  const ready = async (name: string) => conditionOf(await node(name), "NetworkConfigReady");
  const readyWith = (name: string, reason: string) =>
    until(async () => {
      const found = await ready(name);
      return found?.reason === reason ? found : undefined;
    });
  async function overlay(text: string): Promise<void> {
    const metadata = { name: "eni-config-fixed", namespace: "kube-system" };
    const map = { apiVersion: "v1", kind: "ConfigMap", metadata, data: { eni_conf: text } };
    await trunkline.ask("apply", "-f", trunkline.file("overlay.json", JSON.stringify(map)));
  }
  async function plainPod(name: string): Promise<void> {
    const spec = {
      nodeName: "plain",
      containers: [{ name: "c", image: "x", ports: [{ containerPort: 80 }] }],
    };
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name }, spec };
    await trunkline.ask("apply", "-f", trunkline.file(`${name}.json`, JSON.stringify(pod)));
    await trunkline.ask("wait", "--for", "ready", `pod/${name}`, "--timeout", "30s");
  }

  it("two replicas, then thirty, are of the one vSwitch, reach the database and are seen by their own addresses", async () => {
    for (const replicas of ["2", "30"]) {
      await trunkline.ask("scale", "deploy/nginx-fixed", "--replicas", replicas);
      await trunkline.ask("wait", "--for", "ready", "deploy/nginx-fixed", "--timeout", "60s");
      const all = await pods();
      const addresses = all.map(({ status }) => status?.podIP ?? "");
      expect(addresses.filter((address) => !pinned.test(address))).toEqual([]);
      expect(new Set(addresses).size).toBe(Number(replicas));
      for (const { metadata, status } of all.slice(0, 6)) {
        const to = [`pod/${metadata.name}`, "host/db:3306"];
        const probe = await trunkline.json<Probe>("probe", ...to);
        expect(probe).toMatchObject({ reachable: true, sourceSeen: status?.podIP });
      }
    }
  });

  it("a pod elsewhere has an address of its own node's vSwitch, and the database refuses it", async () => {
    await plainPod("elsewhere");
    const pod = await trunkline.json<Pod>("get", "pod", "elsewhere");
    expect(pod.status?.podIP).toMatch(/^10\.2\.0\./);
    const question = ["probe", "pod/elsewhere", "host/db:3306", "-o", "json", "--lab", trunkline.lab];
    const { code, stdout } = await trunkline.say(...question);
    expect([code, (JSON.parse(stdout) as Probe).reachable]).toEqual([1, false]);
    // Pods of both vSwitches, and nodes, reach each other.
    const [one] = await pods();
    for (const ends of [
      ["pod/elsewhere", `pod/${one?.metadata.name}:80`],
      [`pod/${one?.metadata.name}`, "pod/elsewhere:80"],
      ["node/other-zone", `pod/${one?.metadata.name}:80`],
      [`node/${one?.spec.nodeName}`, `pod/${one?.metadata.name}:80`],
      [`pod/${one?.metadata.name}`, "node/fixed1:10250"],
      [`pod/${one?.metadata.name}`, "node/fixed2:10250"],
      ["host/db", `pod/${one?.metadata.name}:80`],
    ]) {
      const probe = await trunkline.json<Probe>("probe", ...ends);
      expect([...ends, probe.reachable]).toEqual([...ends, true]);
      const told = await trunkline.json<Probe>("explain", ...ends);
      expect([...ends, told.reachable, told.sourceSeen]).toEqual([...ends, true, probe.sourceSeen]);
    }
    // What the database must admit is the vSwitch, and nothing else; what it must admit for the other pod it does not.
    expect(await trunkline.ask("allowlist", "host/db", "--for", "deploy/nginx-fixed")).toBe("10.2.1.0/24\n");
    const list = await trunkline.json<object>("allowlist", "host/db", "--for", "deploy/nginx-fixed");
    expect(list).toMatchObject({
      to: "host/db",
      for: "deployment/default/nginx-fixed",
      ranges: ["10.2.1.0/24"],
      admitted: ["10.2.1.0/24"],
      missing: [],
    });
    const other = await trunkline.say(
      "allowlist",
      "host/db",
      "--for",
      "pod/elsewhere",
      "--lab",
      trunkline.lab,
    );
    expect([other.code, other.stdout]).toEqual([1, "10.2.0.0/24\n"]);
    const denied = await trunkline.say("explain", "pod/elsewhere", "host/db:3306", "--lab", trunkline.lab);
    expect([denied.code, denied.stdout]).toEqual([
      1,
      expect.stringMatching(/host\/db admits only 10\.2\.1\.0\/24/),
    ]);
  });

  it("publishes what is in force: sources, hash, since when", async () => {
    const [base, fixed] = await Promise.all(
      ["plain", "fixed1"].map((name) => trunkline.json<NodeConfig>("get", "nodeconfig", name)),
    );
    expect(fixed?.status).toMatchObject({
      sources: [{ configMap: "kube-system/eni-config" }, { configMap: "kube-system/eni-config-fixed" }],
      zone: "cn-beijing-h",
      vSwitchIDs: ["vsw-2zem796p76viir02c6980"],
      securityGroupIDs: ["sg-2ze00000000000000000"],
      findings: [],
    });
    expect(fixed?.status?.since).toMatch(/^\d{4}-.*Z$/);
    expect(fixed?.status?.hash).not.toBe(base?.status?.hash);
    expect(base?.status?.vSwitchIDs).toEqual(["vsw-2ze000000000000000000"]);
    expect((await ready("other-zone"))?.reason).toBe("NoVSwitchForZone");
  });

  it.each([
    ["OverlayMissing", undefined],
    ["InvalidJSON", '{"vswitches": {'],
    ["UnknownKey", '{"vswitchs": {"cn-beijing-h": ["vsw-2zem796p76viir02c6980"]}}'],
    ["VSwitchNotFound", '{"vswitches": {"cn-beijing-h": ["vsw-none"]}}'],
  ])("%s: pods of those nodes wait, others do not; mended, they start", async (reason, text) => {
    if (text === undefined)
      await trunkline.ask("delete", "configmap", "eni-config-fixed", "-n", "kube-system");
    else await overlay(text);
    const condition = await readyWith("fixed1", reason);
    expect(condition.status).toBe("False");
    expect(condition.message).toMatch(/eni-config-fixed/);
    const before = new Set((await pods()).map(({ metadata }) => metadata.name));
    await trunkline.ask("scale", "deploy/nginx-fixed", "--replicas", `${before.size + 2}`);
    const waiting = await until(async () => {
      const fresh = (await pods()).filter(({ metadata }) => !before.has(metadata.name));
      const told = fresh.filter(
        (pod) => conditionOf(pod, "trunkline.dev/NetworkReady")?.reason === "NodeConfigError",
      );
      return told.length === 2 ? told : undefined;
    });
    expect(waiting.map(({ status }) => status?.podIP)).toEqual([undefined, undefined]);
    const events = await trunkline.json<List<Event>>("get", "events", "-A");
    expect(
      events.items.filter((one) => one.reason === "ConfigError" && one.message.includes(reason)),
    ).not.toEqual([]);
    const name = `beside-${reason.toLowerCase()}`;
    await plainPod(name);
    await trunkline.ask("delete", "pod", name);
    await trunkline.ask("apply", "-f", manifest);
    await readyWith("fixed1", "Applied");
    await trunkline.ask("wait", "--for", "ready", "deploy/nginx-fixed", "--timeout", "60s");
    for (const { status } of await pods()) expect(status?.podIP).toMatch(pinned);
  });

  it("ipam check finds nothing wrong, until there is an interface of ours that nobody has", async () => {
    const check = () => trunkline.say("ipam", "check", "-o", "json", "--lab", trunkline.lab);
    const clean = await check();
    expect(JSON.parse(clean.stdout)).toMatchObject({ ok: true, findings: [] });
    const tags = ["--tag", "creator=trunkline", "--tag", `trunkline.dev/cluster=${trunkline.lab}`];
    const { id } = await trunkline.json<{ id: string }>(
      "lab",
      "provider",
      "add-interface",
      "vsw-2ze000000000000000000",
      ...tags,
    );
    const found = await check();
    expect(found.code).toBe(1);
    expect(JSON.parse(found.stdout)).toMatchObject({
      ok: false,
      findings: [{ kind: "leaked-interface", what: id }],
    });
    await trunkline.ask("lab", "provider", "delete-interface", id);
    expect((await check()).code).toBe(0);
  });

  it("flags interfaces of an older configuration, and new pods follow the new one", async () => {
    await overlay('{"vswitches": {"cn-beijing-h": ["vsw-2ze000000000000000000"]}}');
    const stale = await until(async () => {
      const found = conditionOf(await node("fixed1"), "NetworkInterfacesStale");
      return found?.status === "True" ? found : undefined;
    });
    expect(stale).toMatchObject({ reason: "InterfacesPredateConfig" });
    expect(stale.message).toMatch(/kubectl drain fixed1/);
    const [old] = await pods();
    await trunkline.ask("delete", "pod", old?.metadata.name ?? "");
    await trunkline.ask("wait", "--for", "ready", "deploy/nginx-fixed", "--timeout", "60s");
    expect(
      (await pods()).filter(({ status }) => status?.podIP?.startsWith("10.2.0.")).length,
    ).toBeGreaterThan(0);
    await trunkline.ask("apply", "-f", manifest);
    await readyWith("fixed1", "Applied");
    // Who has an address of the other vSwitch keeps it until it is made anew.
    for (const { metadata, status } of await pods())
      if (!pinned.test(status?.podIP ?? "")) await trunkline.ask("delete", "pod", metadata.name);
    await trunkline.ask("wait", "--for", "ready", "deploy/nginx-fixed", "--timeout", "60s");
    for (const { status } of await pods()) expect(status?.podIP).toMatch(pinned);
  });
});

const small = `
name: small
networks: [{name: machines, cidr: 192.168.20.0/24}]
routers: [{name: vpc, addresses: [192.168.20.1]}]
subnets: [{id: vsw-1, zone: h, cidr: 10.8.0.0/29}]
securityGroups: [{id: sg-1}]
nodes:
  - {name: n1, address: 192.168.20.11, zone: h}
  - {name: n2, address: 192.168.20.12, zone: h}
addressCooldown: 1s
`;

describe("an exhausted vSwitch", () => {
  const trunkline = new Commands();
  beforeAll(async () => {
    await trunkline.up(trunkline.file("lab.yaml", small));
  }, 60_000);
  afterAll(() => trunkline.end());

  it("lets pods wait that say so, and they start by themselves when addresses are free", async () => {
    const eni_conf = JSON.stringify({ vswitches: { h: ["vsw-1"] }, security_group: "sg-1" });
    const map = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "eni-config", namespace: "kube-system" },
      data: { eni_conf },
    };
    const pod = (name: string) => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name },
      spec: { containers: [{ name: "c", image: "x", ports: [{ containerPort: 80 }] }] },
    });
    const names = ["a", "b", "c", "d", "e", "f"];
    const list = { apiVersion: "v1", kind: "List", items: [map, ...names.map(pod)] };
    await trunkline.ask("apply", "-f", trunkline.file("pods.json", JSON.stringify(list)));
    const state = async () => (await trunkline.json<List<Pod>>("get", "pods")).items;
    const waiting = await until(async () => {
      const all = await state();
      const stuck = all.filter(
        (one) => conditionOf(one, "trunkline.dev/NetworkReady")?.reason === "VSwitchExhausted",
      );
      return all.filter(({ status }) => status?.phase === "Running").length === 4 && stuck.length === 2
        ? stuck
        : undefined;
    });
    const condition = conditionOf(waiting[0]!, "trunkline.dev/NetworkReady");
    expect(condition?.message).toMatch(
      /vSwitch vsw-1 \(zone h\) has no free address of 4: delete pods .*since 2/,
    );
    const subnet = await until(async () => {
      const found = await trunkline.json<Subnet>("get", "subnet", "vsw-1");
      return found.status?.shortBy === 12 ? found : undefined;
    });
    expect(subnet.status).toMatchObject({ totalAddresses: 4, availableAddresses: 0, servedPods: 6 });
    expect(conditionOf(subnet, "LowCapacity")).toMatchObject({ status: "True" });
    expect(conditionOf(subnet, "LowCapacity")?.message).toMatch(/vsw-1 \(zone h\).*12 short/);
    expect(conditionOf(subnet, "Exhausted")?.status).toBe("True");
    const warnings = (await trunkline.json<List<Event>>("get", "events", "-A")).items.map(
      ({ reason }) => reason,
    );
    expect(warnings).toEqual(
      expect.arrayContaining(["VSwitchLowCapacity", "VSwitchExhausted", "AllocIPFailed"]),
    );
    const running = (await state()).filter(({ status }) => status?.phase === "Running");
    await trunkline.ask("delete", "pod", ...running.slice(0, 2).map(({ metadata }) => metadata.name));
    for (const { metadata } of waiting)
      await trunkline.ask("wait", "--for", "ready", `pod/${metadata.name}`, "--timeout", "60s");
    const after = await until(async () => {
      const all = await state();
      return all.every((one) => conditionOf(one, "trunkline.dev/NetworkReady")?.status !== "False")
        ? all
        : undefined;
    });
    expect(new Set(after.map(({ status }) => status?.podIP)).size).toBe(4);
    const told = (await trunkline.json<List<Event>>("get", "events")).items.map(({ reason }) => reason);
    expect(told).toContain("AllocIPSucceed");
    // Of four addresses all are taken; without pods all are free again, whatever nodes keep ready.
    await trunkline.ask("delete", "pod", "--all");
    await until(async () => {
      const found = await trunkline.json<Subnet>("get", "subnet", "vsw-1");
      return found.status?.availableAddresses === 4 && found.status.shortBy === 0 ? found : undefined;
    });
  });
});
