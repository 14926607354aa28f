// A cluster for tests without kubelets: a real API server, nodes that are namespaces on one wire, agents and controllers
// that are processes of their own, and pods plugged in by the real executable.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import net from "node:net";
import path from "node:path";
import { type Node, nodeKind, type Pod, podKind } from "../../src/api/kinds/core.ts";
import { type Finished, run } from "../../src/kernel/exec/index.ts";
import { type Kernel, linuxMachine } from "../../src/kernel/index.ts";
import { kubernetesStore } from "../../src/store/kubernetes/store.ts";
import type { Store } from "../../src/store/store.ts";
import { executable } from "../e2e/trunkline.ts";
import { type ApiServer, apiServerBinary, kubeFolder, startApiServer } from "./api-server.ts";

const shim = path.resolve(import.meta.dirname, "../../dist/cni/trunkline");

/** A daemon that was started, and what it has logged. */
export interface Started {
  readonly child: ChildProcess;
  readonly log: () => string;
  /** Settles with the exit code, or the signal. */
  readonly ended: Promise<number | string>;
}

/** Of all daemons, for what a test that hangs says. */
const latest: Started[] = [];

export class KubeBed {
  readonly server: ApiServer;
  readonly store: Store;
  readonly folder = mkdtempSync("/tmp/tl-kube-");
  readonly machine = linuxMachine();
  readonly #started: Started[] = [];
  readonly #namespaces: string[] = [];

  /** @param more further arguments of the API server, whose folder they are given */
  static async start(more?: (folder: string) => readonly string[]): Promise<KubeBed> {
    return new KubeBed(await startApiServer(apiServerBinary(), more));
  }

  private constructor(server: ApiServer) {
    this.server = server;
    this.store = kubernetesStore(server.access);
  }

  kubectl(words: readonly string[], input = "", kubeconfig = this.server.kubeconfig): Promise<Finished> {
    return run(path.join(kubeFolder(), "kubectl"), ["--kubeconfig", kubeconfig, ...words], {
      input,
      codes: "any",
      timeoutMs: 60_000,
    });
  }

  trunkline(words: readonly string[], env: Record<string, string> = {}): Promise<Finished> {
    return run(executable, words, { codes: "any", timeoutMs: 60_000, env });
  }

  /** Makes the kinds known. */
  async define(): Promise<void> {
    await this.install((await this.trunkline(["manifests", "--definitions-only"])).stdout);
  }

  /** Applies what `trunkline manifests` prints, as README has it, and waits until its kinds are served. @throws what kubectl says */
  async install(manifests: string): Promise<void> {
    const { code, stderr } = await this.kubectl(["apply", "--server-side", "-f", "-"], manifests);
    if (code !== 0) throw new Error(stderr);
    await this.kubectl(["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"]);
  }

  /** @throws what kubectl says */
  async apply(...objects: object[]): Promise<void> {
    const text = objects.map((one) => JSON.stringify(one)).join("\n---\n");
    const { code, stderr } = await this.kubectl(["apply", "-f", "-"], text);
    if (code !== 0) throw new Error(stderr);
  }

  /** Starts a daemon; its log is kept. */
  start(
    words: readonly string[],
    env: Record<string, string> = {},
    kubeconfig = this.server.kubeconfig,
  ): Started {
    const child = spawn(executable, [...words, "--kubeconfig", kubeconfig], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let log = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (log += text));
    const ended = once(child, "exit").then(([code, signal]) => (signal ?? code) as number | string);
    const started = { child, log: () => log, ended };
    this.#started.push(started);
    latest.push(started);
    return started;
  }

  namespace(name: string): Kernel {
    this.machine.createNetns(name);
    this.#namespaces.push(name);
    return this.machine.open({ name });
  }

  netnsOf(name: string): string {
    return `tlk-${process.pid}-${name}`;
  }

  /** Makes namespaces for the nodes, joined by one wire, and their Node objects as a kubelet would. */
  async nodes(
    names: readonly string[],
    more: (name: string) => Partial<Pick<Node, "spec" | "status">> = () => ({}),
  ) {
    const wire = this.namespace(this.netnsOf("wire"));
    const bridge = wire.links.add({ kind: "bridge", name: "br0", up: true });
    for (const [at, name] of names.entries()) {
      const kernel = this.namespace(this.netnsOf(name));
      const link = wire.links.add({
        kind: "veth",
        name: `w${at}`,
        up: true,
        peer: { name: "eth0", netns: { name: this.netnsOf(name) }, up: true },
      });
      wire.links.change(link.index, { master: bridge.index });
      const address = `192.168.77.${at + 1}`;
      const eth0 = kernel.links.get("eth0");
      kernel.addresses.add({ linkIndex: eth0!.index, address: `${address}/24`, scope: "global" });
      kernel.close();
      const { spec, status } = more(name);
      await this.store.create(nodeKind, {
        apiVersion: "v1",
        kind: "Node",
        metadata: { name },
        ...(spec && { spec }),
        status: { ...status, addresses: [{ type: "InternalIP", address }] },
      });
    }
    wire.close();
  }

