// A node: a network namespace and a mount namespace of its own, in which containerd, kubelet and kube-proxy run. What they
// and the agent write below /run, /var/lib, /opt/cni and /etc/cni is the node's own.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { file, groups, network, nodeAddress, nodes, program, programs, registryPort } from "./place.ts";
import { pidOf, run, start, succeeds, until } from "./programs.ts";

/** Folders of the node's own, by their place in it. */
const own = [
  "/var/lib/kubelet",
  "/var/lib/containerd",
  "/var/lib/trunkline",
  "/opt/cni/bin",
  "/etc/cni/net.d",
  "/var/log/pods",
  "/var/log/containers",
];
export const cgroups = "/sys/fs/cgroup";

/** Makes the wire that joins nodes and control plane. */
export function makeNetwork(): void {
  const { bridge, master, length } = network;
  run("ip", ["link", "set", "lo", "up"]);
  run("ip", ["link", "add", bridge, "type", "bridge"]);
  run("ip", ["address", "add", `${master}/${length}`, "dev", bridge]);
  run("ip", ["link", "set", bridge, "up"]);
}

export function removeNetwork(): void {
  for (const name of [...nodes.map((node) => `tlk-${node}`), network.bridge])
    if (succeeds("ip", ["link", "show", name])) run("ip", ["link", "delete", name]);
}

/** Runs a program inside a node. */
export function inside(node: string, command: string, args: readonly string[], input = ""): string {
  return run("nsenter", [...enter(node), command, ...args], input);
}

const enter = (node: string) => ["--target", String(pidOf(`${node}-space`)), "--mount", "--net"];

/** What all nodes' kube-proxies have in common. */
export const proxySettings = {
  apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
  kind: "KubeProxyConfiguration",
  mode: "nftables",
} as const;

/** Starts a node's programs; its images are loaded next. */
export async function startNode(node: string, at: number): Promise<void> {
  makeSpace(node, at);
  writeConfigurations(node, at);
  const background = (name: string, command: string, args: readonly string[]) =>
    // containerd looks its shim up.
    start(`${node}-${name}`, "nsenter", [...enter(node), command, ...args], [programs]);
  background("containerd", program("containerd"), ["--config", file(node, "containerd.toml")]);
  await until(`containerd of ${node}`, () =>
    succeeds("nsenter", [...enter(node), program("ctr"), "version"]),
  );
  background("proxy", program("kube-proxy"), [`--config=${file(node, "proxy.json")}`]);
  background("kubelet", program("kubelet"), [
    `--config=${file(node, "kubelet.json")}`,
    `--kubeconfig=${file(`${node}.kubeconfig`)}`,
    `--hostname-override=${node}`,
    `--node-ip=${nodeAddress(at)}`,
    "--v=2",
  ]);
}

