import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { kubeconfigAccess, podAccess } from "./access.ts";
import { execToken, fileToken, type PluginCall } from "./token.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "trunkline-access-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function config(user: object, cluster: object = {}, rest: object = {}): string {
  const file = path.join(folder, "config");
  const text = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "one",
    contexts: [{ name: "one", context: { cluster: "c", user: "u", namespace: "shop" } }],
    clusters: [{ name: "c", cluster: { server: "https://api.example:6443/prefix/", ...cluster } }],
    users: [{ name: "u", user }],
    ...rest,
  };
  writeFileSync(file, JSON.stringify(text));
  return file;
}

describe("a kubeconfig", () => {
  it("names server, namespace, certificates by data or by files beside it, and a token", async () => {
    const data = Buffer.from("PEM").toString("base64");
    const user = { token: "t", "client-certificate": "client.crt", "client-key-data": data };
    const file = config(user, { "certificate-authority-data": data, "tls-server-name": "other" });
    const access = kubeconfigAccess(file);
    expect(access).toMatchObject({
      server: "https://api.example:6443",
      base: "/prefix",
      ca: { text: "PEM" },
      cert: { file: path.join(folder, "client.crt") },
      key: { text: "PEM" },
      serverName: "other",
      insecure: false,
      namespace: "shop",
    });
    expect(await access.token?.get()).toBe("t");
  });

  it("takes a token's file before its text, as kubectl does", async () => {
    writeFileSync(path.join(folder, "token"), "from-file\n");
    const access = kubeconfigAccess(config({ token: "t", tokenFile: "token" }));
    expect(await access.token?.get()).toBe("from-file");
  });

  it.each([
    [{}, {}, { "current-context": "" }, "current-context"],
    [{}, {}, { contexts: [] }, "no context 'one'"],
    [{}, {}, { clusters: [] }, "cluster 'c'"],
    [{}, { server: "api" }, {}, "no server that is a URL"],
    [{ token: "t" }, { server: "http://api:80" }, {}, "is not https"],
    [{ username: "me", password: "x" }, {}, {}, "not supported"],
    [
      { exec: { command: "get-token", apiVersion: "client.authentication.k8s.io/v1" } },
      {},
      {},
      "cannot be started here",
    ],
  ])("is refused with the reason (%#)", (user, cluster, rest, why) => {
    expect(() => kubeconfigAccess(config(user, cluster, rest))).toThrow(why);
  });

  it("is refused when it is not there, or no YAML, in words without its secrets", () => {
    expect(() => kubeconfigAccess(path.join(folder, "no"))).toThrow("ENOENT");
    writeFileSync(path.join(folder, "bad"), "a: [");
    expect(() => kubeconfigAccess(path.join(folder, "bad"))).toThrow(
      expect.objectContaining({ code: "store.access" }),
    );
  });

  it("has its credentials plugin called by whoever may start programs", async () => {
    const calls: PluginCall[] = [];
    const run = async (call: PluginCall) => {
      calls.push(call);
      return JSON.stringify({ kind: "ExecCredential", status: { token: `t${calls.length}` } });
    };
    const exec = {
      command: "./bin/get",
      args: ["--now"],
      env: [{ name: "A", value: "b" }],
      apiVersion: "client.authentication.k8s.io/v1",
    };
    const access = kubeconfigAccess(config({ exec }), { run });
    expect(await Promise.all([access.token?.get(), access.token?.get()])).toEqual(["t1", "t1"]);
    expect(calls[0]).toMatchObject({
      command: path.join(folder, "bin/get"),
      args: ["--now"],
      env: { A: "b" },
    });
    access.token?.refused();
    expect(await access.token?.get()).toBe("t2");
  });
});

describe("a pod's access", () => {
  it("comes from its environment, IPv6 too; outside of a pod it says so", () => {
    expect(
      podAccess({ KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" }, folder),
    ).toMatchObject({
      server: "https://[fd00::1]:443",
      ca: { file: path.join(folder, "ca.crt") },
    });
    expect(() => podAccess({}, folder)).toThrow("KUBERNETES_SERVICE_HOST");
  });
});

describe("a token", () => {
  it("of a file is read again once in a while, at once after a refusal, and kept while the file is away", async () => {
    const file = path.join(folder, "token");
    let now = 0;
    const token = fileToken(file, () => now);
    await expect(token.get()).rejects.toMatchObject({ code: "store.access" });
    writeFileSync(file, "one\n");
    expect(await token.get()).toBe("one");
    writeFileSync(file, "two\n");
    expect(await token.get()).toBe("one");
    now = 11_000;
    expect(await token.get()).toBe("two");
    writeFileSync(file, "three\n");
    token.refused();
    expect(await token.get()).toBe("three");
    rmSync(file);
    token.refused();
    expect(await token.get()).toBe("three");
  });

  it("of a plugin is asked for anew before it ends; what the plugin printed is not repeated in an error", async () => {
    let now = 0;
    let text = JSON.stringify({
      status: { token: "a", expirationTimestamp: new Date(100_000).toISOString() },
    });
    const call = { command: "get", args: [], env: {}, apiVersion: "client.authentication.k8s.io/v1" };
    const token = execToken(
      call,
      async () => text,
      () => now,
    );
    expect(await token.get()).toBe("a");
    text = "my-secret";
    now = 69_000;
    expect(await token.get()).toBe("a");
    now = 71_000;
    await expect(token.get()).rejects.toThrow(
      expect.objectContaining({ message: expect.not.stringContaining("my-secret") }),
    );
  });
});
