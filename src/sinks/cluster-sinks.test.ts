import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { configMapKind } from "../api/kinds/core.ts";
import { secretKind } from "../api/kinds/secret.ts";
import { openStandIn, type StandIn } from "../cloud/alibaba/stand-in.suite.ts";
import { memoryStore } from "../store/memory.ts";
import { sinkOf } from "./make.ts";
import type { SinkList, SinkPlace } from "./sink.ts";

const listOf = (...ranges: string[]): SinkList => ({
  name: "db",
  to: "host/db",
  ranges,
  sources: ranges.map((range) => ({ range, why: "default/a" })),
});

let store: ReturnType<typeof memoryStore>;
let place: SinkPlace;
beforeEach(() => {
  store = memoryStore();
  place = { netns: "self", folders: [], store };
});
afterEach(() => store.close());

describe("the sink of a ConfigMap", () => {
  const sink = sinkOf({ name: "c", configMap: { namespace: "shop", name: "admitted" } });
  const data = async () => (await store.get(configMapKind, "admitted", "shop"))?.data;

  it("makes it, and keeps it equal", async () => {
    await sink(listOf("10.0.0.1/32"), place);
    expect((await data())?.["ranges"]).toBe("10.0.0.1/32\n");
    await sink(listOf("10.0.0.1/32", "10.0.0.4/32"), place);
    expect(await data()).toMatchObject({
      ranges: "10.0.0.1/32\n10.0.0.4/32\n",
      "list.csv": expect.stringContaining("10.0.0.4/32,default/a"),
    });
    const before = (await store.get(configMapKind, "admitted", "shop"))?.metadata.resourceVersion;
    await sink(listOf("10.0.0.1/32", "10.0.0.4/32"), place);
    expect((await store.get(configMapKind, "admitted", "shop"))?.metadata.resourceVersion).toBe(before);
  });

  it("leaves somebody else's alone", async () => {
    const metadata = { name: "admitted", namespace: "shop" };
    await store.create(configMapKind, { apiVersion: "v1", kind: "ConfigMap", metadata, data: { a: "b" } });
    await expect(sink(listOf("10.0.0.1/32"), place)).rejects.toThrow("somebody else's");
    expect(await data()).toEqual({ a: "b" });
  });
});

