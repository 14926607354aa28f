// Servers of AddressLists' sinks that refuse, talk nonsense or say nothing at all: the list's status tells it of each, what
// does not depend on them goes on, and they have the newest list once they are themselves again.
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AddressList, SinkState } from "../../../src/api/kinds/address-list.ts";
import { cidrSize, tryParseCidr } from "../../../src/base/ip.ts";
import { Commands } from "../../e2e/trunkline.ts";

const trunkline = new Commands();
const { folder, file } = trunkline;
const eventually = { timeout: 40_000, interval: 100 };

const lab = `
name: servers
addressCooldown: 1s
networks: [{name: nodes, cidr: 192.168.18.0/24}]
nodes: [{name: node1, address: 192.168.18.11}]
hosts: [{name: db, address: 192.168.18.20, ports: [5432]}]
`;
const workload = (replicas: number) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c}]}
`;
const pool = `
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: pods}
spec: {cidr: 172.16.0.0/16, natOutgoing: false}
---
${workload(1)}`;

/** What a server does with what it hears; undefined: nobody listens. */
type Mood = ((socket: Socket, heard: string) => void) | undefined;

/** A server in the place of a real one. */
class StandIn {
  #mood: Mood;
  #server: Server | undefined;
  readonly #open = new Set<Socket>();
  readonly #listen: (server: Server, done: () => void) => void;

  constructor(listen: (server: Server, done: () => void) => void) {
    this.#listen = listen;
  }

  async become(mood: Mood): Promise<void> {
    this.#mood = mood;
    for (const socket of this.#open) socket.destroy();
    if (mood === undefined) {
      const server = this.#server;
      this.#server = undefined;
      await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
      return;
    }
    if (this.#server) return;
    this.#server = createServer((socket) => {
      this.#open.add(socket.on("close", () => this.#open.delete(socket)).on("error", () => {}));
      socket.on("data", (heard) => this.#mood?.(socket, heard.toString()));
    });
    await new Promise<void>((resolve) => this.#listen(this.#server!, resolve));
  }
}

let port = 0;
const at = (name: string) => path.join(folder, name);
const onSocket = (name: string) =>
  new StandIn((server, done) => {
    rmSync(at(name), { force: true });
    server.listen(at(name), () => {
      chmodSync(at(name), 0o777);
      done();
    });
  });
const servers = {
  haproxy: onSocket("admin.sock"),
  postgres: onSocket(".s.PGSQL.5432"),
  http: new StandIn((server, done) => {
    server.listen(port, "127.0.0.1", () => {
      ({ port } = server.address() as AddressInfo);
      done();
    });
  }),
};
const all = async (mood: Mood) => {
  for (const server of Object.values(servers)) await server.become(mood);
};

const list = () => `
apiVersion: trunkline.dev/v1alpha1
kind: AddressList
metadata: {name: db}
spec:
  for: [{workload: deployment/web, namespaces: [default]}]
  to: host/db:5432
  rest: 1s
  wait: 1s
  sinks:
  - {name: plain, file: {path: ${at("plain.txt")}}}
  - {name: haproxy, haproxy: {path: ${at("allow.lst")}, socket: ${at("admin.sock")}}}
  - {name: postgres, postgres: {path: ${at("pg_hba.conf")}, socketFolder: ${folder}}}
  - {name: http, http: {url: "http://127.0.0.1:${port}/list"}}
`;

beforeAll(async () => {
  // The file's owner asks the server, and must get at its socket.
  chmodSync(folder, 0o755);
  mkdirSync(folder, { recursive: true });
  writeFileSync(at("pg_hba.conf"), "local all all trust\n");
  writeFileSync(at("allow.lst"), "");
  await servers.http.become(() => {});
  await all(undefined);
  await trunkline.up(file("lab.yaml", lab));
  await trunkline.ask("apply", "-f", file("pool.yaml", pool));
  await trunkline.ask("apply", "-f", file("list.yaml", list()));
});
afterAll(async () => {
  await all(undefined);
  await trunkline.end();
});

const status = async () => (await trunkline.json<AddressList>("get", "addresslist", "db")).status;
const sinks = async (): Promise<ReadonlyMap<string, SinkState>> =>
  new Map(((await status())?.sinks ?? []).map((sink) => [sink.name, sink]));
const errorOf = async (name: string) => (await sinks()).get(name)?.error ?? "";

let replicas = 1;
/** One pod more, which the sink that works has at once, and which starts after its wait at the latest. */
async function more(): Promise<void> {
  replicas++;
  await trunkline.ask("apply", "-f", file("web.yaml", workload(replicas)));
  await trunkline.ask("wait", "--for", "ready", "--all", "--timeout", "20s");
  await expect
    .poll(() => admitted(readFileSync(at("plain.txt"), "utf8").split("\n")), eventually)
    .toBe(replicas);
}

/** Returns how many addresses there are in lines that begin with one or a range: neighbours share a range. */
function admitted(lines: readonly string[]): number {
  const ranges = lines.flatMap((line) => tryParseCidr(line.split(" ")[0] ?? "") ?? []);
  return ranges.reduce((sum, range) => sum + Number(cidrSize(range)), 0);
}

// In this order: what they have missed by then is what they catch up with.
describe("servers of sinks", { shuffle: false }, () => {
  it.each<[string, Mood, Record<keyof typeof servers, RegExp>]>([
    [
      "refuse",
      undefined,
      { haproxy: /ENOENT|ECONNREFUSED|HAProxy/, postgres: /PostgreSQL/, http: /ECONNREFUSED/ },
    ],
    [
      "talk nonsense",
      (socket) => void socket.end("220 mail.example.com ESMTP\r\n"),
      { haproxy: /220 mail/, postgres: /PostgreSQL/, http: /Parse Error/ },
    ],
    ["say nothing", () => {}, { haproxy: /no answer/, postgres: /PostgreSQL/, http: /timeout|aborted/i }],
  ])("that %s", async (_, mood, errors) => {
    await expect.poll(async () => (await sinks()).get("plain")?.revision, eventually).toBeGreaterThan(0);
    await all(mood);
    await more();
    for (const [name, error] of Object.entries(errors))
      await expect.poll(() => errorOf(name), eventually).toMatch(error);
    const { revision } = (await status()) ?? {};
    expect((await sinks()).get("plain")).toMatchObject({ revision });
    expect(await errorOf("plain")).toBe("");
  });

  it("that are themselves again have the newest list", { timeout: 60_000 }, async () => {
    const acl: string[] = [];
    let put = "";
    await servers.haproxy.become((socket, heard) => {
      const added = /^add acl \S+ (\S+)/.exec(heard)?.[1];
      if (added !== undefined) acl.push(added);
      socket.end(heard.startsWith("show acl") ? acl.map((one) => `0x1 ${one}\n`).join("") : "");
    });
    await servers.http.become((socket, heard) => {
      put = heard;
      socket.end("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    });
    await expect.poll(() => errorOf("haproxy"), eventually).toBe("");
    await expect.poll(() => errorOf("http"), eventually).toBe("");
    const { revision } = (await status()) ?? {};
    const now = await sinks();
    for (const name of ["haproxy", "http"])
      expect(now.get(name)).toMatchObject({ revision, ranges: now.get("plain")?.ranges });
    expect(admitted(acl)).toBe(replicas);
    expect(put).toMatch(/^PUT \/list /);
  });
});
