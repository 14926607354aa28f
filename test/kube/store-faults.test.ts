// What happens to the store's driver when a real API server dies, hangs, or changes who is let in.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { configMapKind, nodeKind, podKind } from "../../src/api/kinds/core.ts";
import { ipPoolKind } from "../../src/api/kinds/ip-pool.ts";
import { Informer } from "../../src/store/informer.ts";
import { kubeconfigAccess } from "../../src/store/kubernetes/access.ts";
import { type KubernetesOptions, kubernetesStore } from "../../src/store/kubernetes/store.ts";
import { map } from "../../src/store/store.suite.ts";
import type { Store } from "../../src/store/store.ts";
import { executable } from "../e2e/trunkline.ts";
import { type ApiServer, adminToken, apiServerBinary, startApiServer } from "./api-server.ts";

let server: ApiServer;
beforeAll(async () => {
  server = await startApiServer(apiServerBinary());
}, 60_000);
afterAll(() => server?.close());

const closing: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

function open(options: KubernetesOptions = {}): Store {
  const store = kubernetesStore(server.access, options);
  closing.push(() => store.close());
  return store;
}

describe("a watch", () => {
  it("loses nothing while the server is killed and started again, and while it hangs", async () => {
    const store = open({ timeoutMs: 1000 });
    const informer = new Informer(store, configMapKind, {
      namespace: "default",
      backoffMs: [20, 500],
    }).start();
    closing.push(() => informer.stop());
    await informer.synced;
    const told: string[] = [];
    informer.on((change) => told.push(`${change.type} ${change.object.metadata.name}`));
    told.length = 0;
    await store.create(configMapKind, map("before", {}, "default"));
    await server.kill();
    await expect(store.list(configMapKind)).rejects.toMatchObject({ code: "store.unreachable" });
    await server.start();
    await store.create(configMapKind, map("after", {}, "default"));
    server.pause();
    await expect(store.get(configMapKind, "after", "default")).rejects.toMatchObject({
      code: "store.unreachable",
    });
    server.resume();
    await store.create(configMapKind, map("last", {}, "default"));
    const ours = () => told.filter((one) => !one.includes("kube-root-ca"));
    await expect.poll(ours, { timeout: 30_000 }).toEqual(["added before", "added after", "added last"]);
  });
});

describe("a write", () => {
  it("leaves alone what this driver does not keep, and what others have written meanwhile", async () => {
    const store = open({ keep: "network" });
    const pod = await store.create(podKind, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name: "p",
        namespace: "default",
        annotations: { "kubectl.kubernetes.io/last-applied-configuration": "{}" },
      },
      spec: {
        nodeName: "n",
        containers: [{ name: "c", image: "i", command: ["sh"] }],
        terminationGracePeriodSeconds: 7,
      },
    } as never);
    expect(JSON.stringify(pod)).not.toContain("terminationGracePeriodSeconds");
    const noted = await store.update(podKind, {
      ...pod,
      metadata: { ...pod.metadata, annotations: { noted: "yes" } },
      status: { ...pod.status, podIP: "10.1.0.5", podIPs: [{ ip: "10.1.0.5" }] },
    });
    expect(noted.status?.podIP).toBe("10.1.0.5");
    const whole = JSON.stringify(await open().get(podKind, "p", "default"));
    for (const kept of [
      '"terminationGracePeriodSeconds":7',
      '"command":["sh"]',
      "last-applied",
      '"noted":"yes"',
      "10.1.0.5",
    ])
      expect(whole).toContain(kept);
  });

  it("reaches status and the rest of a node, each where it belongs", async () => {
    const store = open();
    const condition = { type: "NetworkUnavailable", status: "False", reason: "Ready", message: "m" } as const;
    const node = await store.create(nodeKind, {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: "n1" },
      status: { conditions: [condition], addresses: [{ type: "InternalIP", address: "192.168.18.11" }] },
    });
    expect(node.status?.conditions?.[0]).toMatchObject(condition);
    const both = await store.update(nodeKind, {
      ...node,
      metadata: { ...node.metadata, labels: { zone: "a" } },
      status: { ...node.status, conditions: [{ ...condition, status: "True" }] },
    });
    expect(both.metadata.labels).toMatchObject({ zone: "a" });
    expect(both.status?.conditions?.[0]?.status).toBe("True");
    await expect(store.update(nodeKind, { ...node, spec: { unschedulable: true } })).rejects.toMatchObject({
      code: "store.conflict",
    });
  });
});

describe("a kind", () => {
  it("that the server does not have is named, with what to do; once it has it, it works", async () => {
    const store = open();
    await expect(store.list(ipPoolKind)).rejects.toMatchObject({ code: "store.unserved" });
    const definitions = path.join(server.folder, "definitions.yaml");
    const printed = execFileSync(executable, ["manifests", "--definitions-only"], { encoding: "utf8" });
    writeFileSync(definitions, printed);
    execFileSync(executable, ["apply", "--kubeconfig", server.kubeconfig, "-f", definitions], {
      stdio: ["ignore", "ignore", "pipe"],
      encoding: "utf8",
    });
    await expect
      .poll(() => store.list(ipPoolKind).then(({ items }) => items, String), { timeout: 20_000 })
      .toEqual([]);
    const pools = "examples/first-light/workloads.yaml";
    execFileSync(executable, ["apply", "--kubeconfig", server.kubeconfig, "-f", pools], {
      stdio: ["ignore", "ignore", "pipe"],
      encoding: "utf8",
    });
    const shown = execFileSync(executable, ["get", "ippools", "--kubeconfig", server.kubeconfig], {
      encoding: "utf8",
    });
    expect(shown).toContain("10.1.0.0/16");
  });
});

describe("who asks", () => {
  it("is let in by a kubeconfig's token file as soon as that is right, and by a plugin", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "trunkline-kube-"));
    closing.push(() => rmSync(folder, { recursive: true }));
    const token = path.join(folder, "token");
    writeFileSync(token, "wrong");
    const config = {
      apiVersion: "v1",
      kind: "Config",
      "current-context": "c",
      clusters: [
        {
          name: "c",
          cluster: {
            server: server.access.server,
            "certificate-authority": path.join(server.folder, "certs/apiserver.crt"),
          },
        },
      ],
      users: [
        { name: "u", user: { tokenFile: token } },
        { name: "p", user: { exec: { command: "plugin", apiVersion: "client.authentication.k8s.io/v1" } } },
      ],
      contexts: [
        { name: "c", context: { cluster: "c", user: "u" } },
        { name: "plugin", context: { cluster: "c", user: "p" } },
      ],
    };
    const file = path.join(folder, "config");
    writeFileSync(file, JSON.stringify(config));
    const store = kubernetesStore(kubeconfigAccess(file));
    closing.push(() => store.close());
    await expect(store.list(configMapKind)).rejects.toMatchObject({ code: "store.refused" });
    writeFileSync(token, adminToken);
    expect((await store.list(configMapKind)).items).toBeDefined();
    const run = async () => JSON.stringify({ status: { token: adminToken } });
    const plugged = kubernetesStore(kubeconfigAccess(file, { context: "plugin", run }));
    closing.push(() => plugged.close());
    expect((await plugged.list(configMapKind)).items).toBeDefined();
  });
});