describe("the sink of an HTTP server", () => {
  let server: Server;
  let url: string;
  let answer: { status: number; text?: string; location?: string };
  const seen: { method: string; authorization: string | undefined; body: string }[] = [];
  beforeEach(async () => {
    seen.length = 0;
    answer = { status: 204 };
    server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => (body += String(chunk)));
      request.on("end", () => {
        seen.push({ method: request.method ?? "", authorization: request.headers.authorization, body });
        response.writeHead(answer.status, answer.location === undefined ? {} : { location: answer.location });
        response.end(answer.text);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/lists/db`;
  });
  afterEach(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  const tokenSecret = { namespace: "kube-system", name: "lists" };
  const sink = () => sinkOf({ name: "h", http: { url, tokenSecret } });
  const secret = (token: string) =>
    store.create(secretKind, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "lists", namespace: "kube-system" },
      data: { token: Buffer.from(token).toString("base64") },
    });

  it("puts the list with the token, once", async () => {
    await secret("s3cret\n");
    const put = sink();
    await put(listOf("10.0.0.1/32"), place);
    await put(listOf("10.0.0.1/32"), place);
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({ method: "PUT", authorization: "Bearer s3cret" });
    expect(JSON.parse(seen[0]!.body)).toMatchObject({ list: "db", to: "host/db", ranges: ["10.0.0.1/32"] });
  });

  it("says what the server said, tells nobody the token, and puts it again", async () => {
    await secret("s3cret");
    const put = sink();
    for (const bad of [
      { status: 500, text: "no\nroom" },
      { status: 302, location: url },
      { status: 400, text: "you sent Authorization: Bearer s3cret and s3cret" },
      // Cut off within it.
      ...Array.from({ length: 12 }, (_, at) => ({
        status: 400,
        text: `${"x".repeat(180 + at)} Bearer s3cret`,
      })),
    ]) {
      answer = bad;
      const error: unknown = await put(listOf("10.0.0.1/32"), place).catch((thrown: unknown) => thrown);
      expect(String(error)).toContain(`status ${bad.status}`);
      expect(String(error)).not.toMatch(/s3cr/);
    }
    answer = { status: 200, text: "x" };
    await put(listOf("10.0.0.1/32"), place);
    expect(seen).toHaveLength(16);
  });

  it("asks nobody without its token", async () => {
    await expect(sink()(listOf("10.0.0.1/32"), place)).rejects.toThrow("has no token in key 'token'");
    await secret("two\nlines");
    await expect(sink()(listOf("10.0.0.1/32"), place)).rejects.toThrow("has no token");
    expect(seen).toEqual([]);
  });
});

describe("the sink of ApsaraDB RDS, at the stand-in", () => {
  let standIn: StandIn;
  beforeEach(async () => {
    const opened = await openStandIn();
    standIn = opened.standIn;
    place = { ...place, cloud: opened.cloud };
    standIn.admitting.lists.set(
      "rm-1",
      new Map([
        ["default", "127.0.0.1"],
        ["others", "10.9.0.0/16,10.8.0.1"],
      ]),
    );
  });
  afterEach(() => standIn.close());
  const sink = sinkOf({ name: "r", rds: { region: "cn-test", instance: "rm-1" } });
  const lists = () => Object.fromEntries(standIn.admitting.lists.get("rm-1") ?? []);

  it("writes a list of its own, only where it differs, and no other", async () => {
    await sink(listOf("10.0.0.1/32", "10.0.1.0/24"), place);
    expect(lists()).toEqual({
      default: "127.0.0.1",
      others: "10.9.0.0/16,10.8.0.1",
      trunkline_db: "10.0.0.1,10.0.1.0/24",
    });
    await sink(listOf("10.0.0.1/32", "10.0.1.0/24"), place);
    expect(standIn.requests.filter(({ action }) => action === "ModifySecurityIps")).toHaveLength(1);
    await sink(listOf(), place);
    expect(lists()["trunkline_db"]).toBe("127.0.0.1");
  });

  it("says what the cloud says, and writes nothing that it would not take", async () => {
    standIn.mishaps.push({ code: "IncorrectDBInstanceState" });
    await expect(sink(listOf("10.0.0.1/32"), place)).rejects.toThrow("IncorrectDBInstanceState");
    const many = Array.from({ length: 998 }, (_, at) => `10.1.${at >> 8}.${at & 255}/32`);
    await expect(sink(listOf(...many), place)).rejects.toThrow("maxEntries");
    await expect(sink(listOf("fd00::1/128"), place)).rejects.toThrow("IPv4 only");
    expect(lists()).not.toHaveProperty("trunkline_db");
    await expect(sink(listOf("10.0.0.1/32"), { netns: "self", folders: [] })).rejects.toThrow("--provider");
  });
});

describe("what pods ask the webhook injector for, at the stand-in", () => {
  let standIn: StandIn;
  beforeEach(async () => {
    const opened = await openStandIn();
    standIn = opened.standIn;
    place = { ...place, cloud: opened.cloud };
  });
  afterEach(() => standIn.close());

  it("writes a list of a Redis instance, and no other", async () => {
    standIn.admitting.lists.set("r-1", new Map([["default", "127.0.0.1"]]));
    const sink = sinkOf({
      name: "r",
      redis: { region: "cn-test", instance: "r-1", listName: "trunkline_app" },
    });
    await sink(listOf("10.0.0.1/32", "10.0.1.0/24"), place);
    await sink(listOf("10.0.0.1/32", "10.0.1.0/24"), place);
    expect(Object.fromEntries(standIn.admitting.lists.get("r-1") ?? [])).toEqual({
      default: "127.0.0.1",
      trunkline_app: "10.0.0.1,10.0.1.0/24",
    });
    expect(standIn.requests.filter(({ action }) => action === "ModifySecurityIps")).toHaveLength(1);
  });

  it("writes rules of a security group, touches none of others, and puts right what was changed", async () => {
    const foreign = {
      SecurityGroupRuleId: "sgr-x",
      SourceCidrIp: "10.0.0.1",
      IpProtocol: "TCP",
      PortRange: "22/22",
      Policy: "Accept",
      Description: "trunkline other",
    };
    standIn.admitting.groups.set("sg-1", [foreign]);
    const rules = () => standIn.admitting.groups.get("sg-1") ?? [];
    const ours = () =>
      rules().flatMap((one) =>
        one === foreign ? [] : [`${one.SourceCidrIp} ${one.IpProtocol} ${one.PortRange}`],
      );
    const sink = sinkOf({ name: "g", securityGroup: { region: "cn-test", group: "sg-1" } });
    await sink(listOf("10.0.0.1/32", "10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24"), place);
    expect(ours()).toEqual([
      "10.0.0.1 ALL -1/-1",
      "10.0.1.0/24 ALL -1/-1",
      "10.0.2.0/24 ALL -1/-1",
      "10.0.3.0/24 ALL -1/-1",
    ]);
    const before = standIn.requests.length;
    await sink(listOf("10.0.0.1/32", "10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24"), place);
    expect(
      standIn.requests.slice(before).every(({ action }) => action === "DescribeSecurityGroupAttribute"),
    ).toBe(true);
    await sink(listOf("10.0.3.0/24", "10.0.4.4/32"), place);
    expect(ours()).toEqual(["10.0.3.0/24 ALL -1/-1", "10.0.4.4 ALL -1/-1"]);
    const narrow = sinkOf({
      name: "g",
      securityGroup: { region: "cn-test", group: "sg-1", protocol: "tcp", ports: "6379/6379" },
    });
    await narrow(listOf("10.0.3.0/24"), place);
    expect(ours()).toEqual(["10.0.3.0/24 TCP 6379/6379"]);
    await narrow(listOf(), place);
    expect(rules()).toEqual([foreign]);
    standIn.mishaps.push({ code: "InvalidSecurityGroupId.NotFound" });
    await expect(narrow(listOf("10.0.3.0/24"), place)).rejects.toThrow("InvalidSecurityGroupId.NotFound");
  });
});