  agent(node: string, kubeconfig?: string, ...more: string[]): Started {
    const state = path.join(this.folder, node);
    mkdirSync(state, { recursive: true });
    const words = ["agent", "--node", node, "--netns", this.netnsOf(node), "--state", state];
    const sockets = ["--socket", this.socketOf(node), "--health-socket", `${state}/health.sock`];
    return this.start([...words, ...sockets, ...more], {}, kubeconfig);
  }

  /** Settles when agents have taken their taints off these nodes. */
  async opened(...names: readonly string[]): Promise<void> {
    for (const name of names)
      await eventually(async () => {
        const node = await this.store.get(nodeKind, name);
        const isShut = node?.spec?.taints?.some(({ key }) => key.startsWith("trunkline.dev/")) ?? false;
        return node && !isShut ? true : undefined;
      });
  }

  /** Returns a kubeconfig with a token of a service account, bound to a node if one is named. */
  async tokenOf(account: string, node?: string): Promise<string> {
    const bound = node === undefined ? [] : ["--bound-object-kind", "Node", "--bound-object-name", node];
    const { code, stdout, stderr } = await this.kubectl([
      "create",
      "token",
      account,
      "-n",
      "kube-system",
      ...bound,
    ]);
    if (code !== 0) throw new Error(stderr);
    const file = path.join(this.folder, `${account}-${node ?? "none"}.kubeconfig`);
    const config = JSON.parse(readFileSync(this.server.kubeconfig, "utf8")) as { users: object[] };
    config.users = [{ name: "admin", user: { token: stdout.trim() } }];
    writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
    return file;
  }

  socketOf(node: string): string {
    return path.join(this.folder, `${node}.sock`);
  }

  /** Creates a pod on a node and plugs it in as a kubelet's runtime would; returns its namespace and address. */
  async plug(
    node: string,
    name: string,
    annotations: Record<string, string> = {},
  ): Promise<{ netns: string; ip: string }> {
    const pod =
      (await this.store.get(podKind, name, "default")) ??
      (await this.store.create(podKind, {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, namespace: "default", annotations },
        spec: { nodeName: node, containers: [{ name: "c", image: "none" }] },
      }));
    const netns = this.netnsOf(`${node}-${name}`);
    if (!this.#namespaces.includes(netns)) this.namespace(netns).close();
    const args = `K8S_POD_NAMESPACE=default;K8S_POD_NAME=${name};K8S_POD_UID=${pod.metadata.uid};K8S_POD_INFRA_CONTAINER_ID=c-${name}`;
    const done = await run(shim, [], {
      env: {
        CNI_COMMAND: "ADD",
        CNI_CONTAINERID: `c-${name}`,
        CNI_NETNS: `/run/netns/${netns}`,
        CNI_IFNAME: "eth0",
        CNI_ARGS: args,
        CNI_PATH: "/usr/lib/cni",
      },
      input: JSON.stringify({
        cniVersion: "1.1.0",
        name: "pods",
        type: "trunkline",
        agentSocket: this.socketOf(node),
      }),
      codes: "any",
    });
    if (done.code !== 0) throw new Error(`ADD of ${name}: ${done.stdout}`);
    const ip =
      (JSON.parse(done.stdout) as { ips: { address: string }[] }).ips[0]?.address.split("/")[0] ?? "";
    const stored = (await this.store.get(podKind, name, "default")) as Pod;
    await this.store.update(podKind, {
      ...stored,
      status: { ...stored.status, phase: "Running", podIP: ip, podIPs: [{ ip }] },
    });
    return { netns, ip };
  }

  /** Connects from one pod to another one that listens; settles with the source address that it saw. */
  async talk(from: string, to: { netns: string; ip: string }): Promise<string> {
    const [far, near] = [this.machine.open({ name: to.netns }), this.machine.open({ name: from })];
    const server = net.createServer();
    try {
      server.listen({ fd: far.sockets.listenTcp("0.0.0.0", 8080) });
      const seen = once(server, "connection").then(([socket]) => (socket as net.Socket).remoteAddress ?? "");
      const socket = new net.Socket({
        fd: near.sockets.connectTcp(to.ip, 8080),
        readable: true,
        writable: true,
      });
      socket.on("error", () => undefined);
      const address = await seen;
      socket.destroy();
      return address;
    } finally {
      server.close();
      far.close();
      near.close();
    }
  }

  async end(): Promise<void> {
    for (const { child, ended } of this.#started) {
      child.kill("SIGCONT");
      child.kill("SIGKILL");
      await ended;
    }
    // An agent leaves its BIRD running: routes outlive it.
    for (const entry of readdirSync(this.folder)) {
      const file = path.join(this.folder, entry, "bird/bird.pid");
      const pid = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
      if (pid > 1 && existsSync(`/proc/${pid}`)) process.kill(pid);
    }
    await this.store.close();
    await Promise.all(this.#namespaces.map((name) => this.machine.removeNetns(name)));
    await this.server.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Settles with what `look` finds, once it finds something. */
export async function eventually<T>(look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  // Far longer than anything takes: says where a test hangs, instead of that it does.
  const end = performance.now() + 110_000;
  while (performance.now() < end) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const logs = latest.map(({ log }) => log().trimEnd().split("\n").slice(-4).join("\n"));
  throw new Error(`never came true: ${String(look)}\n${logs.join("\n---\n")}`);
}
