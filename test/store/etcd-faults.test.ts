// What happens to a store when etcd's members die, hang, lose their history or come back with an older one.
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ConfigMap, configMapKind } from "../../src/api/kinds/core.ts";
import { etcdStore } from "../../src/store/etcd/store.ts";
import { Informer } from "../../src/store/informer.ts";
import { map } from "../../src/store/store.suite.ts";
import type { Store } from "../../src/store/store.ts";
import { type EtcdCluster, type EtcdTls, startEtcd } from "./etcd-cluster.ts";

const closing: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function cluster(size: number, tls?: EtcdTls): Promise<EtcdCluster> {
  const made = await startEtcd(size, tls);
  closing.push(() => made.close());
  return made;
}

function open(endpoints: readonly string[], tls?: EtcdTls): Store {
  const store = etcdStore({ endpoints, timeoutMs: 1000, ...(tls && { tls }) });
  closing.push(() => store.close());
  return store;
}

function follow(store: Store): Informer<ConfigMap> {
  const informer = new Informer(store, configMapKind, { backoffMs: [20, 200] }).start();
  closing.push(() => informer.stop());
  return informer;
}

async function names(
  informer: { cache: ReadonlyMap<string, unknown> },
  wanted: readonly string[],
): Promise<void> {
  await expect
    .poll(() => [...informer.cache.keys()].toSorted(), { timeout: 20_000, interval: 20 })
    .toEqual(wanted);
}

describe("one member", () => {
  let etcd: EtcdCluster;
  beforeEach(async () => {
    etcd = await cluster(1);
  });

  it("is killed and comes back: watches go on where they were, and tell each change once", async () => {
    const store = open(etcd.endpoints);
    const { revision } = await store.list(configMapKind);
    const seen: string[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const event of store.watch(configMapKind, { from: revision, signal: stop.signal }))
        if (event.type !== "bookmark") seen.push(`${event.type} ${event.object.metadata.name}`);
    })();
    for (const name of ["a", "b", "c"]) {
      await store.create(configMapKind, map(name));
      await etcd.kill(0);
      await etcd.start(0);
    }
    await store.delete(configMapKind, "b", "a");
    await expect
      .poll(() => seen, { timeout: 20_000 })
      .toEqual(["added a", "added b", "added c", "deleted b"]);
    stop.abort();
    await watching;
  });

  it("is away: what is asked ends with a reason, in bounded time", async () => {
    const store = open(etcd.endpoints);
    await etcd.kill(0);
    await expect(store.list(configMapKind)).rejects.toMatchObject({ code: "store.unreachable" });
    await expect(store.create(configMapKind, map("a"))).rejects.toMatchObject({ code: "store.unreachable" });
  });

  it("hangs without a word: a watch notices and goes on when it is back", async () => {
    const store = open(etcd.endpoints);
    const informer = follow(store);
    await informer.synced;
    etcd.pause(0);
    await expect(store.get(configMapKind, "x", "a")).rejects.toMatchObject({ code: "store.unreachable" });
    etcd.resume(0);
    await store.create(configMapKind, map("later"));
    await names(informer, ["a/later"]);
  });

  it("forgets its history while a watcher is away: the objects are listed again, and what went is told", async () => {
    const store = open(etcd.endpoints);
    const informer = follow(store);
    await store.create(configMapKind, map("goes"));
    await store.create(configMapKind, map("stays"));
    await names(informer, ["a/goes", "a/stays"]);
    const gone: string[] = [];
    informer.on((change) => change.type === "deleted" && gone.push(change.object.metadata.name));
    await etcd.kill(0);
    await etcd.start(0);
    etcd.etcdctl("del", "/trunkline/v1/ConfigMap/a/goes");
    etcd.etcdctl("put", "noise", "1");
    await etcd.compact();
    await names(informer, ["a/stays"]);
    expect(gone).toEqual(["goes"]);
  });

  it("is restored from an older backup: nobody keeps what the backup does not know", async () => {
    const store = open(etcd.endpoints);
    await store.create(configMapKind, map("old"));
    const snapshot = path.join(etcd.folder, "snapshot.db");
    etcd.etcdctl("snapshot", "save", snapshot);
    const informer = follow(store);
    for (let n = 0; n < 20; n++) await store.create(configMapKind, map(`young${n}`));
    await expect.poll(() => informer.cache.size, { timeout: 20_000 }).toBe(21);
    await etcd.restore(snapshot);
    await names(informer, ["a/old"]);
    // Also once the restored history has more revisions than the one that was lost.
    for (let n = 0; n < 30; n++) etcd.etcdctl("put", "noise", String(n));
    await store.create(configMapKind, map("new"));
    await names(informer, ["a/new", "a/old"]);
  });

  it("refuses what is too large at once, in words; it is not tried again", async () => {
    const store = open(etcd.endpoints);
    for (const bytes of [1_700_000, 3_000_000]) {
      const big = store.create(configMapKind, map("big", { text: "x".repeat(bytes) }));
      await expect(big).rejects.toMatchObject({ code: "store.too-large" });
    }
  });

  it("acts although its answer is lost: a create and an update that took place are successes", async () => {
    const proxy = await lossyProxy(Number(new URL(etcd.endpoints[0]!).port));
    closing.push(proxy.close);
    const store = open([`http://127.0.0.1:${proxy.port}`]);
    const first = await store.create(configMapKind, map("one"));
    proxy.loseAnswers("/v3/kv/txn", 1);
    const second = await store.update(configMapKind, { ...first, data: { k: "2" } });
    proxy.loseAnswers("/v3/kv/txn", 1);
    const made = await store.create(configMapKind, map("two"));
    proxy.loseAnswers("/v3/kv/txn", 1);
    await store.delete(configMapKind, "one", "a");
    expect(await store.get(configMapKind, "one", "a")).toBeUndefined();
    expect(await store.get(configMapKind, "two", "a")).toEqual(made);
    expect(second.data).toEqual({ k: "2" });
    expect(proxy.lost()).toBe(3);
  });
});

