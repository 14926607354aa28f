// A node for tests: a namespace with an uplink, an agent in this process, and pods plugged in by the real executable.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Agent, startAgent } from "../../src/agent/agent.ts";
import type { AgentOptions } from "../../src/agent/options.ts";
import type { AddressSource } from "../../src/agent/pods/addresses.ts";
import { endpointKey } from "../../src/agent/pods/endpoint.ts";
import { nodeKind } from "../../src/api/kinds/core.ts";
import { silent } from "../../src/base/log.ts";
import { type Finished, run } from "../../src/kernel/exec/index.ts";
import { linuxMachine, type Machine } from "../../src/kernel/index.ts";
import { memoryStore } from "../../src/store/memory.ts";
import type { Store } from "../../src/store/store.ts";

export const shim = path.resolve(import.meta.dirname, "../../dist/cni/trunkline");

/** Hands out 10.9.0.1, 10.9.0.2, … and fd09::1, fd09::2, … in memory. */
export class CountingAddresses implements AddressSource {
  readonly held = new Map<string, { containerId: string; ifName: string; ips: string[] }>();
  families: readonly (4 | 6)[] = [4];
  #next = 1;

  async allocate(request: { containerId: string; ifName: string }): Promise<readonly string[]> {
    const key = endpointKey(request);
    const { containerId, ifName } = request;
    const known = this.held.get(key);
    const number = known === undefined ? this.#next++ : 0;
    const ips = this.families.map((family) => (family === 4 ? `10.9.0.${number}` : `fd09::${number}`));
    const held = known ?? { containerId, ifName, ips };
    this.held.set(key, held);
    return held.ips;
  }

  async release(owner: { containerId: string; ifName: string }): Promise<void> {
    this.held.delete(endpointKey(owner));
  }

  owners() {
    return [...this.held.values()];
  }

  notReady(): undefined {
    return undefined;
  }
}

let used = 0;

export class TestNode {
  readonly machine: Machine = linuxMachine();
  readonly name: string;
  readonly netns: string;
  readonly folder = mkdtempSync(path.join(tmpdir(), "trunkline-agent-"));
  readonly store: Store = memoryStore();
  readonly addresses = new CountingAddresses();
  readonly #pods: string[] = [];
  agent: Agent | undefined;

  constructor() {
    this.name = `t${process.pid}-${used++}`;
    this.netns = `tl-test-${this.name}`;
  }

  get socket(): string {
    return path.join(this.folder, "agent.sock");
  }

  async start(more: Partial<AgentOptions> = {}): Promise<Agent> {
    if (!this.machine.listNetns().includes(this.netns)) await this.#prepare();
    this.agent = await startAgent({
      node: this.name,
      store: this.store,
      machine: this.machine,
      netns: { name: this.netns },
      stateDir: this.folder,
      socketPath: this.socket,
      logger: silent,
      addresses: async () => this.addresses,
      managers: () => [],
      ...more,
    });
    return this.agent;
  }

  async #prepare(): Promise<void> {
    this.machine.createNetns(this.netns);
    const kernel = this.machine.open({ name: this.netns });
    const uplink = kernel.links.add({ kind: "bridge", name: "up0", up: true });
    kernel.addresses.add({ linkIndex: uplink.index, address: "192.168.77.1/24", scope: "global" });
    kernel.close();
    await this.store.create(nodeKind, {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: this.name },
      status: { addresses: [{ type: "InternalIP", address: "192.168.77.1" }] },
    });
  }

  pod(name: string): string {
    const netns = `tl-test-${this.name}-${name}`;
    this.#pods.push(netns);
    return this.machine.createNetns(netns);
  }

  config(more: object = {}): object {
    return {
      cniVersion: "1.1.0",
      name: "pods",
      type: "trunkline",
      agentSocket: this.socket,
      queueDir: path.join(this.folder, "cni-queue"),
      ...more,
    };
  }

  /** Runs the executable. */
  cni(command: string, env: Record<string, string>, config: object = this.config()): Promise<Finished> {
    return run(shim, [], {
      env: { CNI_COMMAND: command, CNI_PATH: "/usr/lib/cni", CNI_IFNAME: "eth0", ...env },
      input: JSON.stringify(config),
      codes: "any",
    });
  }

  async stop(): Promise<void> {
    await this.agent?.stop();
    for (const pod of this.#pods) await this.machine.removeNetns(pod);
    await this.machine.removeNetns(this.netns);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
