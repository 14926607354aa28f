// The object commands as users run them, on a store's file: no lab, no root.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Pod, podKind } from "../../../src/api/kinds/core.ts";
import { replicationControllerKind } from "../../../src/api/kinds/workloads.ts";
import { openSqliteStore } from "../../../src/store/sqlite/store.ts";

const main = path.resolve("src/cli/main.ts");
const manifest = `
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: pool}
spec: {cidr: 10.1.0.0/16, ipipMode: Always}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: web}
spec:
  replicas: 2
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, ports: [{containerPort: 80}]}]}}
---
apiVersion: v1
kind: Pod
metadata: {name: single, namespace: shop, labels: {app: single}}
spec: {containers: [{name: c}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
`;

describe("object commands", () => {
  let folder: string;
  let store: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "trunkline-cli-"));
    store = path.join(folder, "store.db");
    file("all.yaml", manifest);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function file(name: string, content: string): string {
    const full = path.join(folder, name);
    writeFileSync(full, content);
    return full;
  }

  function start(...words: string[]): ChildProcess {
    const all = ["--disable-warning=ExperimentalWarning", main, ...words, "--store", `sqlite:${store}`];
    return spawn(process.execPath, all, { cwd: folder, stdio: ["pipe", "pipe", "pipe"] });
  }

  async function result(child: ChildProcess) {
    const exited = new Promise<number | null>((resolve) => child.on("close", resolve));
    child.stdin?.end();
    const [out, err] = await Promise.all([text(child.stdout!), text(child.stderr!)]);
    return { code: await exited, out, err };
  }
  const run = (...words: string[]) => result(start(...words));

  it("apply, get, describe, scale and delete work together", async () => {
    const first = await run("apply", "-f", "all.yaml");
    expect(first).toMatchObject({ code: 0, err: "" });
    expect(first.out.split("\n")).toEqual([
      "namespace/shop created",
      "ippool.crd.projectcalico.org/pool created",
      "replicationcontroller/web created",
      "pod/single created",
      "",
    ]);
    expect((await run("apply", "-f", folder)).out).not.toMatch(/created|configured/);
    expect((await run("scale", "rc/web", "--replicas", "5")).out).toBe("replicationcontroller/web scaled\n");
    expect((await run("get", "rc")).out).toMatch(/NAME +DESIRED .*\nweb +5 +0 +0/);
    const list = JSON.parse((await run("get", "pods", "-A", "-l", "app=single", "-o", "json")).out) as {
      items: Pod[];
    };
    expect(list).toMatchObject({ apiVersion: "v1", kind: "List" });
    expect(list.items.map((pod) => pod.metadata.name)).toEqual(["single"]);
    expect((await run("describe", "ippool", "pool")).out).toMatch(
      /Routes: +by IP in IP between all nodes \(Always\)/,
    );
    const gone = await run("delete", "ns/shop");
    expect(gone).toMatchObject({ code: 0, out: "namespace/shop deleted\n" });
    expect(await run("get", "pods", "-A")).toMatchObject({ code: 0, out: "", err: "No pods\n" });
    expect((await run("get", "pod", "single", "-n", "shop")).code).toBe(1);
  });

  it("get takes kinds and names as kubectl does", async () => {
    await run("apply", "-f", "all.yaml");
    const names = async (...words: string[]) =>
      (await run("get", ...words, "-o", "name")).out.trim().split("\n");
    expect(await names("ippools.crd.projectcalico.org")).toEqual(["ippool.crd.projectcalico.org/pool"]);
    expect(await names("ippool.crd.projectcalico.org/pool")).toEqual(["ippool.crd.projectcalico.org/pool"]);
    expect(await names("all", "-A")).toEqual(["pod/single", "replicationcontroller/web"]);
    expect(await names("rc/web", "rc/web")).toHaveLength(2);
    expect(await names("-f", "all.yaml")).toHaveLength(4);
    expect(await names("pods", "-A", "--field-selector", "metadata.namespace!=shop")).toEqual([""]);
    expect(await names("ns", "--sort-by", "{.metadata.name}")).toEqual([
      "namespace/default",
      "namespace/shop",
    ]);

    const path = '{range .items[*]}{.kind}={.spec.replicas}{"\\n"}{end}';
    expect(await run("get", "rc,pods", "-A", "-o", `jsonpath=${path}`)).toEqual({
      code: 0,
      out: "ReplicationController=2\nPod=\n",
      err: "",
    });
    expect((await run("get", "rc/web", "-o", "jsonpath={.spec.replicas}")).out).toBe("2");
    expect((await run("get", "rc", "-o", "custom-columns=WHO:.metadata.name,IP:.status.ip")).out).toBe(
      "WHO   IP\nweb   <none>\n",
    );
    expect(await run("get", "rc", "-o", "jsonpath={.a")).toMatchObject({ code: 2, out: "" });
    expect(await run("get", "rc", "-o", "prose")).toMatchObject({ code: 2, out: "" });

    const many = (await run("get", "pods,rc", "-A", "--show-labels", "-L", "app")).out;
    expect(many).toMatch(
      /^NAMESPACE +NAME +READY .* APP +LABELS\nshop +pod\/single .* single +app=single\n\n/,
    );
    expect(many).toMatch(/\ndefault +replicationcontroller\/web +2 +0 +0 .* web +app=web\n$/);
    expect((await run("-n", "shop", "get", "pods", "--no-headers")).out).toMatch(
      /^single +0\/1 +Pending +0 +\d+s\n$/,
    );
    expect((await run("get", "rc", "--no-headers")).out).toMatch(/^web +2 +0 +0 +\d+s\n$/);
    expect((await run("get", "ns/shop", "-o", "json")).out).toMatch(/"phase": "Active"/);
    expect((await run("describe", "pod", "sing", "-n", "shop")).out).toMatch(/^Name: +single\n/);
    expect(await run("get", "pod", "none", "--ignore-not-found")).toEqual({ code: 0, out: "", err: "" });
    expect(await run("get", "pod", "single", "-A")).toMatchObject({ code: 2, out: "" });
    expect(await run("get", "pod", "single", "-l", "a")).toMatchObject({ code: 2, out: "" });
  });

  it("get --watch prints what is there, and then every change in the same columns", async () => {
    await run("apply", "-f", "all.yaml");
    const watching = start("get", "rc", "-w");
    const said: string[] = [];
    watching.stdout?.setEncoding("utf8").on("data", (text: string) => said.push(text));
    await expect.poll(() => said.join(""), { timeout: 10_000 }).toMatch(/^NAME .*\nweb +2 .*\n$/);
    await run("scale", "rc/web", "--replicas", "5");
    await expect.poll(() => said.join(""), { timeout: 10_000 }).toMatch(/\nweb +2 .*\nweb +5 .*\n$/);
    await run("delete", "rc/web");
    await expect.poll(() => said.join("").trim().split("\n").length, { timeout: 10_000 }).toBe(4);
    watching.kill();
    expect(await run("get", "rc,pods", "-w")).toMatchObject({ code: 2 });
  });

  it("delete takes kubectl's words, and refuses what no cluster is without", async () => {
    await run("apply", "-f", "all.yaml");
    const dry = await run("delete", "rc", "--all", "--dry-run=server");
    expect(dry).toMatchObject({ code: 0, out: "replicationcontroller/web deleted (server dry run)\n" });
    const mixed = await run("delete", "ns", "default", "shop", "none");
    expect(mixed).toMatchObject({ code: 1, out: "namespace/shop deleted\n" });
    expect(mixed.err.trim().split("\n")).toEqual([
      'trunkline: namespaces "default" is forbidden: this namespace may not be deleted',
      "trunkline: Namespace 'none' does not exist",
    ]);
    const words = ["--force", "--grace-period=0", "--wait=false", "-o", "name"];
    expect((await run("delete", "rc,pods", "--all", ...words)).out).toBe("replicationcontroller/web\n");
    expect((await run("get", "ns", "-o", "name")).out).toBe("namespace/default\n");
    expect((await run("apply", "-f", "all.yaml", "--dry-run=client")).out).toMatch(
      /replicationcontroller\/web created \(dry run\)/,
    );
    expect((await run("apply", "-f", "all.yaml", "--dry-run=none")).out).toMatch(/web created\n/);
  });

  it("scale takes labels and several workloads", async () => {
    await run("apply", "-f", "all.yaml");
    expect((await run("scale", "rc", "-l", "app=web", "--replicas=0")).out).toMatch(/web scaled/);
    expect(await run("scale", "rc", "--replicas=0")).toMatchObject({ code: 2 });
    expect(await run("scale", "rc", "-l", "app=none", "--replicas=0")).toMatchObject({
      code: 0,
      err: "No replicationcontrollers in namespace default\n",
    });
    expect(await run("scale", "rc/none", "rc/web", "--replicas=1")).toMatchObject({ code: 1 });
    expect((await run("get", "rc")).out).toMatch(/web +1 /);
  });

  it("an input with mistakes ends with 2, says where, and changes nothing", async () => {
    file(
      "bad.yaml",
      "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: fine\n---\napiVersion:v1\nkind: Pod\n---\na: 1\na: 2\n",
    );
    const { code, out, err } = await run("apply", "-f", "bad.yaml");
    expect([code, out]).toEqual([2, ""]);
    expect(err.split("\n").slice(0, 2)).toEqual([
      "bad.yaml:6:12: a space is missing after 'apiVersion:', so this is no field but plain text. Write 'apiVersion: v1'",
      "bad.yaml:10:1: the key 'a' stands twice in one object",
    ]);
    expect((await run("get", "ns", "-o", "name")).out).toBe("");
  });

  it("wrong use ends with 2", async () => {
    for (const words of [
      ["gte"],
      ["get", "podz"],
      ["get", "pods", "--nmaespace", "x"],
      ["apply"],
      ["wait", "pods"],
    ]) {
      const { code, err } = await run(...words);
      expect([words, code]).toEqual([words, 2]);
      expect(err).not.toMatch(/unexpected| at /);
    }
    expect((await run("get", "podz")).err).toMatch(/did you mean 'pods'/);
  });

  it("wait sees what another process writes, and says what is missing when the time is up", async () => {
    await run("apply", "-f", "all.yaml");
    const late = await run("wait", "--for", "ready", "rc/web", "--timeout", "50ms");
    expect(late).toMatchObject({ code: 1, out: "" });
    expect(late.err).toMatch(/replicationcontroller\/web: 0 of 2 pods are ready/);
    const waiting = start("wait", "--for", "ready", "--all");
    const here = openSqliteStore(store);
    const web = await here.get(replicationControllerKind, "web", "default");
    const single = await here.get(podKind, "single", "shop");
    if (!web || !single) throw new TypeError("the objects are missing");
    await here.update(replicationControllerKind, { ...web, status: { replicas: 2, readyReplicas: 2 } });
    await here.update(podKind, { ...single, status: { conditions: [{ type: "Ready", status: "True" }] } });
    await here.close();
    expect(await result(waiting)).toMatchObject({ code: 0, out: "2 objects are ready\n" });
  });
});
