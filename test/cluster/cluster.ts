// The cluster of scripts/kube, for tests: in a network namespace of its own and with a state folder of its own, so that it
// meets neither another one of this machine nor what a user has left standing.
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import path from "node:path";
import { type Finished, run } from "../../src/kernel/exec/index.ts";
import { linuxMachine } from "../../src/kernel/index.ts";
import { executable } from "../e2e/trunkline.ts";
import { kubeFolder } from "../kube/api-server.ts";

export const project = path.resolve(import.meta.dirname, "../..");
/** The seed manifests: as their authors wrote them. */
export const manifests = path.resolve(project, "../shared/manifests");

/** Names and addresses that scripts/cluster/place.ts gives. */
export const nodes = ["node1", "node2", "node3"] as const;
export const nodeAddress = (node: string) => `192.168.66.${10 + Number(node.slice(4))}`;
/** Where the API server is: on the nodes' wire, and no node. */
export const outside = "192.168.66.1";

/** A pod as `kubectl get -o json` has it, as far as tests read it. */
export interface PodObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly { readonly restartCount: number }[];
  };
}

/**
 * State folder of a cluster that stands already, in the network that the tests run in, for whoever works at a test: it is used as
 * it is found, and left standing.
 */
const standing = process.env["TRUNKLINE_CLUSTER"];

export class Cluster {
  readonly state = standing ?? mkdtempSync("/tmp/tlk-");
  readonly #netns = path.basename(this.state);
  readonly #machine = linuxMachine();

  /**
   * Starts it, once its programs are built: a minute of a quiet machine.
   * @param bare without Trunkline, so that nodes have no network
   */
  static async up(bare?: "bare"): Promise<Cluster> {
    const cluster = new Cluster();
    if (standing !== undefined) return cluster;
    cluster.#machine.createNetns(cluster.#netns);
    try {
      await cluster.#script("up", ...(bare ? [bare] : []));
    } catch (error) {
      if (process.env["TRUNKLINE_KEEP"] === undefined) await cluster.down();
      throw error;
    }
    return cluster;
  }

  /**
   * Starts a program beside the control plane: one of those that were built, or one that is given by its path. It runs until `end`.
   */
  start(name: string, words: readonly string[]): { end(): Promise<void> } {
    const stop = new AbortController();
    const running = run(path.resolve(kubeFolder(), name), words, {
      ...this.#beside(),
      signal: stop.signal,
      timeoutMs: 0,
    }).catch(() => undefined);
    const end = async () => {
      stop.abort();
      await running;
    };
    return { end };
  }

  /** Where etcd answers, beside the control plane. */
  readonly etcd = "http://127.0.0.1:23790";

  get kubeconfig(): string {
    return path.join(this.state, "admin.kubeconfig");
  }

  /** Runs a program beside the control plane, outside of all nodes. */
  run(command: string, words: readonly string[], input = "", timeoutMs = 120_000): Promise<Finished> {
    return run(command, words, {
      ...this.#beside(),
      codes: "any",
      input,
      timeoutMs,
      env: { TRUNKLINE_KUBE_STATE: this.state },
    });
  }

  kubectl(words: readonly string[], input = ""): Promise<Finished> {
    return this.run(path.join(kubeFolder(), "kubectl"), [`--kubeconfig=${this.kubeconfig}`, ...words], input);
  }

  /** As `kubectl`, of a command that has to succeed; returns what it printed. */
  async kube(...words: string[]): Promise<string> {
    return succeeded(`kubectl ${words.join(" ")}`, await this.kubectl(words));
  }

  /**
   * Applies a manifest that the API server has to accept. kubectl reads the whole of the API's description for it, and gives up where
   * that takes longer than half a minute: it is asked again.
   */
  async apply(manifest: string, ...words: string[]): Promise<void> {
    await eventually("kubectl apply", async () => {
      succeeded("kubectl apply", await this.kubectl(["apply", ...words, "-f", "-"], manifest));
      return true;
    });
  }

  trunkline(...words: string[]): Promise<Finished> {
    return this.run(executable, [...words, "--kubeconfig", this.kubeconfig]);
  }

  /** Runs a program in a node's namespaces. */
  inNode(node: string, command: string, ...words: string[]): Promise<Finished> {
    const target = `--target=${this.pidOf(`${node}-space`)}`;
    return run("nsenter", [target, "--mount", "--net", command, ...words], { codes: "any" });
  }

  /** The process of one of the cluster's programs: `node1-kubelet`, `control-api`, … */
  pidOf(name: string): number {
    return Number(readFileSync(path.join(this.state, "pids", name), "utf8").split(" ")[0]);
  }

  /** Kills one of the cluster's programs as a crash does; it stays away. Or stops it, or lets it go on. */
  kill(name: string, signal: "SIGKILL" | "SIGSTOP" | "SIGCONT" = "SIGKILL"): void {
    process.kill(this.pidOf(name), signal);
  }

  /** Starts a program again that was killed. */
  async startAgain(name: string): Promise<void> {
    // What runs is left alone: it has to be gone first.
    await eventually(`${name} is gone`, () => (isAlive(this.pidOf(name)) ? undefined : true));
    const done = await this.run(path.join(project, "scripts/kube"), ["start", name]);
    succeeded(`scripts/kube start ${name}`, done);
  }

  /** Waits until the API server, which was away, answers again. */
  async answers(): Promise<void> {
    await eventually("the API server answers", async () =>
      (await this.kubectl(["get", "--raw", "/readyz"])).code === 0 ? true : undefined,
    );
  }

  /** Processes of a pod's containers and of its sandbox. */
  processesOf(pod: PodObject): number[] {
    return processesIn(`/pod${pod.metadata.uid}/`).filter(isAlive);
  }

