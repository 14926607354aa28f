// The cluster's life: its network, control plane, registry and nodes, Trunkline on them, and its end.
import { existsSync, mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { kube, kubeSucceeds, startControlPlane } from "./control-plane.ts";
import { endContainers, endInside, removeGroups } from "./ends.ts";
import { makeImages } from "./images.ts";
import { makeNetwork, proxySettings, removeNetwork, startNode } from "./node.ts";
import { folder, nodes, project } from "./place.ts";
import { end, say, start, until } from "./programs.ts";
import { fill } from "./registry.ts";

/** Says how kube-proxies are set where kubeadm says it, for those who ask: `trunkline explain`. */
function proxyConfigMap(): object {
  const metadata = { name: "kube-proxy", namespace: "kube-system" };
  const data = { "config.conf": JSON.stringify(proxySettings) };
  return { apiVersion: "v1", kind: "ConfigMap", metadata, data };
}

/** Starts a cluster whose nodes have no network. */
export async function begin({
  withImage = true,
  apiServer = [],
}: {
  /** The registry has Trunkline's image. */
  readonly withImage?: boolean;
  /** Further arguments of the API server. */
  readonly apiServer?: readonly string[];
} = {}): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  makeNetwork();
  say("starting the control plane");
  await startControlPlane(apiServer);
  fill([...makeImages(), ...(withImage ? [path.join(project, "dist/trunkline-image.tar")] : [])]);
  start("control-registry", process.execPath, [path.join(import.meta.dirname, "registry.ts")]);
  say("starting the nodes");
  await Promise.all(nodes.map((node, at) => startNode(node, at)));
  kube(["apply", "--server-side", "-f", "-"], JSON.stringify(proxyConfigMap()));
  await until("the nodes are there", () => nodes.every((node) => kubeSucceeds(["get", "node", node])));
}

/** Applies what `trunkline manifests` has printed, and waits until all of it serves. */
export async function install(manifests: string): Promise<void> {
  say("applying the manifests");
  kube(["apply", "--server-side", "-f", "-"], manifests);
  await until("the nodes are Ready", () =>
    nodes.every((node) => kubeSucceeds(["wait", "--for=condition=Ready", `node/${node}`, "--timeout=1s"])),
  );
  const serves = (what: string) =>
    kubeSucceeds(["rollout", "status", "-n", "kube-system", what, "--timeout=1s"]);
  await until("the agents serve", () => serves("daemonset/trunkline-agent"));
  await until("the controller serves", () => serves("deployment/trunkline-controller"));
}

/** Kubelets first, so that nothing is started again; then what they started; then the rest. */
export async function down(): Promise<void> {
  if (!existsSync(folder)) return;
  for (const node of nodes) await end(`${node}-kubelet`);
  endContainers();
  for (const node of nodes) for (const name of ["proxy", "containerd"]) await end(`${node}-${name}`);
  for (const node of nodes) endInside(node);
  for (const node of nodes) await end(`${node}-space`);
  await end("control-");
  removeGroups();
  removeNetwork();
  rmSync(folder, { recursive: true, force: true });
}
