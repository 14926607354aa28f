// etcd, API server (TLS, RBAC), controller manager and scheduler, in the network that this runs in.
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { apiPort, etcdPort, file, network, nodes, program, server, services } from "./place.ts";
import { run, start, succeeds, until } from "./programs.ts";

const kubectl = (...words: string[]) => [`--kubeconfig=${file("admin.kubeconfig")}`, ...words] as const;

/** Runs kubectl as the cluster's administrator. */
export function kube(words: readonly string[], input = ""): string {
  return run(program("kubectl"), kubectl(...words), input);
}

export function kubeSucceeds(words: readonly string[]): boolean {
  return succeeds(program("kubectl"), kubectl(...words));
}

function kubeconfig(name: string, token: string): string {
  const at = file(`${name}.kubeconfig`);
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "kube",
    clusters: [{ name: "kube", cluster: { server, "certificate-authority": file("certs/apiserver.crt") } }],
    users: [{ name, user: { token } }],
    contexts: [{ name: "kube", context: { cluster: "kube", user: name } }],
  };
  writeFileSync(at, JSON.stringify(config), { mode: 0o600 });
  return at;
}

/**
 * Starts etcd and the API server alone, and waits until it answers.
 * @param more further arguments of the API server
 * @param etcdProgram another one than Debian's
 */
export async function startServers(more: readonly string[] = [], etcdProgram = "etcd"): Promise<void> {
  mkdirSync(file("certs"), { recursive: true, mode: 0o700 });
  const users: [name: string, user: string, groups: string][] = [
    ["admin", "admin", "system:masters"],
    ["controller-manager", "system:kube-controller-manager", ""],
    ["scheduler", "system:kube-scheduler", ""],
    ["proxy", "system:kube-proxy", ""],
    ...nodes.map((node): [string, string, string] => [node, `system:node:${node}`, "system:nodes"]),
  ];
  const lines = users.map(([name, user, groups]) => {
    const token = randomBytes(24).toString("hex");
    kubeconfig(name, token);
    return `${token},${user},${user},"${groups}"\n`;
  });
  writeFileSync(file("tokens.csv"), lines.join(""), { mode: 0o600 });
  run("openssl", ["genrsa", "-out", file("sa.key"), "2048"]);
  const etcd = `http://127.0.0.1:${etcdPort}`;
  start("control-etcd", etcdProgram, [
    `--data-dir=${file("etcd")}`,
    `--listen-client-urls=${etcd}`,
    `--advertise-client-urls=${etcd}`,
    `--listen-peer-urls=http://127.0.0.1:${etcdPort + 1}`,
  ]);
  start("control-api", program("kube-apiserver"), [
    `--etcd-servers=${etcd}`,
    `--cert-dir=${file("certs")}`,
    `--service-account-key-file=${file("sa.key")}`,
    `--service-account-signing-key-file=${file("sa.key")}`,
    "--service-account-issuer=https://kubernetes.default.svc",
    `--token-auth-file=${file("tokens.csv")}`,
    "--authorization-mode=Node,RBAC",
    `--service-cluster-ip-range=${services}`,
    `--bind-address=${network.master}`,
    `--advertise-address=${network.master}`,
    `--secure-port=${apiPort}`,
    "--allow-privileged=true",
    "--enable-admission-plugins=NodeRestriction",
    "--kubelet-preferred-address-types=InternalIP",
    ...more,
  ]);
  await until("the API server", () => kubeSucceeds(["get", "--raw", "/readyz"]));
}

/** @param more further arguments of the API server */
export async function startControlPlane(more: readonly string[] = []): Promise<void> {
  await startServers(more);
  const common = (name: string) => [
    `--kubeconfig=${file(`${name}.kubeconfig`)}`,
    "--leader-elect=false",
    "--secure-port=0",
  ];
  start("control-manager", program("kube-controller-manager"), [
    ...common("controller-manager").slice(0, 2),
    "--use-service-account-credentials=true",
    `--service-account-private-key-file=${file("sa.key")}`,
    `--root-ca-file=${file("certs/apiserver.crt")}`,
    "--bind-address=127.0.0.1",
  ]);
  start("control-scheduler", program("kube-scheduler"), [
    ...common("scheduler").slice(0, 2),
    "--bind-address=127.0.0.1",
  ]);
  kube([
    "create",
    "clusterrolebinding",
    "kube-proxy",
    "--clusterrole=system:node-proxier",
    "--user=system:kube-proxy",
  ]);
}
