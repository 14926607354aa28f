// The runtime's side of CNI: runs the plugins of a network configuration list in turn, as container runtimes do
// (specification 1.1.0, section 4).
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { TrunklineError } from "../../base/errors.ts";
import type { CniResult } from "../../cni/spec.ts";
import { run, runSmall } from "../../kernel/exec/index.ts";
import type { NetnsRef } from "../../kernel/kernel.ts";

interface PluginEntry {
  readonly type: string;
  readonly capabilities?: Readonly<Record<string, boolean>>;
}

interface ConfigList {
  readonly name: string;
  readonly cniVersion: string;
  readonly plugins: readonly PluginEntry[];
}

export interface CniRuntimeOptions {
  /** Folder with the node's `*.conflist`; the first one by name counts. */
  readonly confDir: string;
  /** Folders with plugins' executables. */
  readonly path: readonly string[];
  /** The node's namespace, in which plugins run. */
  readonly netns: NetnsRef;
}

export interface Attachment {
  readonly containerId: string;
  /** Path of the pod's namespace. */
  readonly netns: string;
  readonly ifName: string;
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string };
  /** What plugins with the capability of that name are told. */
  readonly capabilities: Readonly<Record<string, unknown>>;
}

/** What attaches pods to the network and takes them off it. */
export interface PodNetwork {
  add(attachment: Attachment): Promise<CniResult>;
  del(attachment: Attachment): Promise<void>;
}

const TIMEOUT_MS = 60_000;
/** Ours talks to its agent and does nothing itself, so it need not be started in the node's namespace. */
const OURS = "trunkline";

export class CniRuntime implements PodNetwork {
  readonly #options: CniRuntimeOptions;
  /** The result of each attachment's ADD, which DEL is given again. */
  readonly #results = new Map<string, CniResult>();

  constructor(options: CniRuntimeOptions) {
    this.#options = options;
  }

  /**
   * Attaches a pod to the network. When a plugin fails, what the others did is undone first.
   * @throws TrunklineError `lab.cni`, `lab.no-cni-config`
   */
  async add(attachment: Attachment): Promise<CniResult> {
    const list = this.#configList();
    let result: CniResult | undefined;
    try {
      for (const plugin of list.plugins) {
        const output = await this.#call("ADD", list, plugin, attachment, result);
        result = JSON.parse(output) as CniResult;
      }
    } catch (error) {
      // What failed is what whoever waits has to know; that its undoing failed too is second to it.
      await this.del(attachment).catch(() => {});
      throw error;
    }
    if (!result) throw new TrunklineError("lab.no-cni-config", { folder: this.#options.confDir });
    this.#results.set(attachment.containerId, result);
    return result;
  }

  /** Takes a pod off the network: every plugin is called, in reverse order. @throws the first plugin's failure */
  async del(attachment: Attachment): Promise<void> {
    const list = this.#configList();
    const previous = this.#results.get(attachment.containerId);
    let failure: unknown;
    for (const plugin of list.plugins.toReversed()) {
      try {
        await this.#call("DEL", list, plugin, attachment, previous);
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure) throw failure;
    this.#results.delete(attachment.containerId);
  }

  #configList(): ConfigList {
    const { confDir } = this.#options;
    const [file] = readdirSync(confDir)
      .filter((name) => name.endsWith(".conflist"))
      .toSorted();
    if (file === undefined) throw new TrunklineError("lab.no-cni-config", { folder: confDir });
    return JSON.parse(readFileSync(path.join(confDir, file), "utf8")) as ConfigList;
  }

  async #call(
    command: "ADD" | "DEL",
    { name, cniVersion }: ConfigList,
    plugin: PluginEntry,
    { containerId, netns, ifName, pod, capabilities }: Attachment,
    prevResult: CniResult | undefined,
  ): Promise<string> {
    const wanted = Object.entries(capabilities).filter(([key]) => plugin.capabilities?.[key]);
    const runtimeConfig = Object.fromEntries(wanted);
    const input = JSON.stringify({
      ...plugin,
      name,
      cniVersion,
      ...(wanted.length > 0 && { runtimeConfig }),
      ...(prevResult && { prevResult }),
    });
    const env = {
      CNI_COMMAND: command,
      CNI_CONTAINERID: containerId,
      CNI_NETNS: netns,
      CNI_IFNAME: ifName,
      CNI_PATH: this.#options.path.join(":"),
      CNI_ARGS: [
        "IgnoreUnknown=1",
        `K8S_POD_NAMESPACE=${pod.namespace}`,
        `K8S_POD_NAME=${pod.name}`,
        `K8S_POD_INFRA_CONTAINER_ID=${containerId}`,
        `K8S_POD_UID=${pod.uid}`,
      ].join(";"),
    };
    const program = this.#find(plugin.type);
    const options = { input, env, codes: "any", timeoutMs: TIMEOUT_MS } as const;
    const finished =
      plugin.type === OURS
        ? await runSmall(program, [], options)
        : await run(program, [], { ...options, netns: this.#options.netns });
    if (finished.code === 0) return finished.stdout;
    throw new TrunklineError("lab.cni", {
      plugin: plugin.type,
      command,
      ...failureOf(finished.stdout, finished.stderr),
    });
  }

  #find(type: string): string {
    // A plugin's type is a file's name and never a path (specification, section 1).
    if (type.includes("/")) throw new TrunklineError("lab.no-cni-plugin", { type, path: this.#options.path });
    const found = this.#options.path
      .map((folder) => path.join(folder, type))
      .find((file) => existsSync(file));
    if (found !== undefined) return found;
    throw new TrunklineError("lab.no-cni-plugin", { type, path: this.#options.path });
  }
}

function failureOf(stdout: string, stderr: string): { code: number; message: string } {
  try {
    const { code, msg, details } = JSON.parse(stdout) as { code: number; msg: string; details?: string };
    return { code, message: details ? `${msg}: ${details}` : msg };
  } catch (error) {
    // A plugin that died of a signal or was not started right prints no error object.
    if (!(error instanceof SyntaxError)) throw error;
    return { code: 999, message: stderr.trim() || stdout.trim() || "it said nothing" };
  }
}
