// Real servers that read lists, on loopback addresses: whoever calls from 127.0.0.N is told apart by that.
import { randomInt } from "node:crypto";
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { AddressListSink } from "../../../src/api/kinds/address-list.ts";
import { type Daemon, run, startDaemon } from "../../../src/kernel/exec/index.ts";

export interface Server {
  readonly spec: AddressListSink;
  readonly folder: string;
  /** The file that the list is in. */
  readonly file: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Whether it takes a new connection from that address now. */
  admits(from: string): Promise<boolean>;
  /** Writes into its configuration what it cannot read. */
  breakIt(): void;
  close(): Promise<void>;
}

function bed(name: string) {
  const folder = mkdtempSync(path.join(tmpdir(), `trunkline-sink-${name}-`));
  let daemon: Daemon | undefined;
  return {
    folder,
    port: randomInt(20_000, 30_000),
    async run(command: string, args: readonly string[]): Promise<void> {
      daemon = await startDaemon(command, args, { logFile: path.join(folder, "log") });
    },
    async stop(): Promise<void> {
      await daemon?.stop(10_000);
      daemon = undefined;
    },
    async close(): Promise<void> {
      await daemon?.stop(10_000);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function until(holds: () => Promise<unknown>): Promise<void> {
  for (let left = 1000; ; left--) {
    try {
      await holds();
      return;
    } catch (error) {
      if (left === 0) throw error;
      await pause(10);
    }
  }
}

function statusFrom(localAddress: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: "127.0.0.1", port, localAddress, agent: false, timeout: 10_000 },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      },
    );
    asked.on("timeout", () => asked.destroy(new Error("no answer")));
    asked.on("error", reject);
    asked.end();
  });
}

export function nginxServer(): Server {
  const { folder, port, close, ...own } = bed("nginx");
  const file = path.join(folder, "allow.conf");
  const config = path.join(folder, "nginx.conf");
  writeFileSync(file, "deny all;\n");
  writeFileSync(path.join(folder, "index.html"), "here\n");
  const server = `listen 127.0.0.1:${port}; root ${folder}; include ${file};`;
  const http = `access_log off; server { ${server} }`;
  const text = `user root; daemon off; pid ${folder}/pid; error_log ${folder}/error.log; events {}\nhttp { ${http} }\n`;
  writeFileSync(config, text);
  return {
    spec: { name: "nginx", nginx: { path: file, config } },
    folder,
    file,
    async start() {
      await own.run("nginx", ["-c", config]);
      await until(() => statusFrom("127.0.0.1", port));
    },
    stop: own.stop,
    admits: async (from) => (await statusFrom(from, port)) === 200,
    breakIt: () => writeFileSync(config, `${text}nonsense;\n`),
    close,
  };
}

export function haproxyServer(value?: string): Server {
  const { folder, port, close, ...own } = bed("haproxy");
  const file = path.join(folder, "allow.lst");
  const config = path.join(folder, "haproxy.cfg");
  const socket = path.join(folder, "admin.sock");
  writeFileSync(file, "");
  const match = value === undefined ? `src -f ${file}` : `src,map_ip(${file},no) -m str ${value}`;
  const text = [
    "global",
    `  stats socket ${socket} mode 600 level admin`,
    "defaults",
    "  mode http",
    "  timeout client 10s",
    "  timeout server 10s",
    "  timeout connect 10s",
    "frontend f",
    `  bind 127.0.0.1:${port}`,
    `  http-request deny unless { ${match} }`,
    "  http-request return status 200",
    "",
  ].join("\n");
  writeFileSync(config, text);
  return {
    spec: { name: "haproxy", haproxy: { path: file, socket, ...(value !== undefined && { value }) } },
    folder,
    file,
    async start() {
      await own.run("haproxy", ["-db", "-f", config]);
      await until(() => statusFrom("127.0.0.1", port));
    },
    stop: own.stop,
    admits: async (from) => (await statusFrom(from, port)) === 200,
    breakIt: () => writeFileSync(config, "nonsense\n"),
    close,
  };
}

const programs = "/usr/lib/postgresql/15/bin";

export async function postgresServer(): Promise<Server> {
  const { folder, port, close, ...own } = bed("postgres");
  const data = path.join(folder, "data");
  const { stdout } = await run("id", ["-u", "postgres"]);
  const uid = Number(stdout);
  mkdirSync(data, { mode: 0o700 });
  for (const one of [folder, data]) chownSync(one, uid, uid);
  const asOwner = (args: readonly string[]) => [
    "--reuid=postgres",
    "--regid=postgres",
    "--clear-groups",
    "--",
    ...args,
  ];
  const initdb = [
    `${programs}/initdb`,
    "-D",
    data,
    "-A",
    "peer",
    "-E",
    "UTF8",
    "--no-sync",
    "--no-instructions",
  ];
  await run("setpriv", asOwner(initdb), { cwd: "/", timeoutMs: 60_000 });
  const file = path.join(data, "pg_hba.conf");
  const own_ = "local all all peer\n";
  writeFileSync(file, own_);
  const options = ["-k", folder, "-p", String(port), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"];
  const postgres = { path: file, socketFolder: folder, port, method: "trust" };
  return {
    spec: { name: "postgres", postgres },
    folder,
    file,
    async start() {
      await own.run("setpriv", asOwner([`${programs}/postgres`, "-D", data, ...options]));
      await until(() => firstByte("127.0.0.1", port));
    },
    stop: own.stop,
    admits: async (from) => (await firstByte(from, port)) === "R",
    breakIt: () => writeFileSync(file, `${own_}host all all 127.0.0.9/32 nonsense\n`),
    close,
  };
}

/** What the server says to a startup message: R asks for a password or lets in, E refuses (protocol 3.0, 55.7). */
function firstByte(localAddress: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, localAddress });
    const words = Buffer.from("user\0postgres\0database\0postgres\0\0");
    const head = Buffer.alloc(8);
    head.writeInt32BE(8 + words.length, 0);
    head.writeInt32BE(0x00030000, 4);
    socket.setTimeout(10_000, () => socket.destroy(new Error("no answer")));
    socket.on("error", reject);
    socket.on("connect", () => socket.write(Buffer.concat([head, words])));
    socket.once("data", (bytes) => {
      socket.destroy();
      const text = bytes.toString("latin1");
      // Starting up, or shutting down: nobody is told yes or no.
      if (text.startsWith("E") && text.includes("57P03")) reject(new Error("starting"));
      else resolve(text[0] ?? "");
    });
  });
}
