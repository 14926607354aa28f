// A real API server on loopback before a real etcd, for tests: certificates of its own making, tokens from a file.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import path from "node:path";
import type { Access } from "../../src/store/kubernetes/access.ts";
import { freePorts, startEtcd } from "../store/etcd-cluster.ts";

export interface ApiServer {
  readonly access: Access;
  readonly kubeconfig: string;
  readonly folder: string;
  kill(): Promise<void>;
  start(): Promise<void>;
  pause(): void;
  resume(): void;
  /** Forgets the history: etcd's, and what the server holds of it. */
  forget(): Promise<void>;
  close(): Promise<void>;
}

export const adminToken = "admin-0123456789";

/** Starts etcd and an API server of `binary`, with further arguments, and returns when it is ready. */
export async function startApiServer(
  binary: string,
  more: (folder: string) => readonly string[] = () => [],
): Promise<ApiServer> {
  const etcd = await startEtcd();
  const { folder } = etcd;
  const [port = 0] = await freePorts(1);
  const file = (name: string) => path.join(folder, name);
  mkdirSync(file("certs"), { recursive: true });
  writeFileSync(file("tokens.csv"), `${adminToken},admin,admin,system:masters\n`, { mode: 0o600 });
  execFileSync("openssl", ["genrsa", "-out", file("sa.key"), "2048"], { stdio: "ignore" });
  const args = [
    `--etcd-servers=${etcd.endpoints.join(",")}`,
    `--cert-dir=${file("certs")}`,
    `--service-account-key-file=${file("sa.key")}`,
    `--service-account-signing-key-file=${file("sa.key")}`,
    "--service-account-issuer=https://kubernetes.default.svc",
    `--token-auth-file=${file("tokens.csv")}`,
    "--authorization-mode=Node,RBAC",
    "--service-cluster-ip-range=10.96.0.0/16",
    "--bind-address=127.0.0.1",
    // A namespace without a default route has no address that the server would announce.
    "--advertise-address=192.0.2.1",
    "--endpoint-reconciler-type=none",
    "--allow-privileged=true",
    `--secure-port=${port}`,
    "--disable-admission-plugins=ServiceAccount",
    ...more(folder),
  ];
  let child: ChildProcess | undefined;
  const start = async () => {
    const log = openSync(file("api-server.log"), "a");
    child = spawn(binary, args, { stdio: ["ignore", log, log] });
    closeSync(log);
    await ready(port, child);
  };
  const kill = async () => {
    const dying = child;
    child = undefined;
    if (dying === undefined || dying.exitCode !== null || dying.signalCode !== null) return;
    const gone = new Promise((resolve) => dying.once("exit", resolve));
    dying.kill("SIGKILL");
    await gone;
  };
  try {
    await start();
  } catch (error) {
    await kill();
    const log = readFileSync(file("api-server.log"), "utf8").trimEnd().split("\n").slice(-3).join("\n");
    await etcd.close();
    throw new Error(`the API server does not start: ${log}`, { cause: error });
  }
  const ca = file("certs/apiserver.crt");
  const kubeconfig = file("kubeconfig");
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "test",
    clusters: [
      { name: "test", cluster: { server: `https://127.0.0.1:${port}`, "certificate-authority": ca } },
    ],
    users: [{ name: "admin", user: { token: adminToken } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "admin" } }],
  };
  writeFileSync(kubeconfig, JSON.stringify(config), { mode: 0o600 });
  return {
    folder,
    kubeconfig,
    access: {
      server: `https://127.0.0.1:${port}`,
      base: "",
      ca: { text: readFileSync(ca, "utf8") },
      insecure: false,
      token: { get: async () => adminToken, refused: () => {} },
    },
    kill,
    start,
    pause: () => void child?.kill("SIGSTOP"),
    resume: () => void child?.kill("SIGCONT"),
    async forget() {
      await etcd.compact();
      await kill();
      await start();
    },
    async close() {
      child?.kill("SIGCONT");
      await kill();
      await etcd.close();
    },
  };
}

async function ready(port: number, child: ChildProcess): Promise<void> {
  for (let left = 600; left > 0; left--) {
    if (child.exitCode !== null) throw new Error(`the API server ended with ${child.exitCode}`);
    const status = await new Promise<number>((resolve) => {
      const headers = { authorization: `Bearer ${adminToken}` };
      // Its certificate is of its own making, and only now being made.
      const options = {
        port,
        host: "127.0.0.1",
        path: "/readyz",
        headers,
        rejectUnauthorized: false,
        agent: false,
      };
      request(options, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      })
        .on("error", () => resolve(0))
        .end();
    });
    if (status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("the API server is not ready after a minute");
}

/** Returns the folder of the programs that scripts/cluster/build.sh builds. */
export function kubeFolder(): string {
  return process.env["TRUNKLINE_KUBE"] ?? path.join(process.env["HOME"] ?? "/root", ".cache/trunkline-kube");
}

/** Returns the API server's executable. @throws if it was not built (scripts/cluster/build.sh) */
export function apiServerBinary(): string {
  const binary = path.join(kubeFolder(), "kube-apiserver");
  if (!existsSync(binary)) throw new Error(`${binary} is not there: run scripts/cluster/build.sh`);
  return binary;
}