function makeSpace(node: string, at: number): void {
  for (const folder of own) {
    mkdirSync(file(node, folder), { recursive: true });
    mkdirSync(folder, { recursive: true });
  }
  mkdirSync(file(node, "cgroup"), { recursive: true });
  const pid = start(`${node}-space`, "unshare", [
    "--net",
    "--mount",
    "--propagation",
    "private",
    "sleep",
    "infinity",
  ]);
  // unshare becomes sleep once it has its namespaces.
  const ready = () => readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "sleep";
  while (!ready()) run("sleep", ["0.05"]);
  const mounts = own.map((folder) => ["--bind", file(node, folder), folder]);
  for (const words of [["-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], ...mounts])
    inside(node, "mount", words);
  inside(node, "mkdir", ["-p", "/run/netns", "/run/lock", "/run/trunkline"]);
  mountSystem(node);
  // Mounts that a runtime makes later are to be seen in containers that ask for it.
  inside(node, "mount", ["--make-rshared", "/"]);
  const [near, far] = [`tlk-${node}`, "eth0"];
  run("ip", ["link", "add", near, "type", "veth", "peer", "name", far, "netns", String(pid)]);
  run("ip", ["link", "set", near, "master", network.bridge, "up"]);
  for (const words of [
    ["link", "set", "lo", "up"],
    ["address", "add", `${nodeAddress(at)}/${network.length}`, "dev", far],
    ["link", "set", far, "up"],
    ["route", "add", "default", "via", network.master],
  ])
    inside(node, "ip", words);
}

/** /sys of the node's own network, with the machine's cgroups below it. */
function mountSystem(node: string): void {
  inside(node, "mount", ["-t", "sysfs", "sysfs", "/sys"]);
  if (isUnified()) {
    inside(node, "mount", ["-t", "cgroup2", "cgroup2", cgroups]);
    inside(node, "mkdir", ["-p", `${cgroups}/${groups}/${node}`]);
    return;
  }
  inside(node, "mount", ["-t", "tmpfs", "-o", "mode=755", "tmpfs", cgroups]);
  for (const name of controllers()) {
    inside(node, "mkdir", ["-p", `${cgroups}/${name}`]);
    // The hierarchy without a controller that kubelets and runc look for, too.
    const option = name === "systemd" ? "none,name=systemd" : name;
    inside(node, "mount", ["-t", "cgroup", "-o", option, "cgroup", `${cgroups}/${name}`]);
    const group = `${cgroups}/${name}/${groups}/${node}`;
    if (name === "cpuset")
      // A group without processors can have no members.
      for (const path of [`${cgroups}/cpuset/${groups}`, group]) {
        inside(node, "mkdir", ["-p", path]);
        for (const what of ["cpuset.cpus", "cpuset.mems"])
          inside(node, "sh", ["-c", 'cat "$1/../$2" > "$1/$2"', "sh", path, what]);
      }
    inside(node, "mkdir", ["-p", group]);
  }
}

export function isUnified(): boolean {
  return !readFileSync("/proc/self/cgroup", "utf8")
    .split("\n")
    .some((line) => /^\d+:(cpu|memory|pids)\b/.test(line));
}

/** Controllers of cgroup version 1 that this kernel has turned on. */
export function controllers(): string[] {
  const wanted = new Set([
    "cpu",
    "cpuacct",
    "cpuset",
    "memory",
    "devices",
    "freezer",
    "blkio",
    "pids",
    "systemd",
  ]);
  return readFileSync("/proc/self/cgroup", "utf8")
    .split("\n")
    .flatMap((line) => line.split(":")[1]?.split(",") ?? [])
    .map((name) => name.replace("name=", ""))
    .filter((name) => wanted.has(name));
}

function writeConfigurations(node: string, at: number): void {
  const json = (name: string, value: object) =>
    writeFileSync(file(node, name), JSON.stringify(value, undefined, 2));
  json("kubelet.json", {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: nodeAddress(at),
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: "AlwaysAllow" },
    cgroupDriver: "cgroupfs",
    cgroupRoot: `/${groups}/${node}`,
    failCgroupV1: false,
    enforceNodeAllocatable: [],
    failSwapOn: false,
    oomScoreAdj: 0,
    evictionHard: { "memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
    imageGCHighThresholdPercent: 100,
    containerRuntimeEndpoint: "unix:///run/containerd/containerd.sock",
    registerWithTaints: [{ key: "trunkline.dev/agent-not-ready", effect: "NoSchedule" }],
    serializeImagePulls: false,
    maxPods: 250,
  });
  json("proxy.json", {
    ...proxySettings,
    hostnameOverride: node,
    clientConnection: { kubeconfig: file("proxy.kubeconfig") },
    conntrack: { maxPerCore: 0 },
    oomScoreAdj: 0,
    healthzBindAddress: `${nodeAddress(at)}:10256`,
    metricsBindAddress: `${nodeAddress(at)}:10249`,
  });
  const runtime = "plugins.'io.containerd.cri.v1.runtime'";
  writeFileSync(
    file(node, "containerd.toml"),
    `version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
address = "/run/containerd/containerd.sock"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "docker.io/library/trunkline-pause:1"
[plugins.'io.containerd.cri.v1.images'.registry]
config_path = "${file(node, "registries")}"
[${runtime}]
restrict_oom_score_adj = true
[${runtime}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[${runtime}.containerd.runtimes.runc.options]
SystemdCgroup = false
BinaryName = "/usr/sbin/runc"
[${runtime}.cni]
bin_dirs = ["/opt/cni/bin"]
conf_dir = "/etc/cni/net.d"
`,
  );
  const registry = `http://${network.master}:${registryPort}`;
  mkdirSync(file(node, "registries/_default"), { recursive: true });
  writeFileSync(
    file(node, "registries/_default/hosts.toml"),
    `server = "${registry}"\n[host."${registry}"]\ncapabilities = ["pull", "resolve"]\n`,
  );
  // Host ports are the reference plugin's business; a node's administrator installs it.
  for (const name of ["portmap", "loopback"]) run("cp", [`/usr/lib/cni/${name}`, file(node, "/opt/cni/bin")]);
}