  /**
   * Sends an echo each millisecond from a pod's network namespace, through nothing of the pod's own, until it is ended.
   * @param to an address whose kernel answers
   */
  flow(from: PodObject, to: string): Flow {
    const words = this.#sender(from, to, Infinity);
    const child = spawn("nsenter", words, { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout.on("data", (more: Buffer) => (text += more.toString()));
    const closed = once(child, "close");
    return {
      async end() {
        child.kill("SIGTERM");
        await closed;
        return JSON.parse(text) as Flown;
      },
    };
  }

  /** Sends an echo each millisecond, as `flow`, for half a second from its first one. */
  async echoes(from: PodObject, to: string): Promise<Flown> {
    const { stdout } = await run("nsenter", this.#sender(from, to, 0.5), { timeoutMs: 120_000 });
    return JSON.parse(stdout) as Flown;
  }

  #sender(from: PodObject, to: string, seconds: number): readonly string[] {
    const [pid] = this.processesOf(from);
    if (pid === undefined) throw new Error(`${from.metadata.name} runs no process`);
    const sender = path.join(project, "test/long/flow-sender.ts");
    return [`--target=${pid}`, "--net", process.execPath, sender, to, String(seconds)];
  }

  /** A folder as `--state` takes it: with the state of each node's agent below the node's name. */
  journals(): string {
    const folder = path.join(this.state, "journals");
    if (!existsSync(folder)) {
      mkdirSync(folder);
      for (const node of nodes)
        symlinkSync(path.join(this.state, node, "var/lib/trunkline"), path.join(folder, node));
    }
    return folder;
  }

  /** Kills what runs in a node's containers, as a machine does that is switched off. */
  endContainersOf(node: string): void {
    for (const pid of processesIn(`${this.#group}/${node}/`)) process.kill(pid, "SIGKILL");
  }

  /** The network that the control plane is in. */
  #beside() {
    return standing === undefined ? { netns: { name: this.#netns } } : {};
  }

  get #group(): string {
    return `trunkline-kube-${path.basename(this.state)}`;
  }

  async pods(namespace: string, selector = ""): Promise<readonly PodObject[]> {
    const text = await this.kube("get", "pods", "-n", namespace, "-l", selector, "-o", "json");
    return (JSON.parse(text) as { items: PodObject[] }).items;
  }

  /** Waits until so many pods are ready; returns them. */
  async readyPods(
    namespace: string,
    selector: string,
    count: number,
    seconds = 900,
  ): Promise<readonly PodObject[]> {
    const look = async () => {
      const pods = (await this.pods(namespace, selector)).filter(isReady);
      return pods.length === count ? pods : undefined;
    };
    return eventually(`${count} pods ${selector} are ready`, look, seconds);
  }

  /** Runs a program in a pod. */
  exec(namespace: string, pod: string, ...words: string[]): Promise<Finished> {
    return this.kubectl(["exec", "-n", namespace, pod, "--", ...words]);
  }

  /** Ends it, and returns what is left of it that should not be. */
  async down(): Promise<readonly string[]> {
    if (standing !== undefined) return [];
    await this.#script("down");
    const left = leftBehind(this.state);
    await this.#machine.removeNetns(this.#netns);
    rmSync(this.state, { recursive: true, force: true });
    return left;
  }

  async #script(...what: ["up" | "down", ...more: string[]]): Promise<void> {
    const done = await this.run(path.join(project, "scripts/kube"), what, "", 3_000_000);
    if (done.code !== 0) throw new Error(`scripts/kube ${what.join(" ")}: ${done.stderr}`);
  }
}

/** What a flow has come to, by test/long/flow-sender.ts. */
export interface Flown {
  readonly sent: number;
  readonly answers: number;
  readonly longestGapMs: number;
}

export interface Flow {
  /** Waits for the last answers. */
  end(): Promise<Flown>;
}

/** Returns whether a process runs: one that has ended and is not waited for by its parent does not. */
function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}

export function isReady({ status }: PodObject): boolean {
  return (
    status.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True") === true
  );
}

export function succeeded(what: string, { code, stdout, stderr }: Finished): string {
  if (code !== 0) throw new Error(`${what} ended with ${code}: ${stderr}${stdout}`);
  return stdout;
}

/** Processes in control groups whose paths hold a text. */
export function processesIn(group: string): number[] {
  const numbers = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const isIn = (name: string) => {
    try {
      return readFileSync(`/proc/${name}/cgroup`, "utf8").includes(group);
    } catch {
      // It has ended.
      return false;
    }
  };
  return numbers.filter(isIn).map(Number);
}

/** Processes that name the cluster's folder, mounts below it, and groups of its nodes. */
function leftBehind(state: string): readonly string[] {
  const processes = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        const line = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ");
        const root = readlinkSync(`/proc/${name}/cwd`);
        return line.includes(state) || root.includes(state) ? [`process ${name}: ${line}`] : [];
      } catch {
        // It has ended.
        return [];
      }
    });
  const group = `trunkline-kube-${path.basename(state)}`;
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  return [
    ...processes,
    ...mounts.filter((line) => line.includes(state)),
    ...processesIn(group).map((pid) => `process ${pid} in ${group}`),
  ];
}

/** Settles with what `look` finds, once it finds something; says what it waited for otherwise. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  seconds = 600,
): Promise<T> {
  const end = performance.now() + seconds * 1000;
  let last = "";
  while (performance.now() < end) {
    try {
      const found = await look();
      if (found !== undefined) return found;
      last = "";
    } catch (error) {
      // A cluster under repair refuses questions, too.
      last = `; ${error instanceof Error ? error.message : String(error)}`;
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new Error(`not within ${seconds} s: ${what}${last}`);
}
