// Addresses that stay with a pod's name: over its end, its node, the processes around it and the whole lab.
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Event, Pod } from "../../src/api/kinds/core.ts";
import type { PodENI } from "../../src/api/kinds/pod-eni.ts";
import type { PodNetworking } from "../../src/api/kinds/pod-networking.ts";
import type { HeldAddress } from "../../src/plan/subnets/pod-eni/ledger.ts";
import { Commands } from "../e2e/trunkline.ts";

const manifest = path.resolve(import.meta.dirname, "../../examples/fixed-ip/fixed-ip.yaml");

interface List<T> {
  readonly items: readonly T[];
}

async function until<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (let left = 150; left > 0; left--) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await pause(200);
  }
  throw new Error(`it did not come about: ${ask.toString()}`);
}

describe("fixed-ip", () => {
  const trunkline = new Commands();
  let address = "";
  beforeAll(async () => {
    await trunkline.up("examples/fixed-ip");
  }, 120_000);
  // Every test begins with the manifest as it is, and the pod on its network.
  beforeEach(async () => {
    for (const name of ["never", "a-second"])
      await trunkline.say("delete", "podnetworking", name, "--lab", trunkline.lab);
    await trunkline.ask("apply", "-f", manifest);
    address = await served("");
  }, 90_000);
  afterAll(() => trunkline.end());

  const pod = async (name = "my-nginx-0") =>
    (await trunkline.json<List<Pod>>("get", "pods", "-n", "example")).items.find(
      ({ metadata }) => metadata.name === name,
    );
  const apply = (name: string, ...objects: object[]) =>
    trunkline.ask(
      "apply",
      "-f",
      trunkline.file(name, JSON.stringify({ apiVersion: "v1", kind: "List", items: objects })),
    );
  const held = async () =>
    (await trunkline.json<{ held: readonly HeldAddress[] }>("ipam", "fixed", "-A")).held;
  const events = async (reason: string) =>
    (await trunkline.json<List<Event>>("get", "events", "-A")).items.filter((one) => one.reason === reason);

  /** Returns the address of the pod of that name that is not the one with `before` as its uid, once it answers. */
  async function served(before: string, name = "my-nginx-0"): Promise<string> {
    const found = await until(async () => {
      const now = await pod(name);
      const isReady = now?.status?.conditions?.some(
        ({ type, status }) => type === "Ready" && status === "True",
      );
      return now && isReady && now.metadata.uid !== before && now.status?.podIP ? now : undefined;
    });
    const probe = ["probe", "-n", "example", `pod/${name}`, "host/db:3306"];
    const { reachable, sourceSeen } = await trunkline.json<{ reachable: boolean; sourceSeen: string }>(
      ...probe,
    );
    expect([reachable, sourceSeen]).toEqual([true, found.status?.podIP]);
    return found.status?.podIP ?? "";
  }
  const uid = async (name?: string) => (await pod(name))?.metadata.uid ?? "";
  const taint = (node: string, taints: object[]) =>
    apply("node.json", { apiVersion: "v1", kind: "Node", metadata: { name: node }, spec: { taints } });

  it("is of the network's vSwitch, on the node's trunk, where the zone is", async () => {
    expect(address).toMatch(/^10\.3\.0\.\d+$/);
    const { metadata, spec } = (await pod())!;
    expect(metadata.annotations).toMatchObject({
      "k8s.aliyun.com/pod-networking": "example",
      "k8s.aliyun.com/pod-eni": "true",
    });
    expect(["node1", "node2"]).toContain(spec.nodeName);
    const podEni = await trunkline.json<PodENI>("get", "podeni", "my-nginx-0", "-n", "example");
    expect(podEni.status?.phase).toBe("Bind");
    expect(Object.values(podEni.status?.eniInfos ?? {})).toMatchObject([{ type: "Member", status: "Bind" }]);
    expect(await held()).toMatchObject([
      { pod: "my-nginx-0", addresses: [address], podRunning: true, until: null },
    ]);
    const released = await trunkline.say("ipam", "release", address, "--yes", "--lab", trunkline.lab);
    expect([released.code, released.stdout]).toEqual([
      1,
      expect.stringMatching(/not freed: pod example\/my-nginx-0 has it/),
    ]);
  });

  it("stays when the pod is deleted, when its node is drained, and when the processes around it are killed", async () => {
    let before = await uid();
    await trunkline.ask("delete", "pod", "my-nginx-0", "-n", "example");
    expect(await served(before)).toBe(address);
    const node = (await pod())!.spec.nodeName!;
    before = await uid();
    await taint(node, [{ key: "drain", effect: "NoExecute" }]);
    expect(await served(before)).toBe(address);
    expect((await pod())!.spec.nodeName).toBe(node === "node1" ? "node2" : "node1");
    await taint(node, []);
    before = await uid();
    await trunkline.ask("lab", "process", "kill", `agent/${(await pod())!.spec.nodeName}`);
    await trunkline.ask("lab", "process", "kill", "controller");
    await trunkline.ask("delete", "pod", "my-nginx-0", "-n", "example");
    expect(await served(before)).toBe(address);
  }, 120_000);

  it("stays when the whole lab is ended and goes on", async () => {
    await trunkline.ask("lab", "clock", "advance", "10m");
    const { ahead } = await trunkline.json<{ ahead: string }>("lab", "clock", "show");
    await trunkline.ask("lab", "down", "--keep");
    expect((await trunkline.say("lab", "list", "-o", "json")).stdout).toMatch(/"kept": true/);
    await trunkline.up("examples/fixed-ip");
    const clock = await trunkline.json<{ ahead: string }>("lab", "clock", "show");
    expect(clock.ahead).toBe(ahead);
    expect(await served("")).toBe(address);
    expect(await held()).toHaveLength(1);
  }, 120_000);

  it("is not for pods whose names do not come back, and is said so", async () => {
    const labels = { foo: "bar", app: "web" };
    const template = {
      metadata: { labels },
      spec: { containers: [{ name: "c", image: "x", ports: [{ containerPort: 80 }] }] },
    };
    const spec = { replicas: 1, selector: { matchLabels: { app: "web" } }, template };
    await apply("web.json", {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web", namespace: "example" },
      spec,
    });
    await trunkline.ask("wait", "--for", "ready", "deploy/web", "-n", "example", "--timeout", "60s");
    const [event] = await until(async () => {
      const found = await events("FixedNotApplicable");
      return found.length > 0 ? found : undefined;
    });
    expect(event?.message).toMatch(/PodNetworking example has fixed addresses, and pods of ReplicaSet web-/);
    expect((await held()).map(({ pod: name }) => name)).toEqual(["my-nginx-0"]);
    await trunkline.ask("delete", "deploy", "web", "-n", "example");
  }, 90_000);

  it("is refused with a releaseAfter that is too short, at its place", async () => {
    const network = {
      apiVersion: "network.alibabacloud.com/v1beta1",
      kind: "PodNetworking",
      metadata: { name: "hasty" },
    };
    const spec = {
      allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "1m" },
      selector: { podSelector: { matchLabels: { a: "b" } } },
      vSwitchOptions: ["vsw-bpxxxx"],
      securityGroupIDs: ["sg-bpxxxx"],
    };
    const file = trunkline.file("hasty.json", JSON.stringify({ ...network, spec }));
    const { code, stderr } = await trunkline.say("apply", "-f", file, "--lab", trunkline.lab);
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /hasty\.json:1:\d+: .*`releaseAfter` is too short .*spec\.allocationType\.releaseAfter/,
    );
  });

  it("of two networks that match the older one has every pod, and both say so", async () => {
    const spec = {
      selector: {
        podSelector: { matchLabels: { foo: "bar" } },
        namespaceSelector: { matchLabels: { foo: "bar" } },
      },
      vSwitchOptions: ["vsw-bpxxxx"],
      securityGroupIDs: ["sg-bpxxxx"],
    };
    const kind = { apiVersion: "network.alibabacloud.com/v1beta1", kind: "PodNetworking" };
    await apply("second.json", { ...kind, metadata: { name: "a-second" }, spec });
    for (const name of ["example", "a-second"])
      await until(async () => {
        const one = await trunkline.json<PodNetworking>("get", "podnetworking", name);
        return (
          one.status?.conditions?.some(({ type, status }) => type === "Conflict" && status === "True") ||
          undefined
        );
      });
    for (let turn = 0; turn < 3; turn++) {
      const before = await uid();
      await trunkline.ask("delete", "pod", "my-nginx-0", "-n", "example");
      expect(await served(before)).toBe(address);
      expect((await pod())!.metadata.annotations?.["k8s.aliyun.com/pod-networking"]).toBe("example");
    }
    expect(await events("PodNetworkingConflict")).toHaveLength(2);
    await trunkline.ask("delete", "podnetworking", "a-second");
  }, 120_000);

  it("is kept for an hour without its pod, and free after it", async () => {
    await trunkline.ask("scale", "-n", "example", "statefulset/my-nginx", "--replicas", "0");
    await until(async () => ((await held())[0]?.phase === "Unbind" ? true : undefined));
    await trunkline.ask("lab", "clock", "advance", "59m");
    expect(await held()).toMatchObject([{ addresses: [address], podRunning: false, strategy: "TTL" }]);
    await trunkline.ask("lab", "clock", "advance", "2m");
    await until(async () => ((await held()).length === 0 ? true : undefined));
    const { interfaces } = await trunkline.json<{ interfaces: readonly { addresses: readonly string[] }[] }>(
      "lab",
      "provider",
      "show",
    );
    expect(interfaces.flatMap(({ addresses }) => addresses)).not.toContain(address);
  }, 90_000);

  it("is kept with Never until somebody frees it", async () => {
    const idle = async () => {
      await trunkline.ask("scale", "-n", "example", "statefulset/my-nginx", "--replicas", "0");
      await until(async () => ((await held())[0]?.phase === "Unbind" ? true : undefined));
    };
    await idle();
    await trunkline.ask("ipam", "release", address, "--yes");
    const network = await trunkline.json<PodNetworking>("get", "podnetworking", "example");
    const spec = { ...network.spec, allocationType: { type: "Fixed", releaseStrategy: "Never" } };
    await apply("never.json", {
      apiVersion: network.apiVersion,
      kind: network.kind,
      metadata: { name: "never" },
      spec,
    });
    await trunkline.ask("delete", "podnetworking", "example");
    await trunkline.ask("scale", "-n", "example", "statefulset/my-nginx", "--replicas", "1");
    const own = await served("");
    await idle();
    await trunkline.ask("lab", "clock", "advance", "3h");
    expect(await held()).toMatchObject([{ addresses: [own], strategy: "Never", until: null }]);
    await trunkline.ask("ipam", "release", own, "--yes");
    expect(await held()).toEqual([]);
  }, 120_000);
});
