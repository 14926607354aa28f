// Real etcd members on loopback, each a process with a folder of its own, that tests stop, kill and start again.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

export interface EtcdTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface EtcdCluster {
  readonly endpoints: readonly string[];
  /** Kills a member without a word. */
  kill(member: number): Promise<void>;
  /** Starts a member again, or goes on with one that was paused. */
  start(member: number): Promise<void>;
  pause(member: number): void;
  resume(member: number): void;
  /** Forgets the history up to now. */
  compact(): Promise<void>;
  etcdctl(...args: string[]): string;
  /** Puts a snapshot's content in the place of a cluster of one member, as an operator does. */
  restore(snapshot: string): Promise<void>;
  readonly folder: string;
  close(): Promise<void>;
}

/** Starts `size` members that form one cluster, and returns when they have a leader. */
export async function startEtcd(size = 1, tls?: EtcdTls): Promise<EtcdCluster> {
  const folder = mkdtempSync(path.join(tmpdir(), "trunkline-etcd-"));
  const ports = await freePorts(2 * size);
  const scheme = tls ? "https" : "http";
  const endpoints = Array.from({ length: size }, (_, n) => `${scheme}://127.0.0.1:${ports[2 * n]}`);
  const peers = Array.from({ length: size }, (_, n) => `m${n}=http://127.0.0.1:${ports[2 * n + 1]}`);
  const processes: (ChildProcess | undefined)[] = [];
  let data = "data";
  const spawnMember = (n: number) => {
    const secure = tls
      ? [
          `--trusted-ca-file=${tls.ca}`,
          `--cert-file=${tls.cert}`,
          `--key-file=${tls.key}`,
          "--client-cert-auth",
        ]
      : [];
    const args = [
      `--name=m${n}`,
      `--data-dir=${path.join(folder, `${data}${n}`)}`,
      `--listen-client-urls=${endpoints[n]}`,
      `--advertise-client-urls=${endpoints[n]}`,
      `--listen-peer-urls=${peers[n]?.split("=")[1]}`,
      `--initial-advertise-peer-urls=${peers[n]?.split("=")[1]}`,
      `--initial-cluster=${peers.join(",")}`,
      "--heartbeat-interval=50",
      "--election-timeout=500",
      "--logger=zap",
      "--log-level=error",
      ...secure,
    ];
    processes[n] = spawn("etcd", args, { stdio: "ignore", env: { PATH: process.env["PATH"] } });
  };
  const kill = async (n: number) => {
    const child = processes[n];
    processes[n] = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  };
  const etcdctl = (...args: string[]) => {
    const secure = tls ? [`--cacert=${tls.ca}`, `--cert=${tls.cert}`, `--key=${tls.key}`] : [];
    return execFileSync("etcdctl", [`--endpoints=${endpoints.join(",")}`, ...secure, ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env["PATH"], ETCDCTL_API: "3" },
    });
  };
  const healthy = async (n?: number) => {
    const secure = tls ? [`--cacert=${tls.ca}`, `--cert=${tls.cert}`, `--key=${tls.key}`] : [];
    const which = n === undefined ? endpoints.join(",") : endpoints[n];
    for (let left = 200; ; left--) {
      try {
        execFileSync("etcdctl", [`--endpoints=${which}`, ...secure, "endpoint", "health"], {
          stdio: "ignore",
          env: { PATH: process.env["PATH"], ETCDCTL_API: "3" },
        });
        return;
      } catch (error) {
        if (left === 0) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  };
  for (let n = 0; n < size; n++) spawnMember(n);
  await healthy();
  return {
    endpoints,
    folder,
    kill,
    etcdctl,
    async start(n) {
      spawnMember(n);
      await healthy(n);
    },
    pause: (n) => void processes[n]?.kill("SIGSTOP"),
    resume: (n) => void processes[n]?.kill("SIGCONT"),
    async compact() {
      const { header } = JSON.parse(etcdctl("get", "x", "-w", "json")) as { header: { revision: number } };
      etcdctl("compact", String(header.revision));
    },
    async restore(snapshot) {
      await kill(0);
      data = `restored-${Date.now()}-`;
      const where = [`--data-dir=${path.join(folder, `${data}0`)}`, "--name=m0"];
      const cluster = [
        `--initial-cluster=${peers[0]}`,
        `--initial-advertise-peer-urls=${peers[0]?.split("=")[1]}`,
      ];
      execFileSync("etcdctl", ["snapshot", "restore", snapshot, ...where, ...cluster], {
        stdio: "ignore",
        env: { PATH: process.env["PATH"], ETCDCTL_API: "3" },
      });
      spawnMember(0);
      await healthy();
    },
    async close() {
      for (let n = 0; n < size; n++) {
        processes[n]?.kill("SIGCONT");
        await kill(n);
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer().listen(0, "127.0.0.1", () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