describe("three members", () => {
  it("go on without one, and a watch on the lost one moves to another", async () => {
    const etcd = await cluster(3);
    const store = open(etcd.endpoints);
    const informer = follow(store);
    await store.create(configMapKind, map("before"));
    await names(informer, ["a/before"]);
    await etcd.kill(0);
    await expect
      .poll(() => store.create(configMapKind, map("after")).then(() => "done", String), { timeout: 20_000 })
      .toMatch(/done|exists/);
    await names(informer, ["a/after", "a/before"]);
    await etcd.start(0);
    etcd.pause(1);
    await expect
      .poll(() => store.create(configMapKind, map("third")).then(() => "done", String), { timeout: 20_000 })
      .toMatch(/done|exists/);
    await names(informer, ["a/after", "a/before", "a/third"]);
    etcd.resume(1);
  });
});

describe("mutual TLS", () => {
  it("admits who has a certificate; a renewed one is used without a restart", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "trunkline-etcd-tls-"));
    closing.push(() => rmSync(folder, { recursive: true }));
    const good = certificates(folder, "good");
    const other = certificates(folder, "other");
    const etcd = await cluster(1, good);
    const files: EtcdTls = {
      ca: good.ca,
      cert: path.join(folder, "used.crt"),
      key: path.join(folder, "used.key"),
    };
    cpSync(other.cert, files.cert);
    cpSync(other.key, files.key);
    const store = open(etcd.endpoints, files);
    await expect(store.list(configMapKind)).rejects.toMatchObject({ code: "store.unreachable" });
    cpSync(good.cert, files.cert);
    cpSync(good.key, files.key);
    await store.create(configMapKind, map("one"));
    const informer = follow(store);
    await names(informer, ["a/one"]);
    const strange = open(etcd.endpoints, { ...files, ca: other.ca });
    await expect(strange.list(configMapKind)).rejects.toMatchObject({ code: "store.unreachable" });
    const missing = open(etcd.endpoints, { ...files, ca: path.join(folder, "no.crt") });
    await expect(missing.list(configMapKind)).rejects.toMatchObject({ code: "store.tls" });
  });
});

/** A certification authority of its own, and one certificate for server and client. */
function certificates(folder: string, name: string): EtcdTls {
  const file = (end: string) => path.join(folder, `${name}${end}`);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "ignore" });
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...curve,
    "-keyout",
    file("-ca.key"),
    "-out",
    file("-ca.crt"),
    "-subj",
    `/CN=${name}-ca`,
  );
  openssl("req", ...curve, "-keyout", file(".key"), "-out", file(".csr"), "-subj", `/CN=${name}`);
  writeFileSync(file(".ext"), "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n");
  const signed = [
    "-CA",
    file("-ca.crt"),
    "-CAkey",
    file("-ca.key"),
    "-CAcreateserial",
    "-extfile",
    file(".ext"),
  ];
  openssl("x509", "-req", "-in", file(".csr"), "-out", file(".crt"), "-days", "2", ...signed);
  return { ca: file("-ca.crt"), cert: file(".crt"), key: file(".key") };
}

/** Passes connections on, and cuts those whose answer is to be lost: the request arrives, the answer does not. */
async function lossyProxy(to: number) {
  let word = "";
  let left = 0;
  let lost = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(to, "127.0.0.1");
    sockets.add(client).add(upstream);
    let cut = false;
    client.on("data", (data: Buffer) => {
      if (left > 0 && data.includes(word)) {
        left--;
        cut = true;
      }
      upstream.write(data);
    });
    upstream.on("data", (data: Buffer) => {
      if (!cut) return void client.write(data);
      lost++;
      client.destroy();
      upstream.destroy();
    });
    for (const socket of [client, upstream]) {
      socket.on("error", () => {});
      socket.on("close", () => {
        client.destroy();
        upstream.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as { port: number }).port,
    loseAnswers(path: string, times: number) {
      word = path;
      left = times;
    },
    lost: () => lost,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
