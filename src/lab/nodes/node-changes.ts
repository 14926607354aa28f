// Nodes of a running lab come, go and get other addresses, one after the other.
import { rmSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { nodeKind, type Pod } from "../../api/kinds/core.ts";
import { Turns } from "../../base/turns.ts";
import { processesInNetns, signalProcess } from "../../kernel/process.ts";
import { change } from "../../store/change.ts";
import type { Store } from "../../store/store.ts";
import { nodeFor, registerNode } from "../cluster.ts";
import type { LabFile } from "../file/lab-file.ts";
import { type LabPaths, nodePaths } from "../life/state.ts";
import { type BuiltTopology, readdress } from "../topology/build.ts";
import type { MemberPlan, Topology } from "../topology/plan.ts";
import { renumbered, withNode, withoutNode } from "./changes.ts";
import type { RunningNode } from "./running-node.ts";

/** How long a node's pods have to end in order before the node goes, in milliseconds. */
const PODS_PATIENCE_MS = 10_000;
const POLL_MS = 20;

/** What is changed: a lab that has started. */
export interface ChangedLab {
  lab(): LabFile;
  /** Writes down what the lab is from now on, and leads its routers there. */
  change(file: LabFile): Promise<Topology>;
  topology(): BuiltTopology | undefined;
  store(): Store;
  pods(): ReadonlyMap<string, Pod>;
  node(name: string): RunningNode | undefined;
  start(name: string, addresses: readonly string[]): Promise<void>;
  forget(name: string): void;
  paths(): LabPaths;
}

export class NodeChanges {
  readonly #lab: ChangedLab;
  readonly #turns = new Turns();

  constructor(lab: ChangedLab) {
    this.#lab = lab;
  }

  /**
   * Adds a node, written as in a lab file; settles when its agent serves. One that cannot be added leaves nothing.
   * @throws `lab.node-refused`, what keeps it from being made or started
   */
  add(wanted: unknown): Promise<void> {
    return this.#turns.run(async () => {
      const before = this.#lab.lab();
      const { lab: file, node } = withNode(before, wanted);
      try {
        const topology = await this.#lab.change(file);
        await this.#lab.topology()?.add(planOf(topology, node.name));
        await registerNode(this.#lab.store(), node, file);
        await this.#lab.start(node.name, node.addresses);
      } catch (error) {
        await this.#lab.store().delete(nodeKind, node.name);
        await this.#takeAway(node.name, before);
        throw error;
      }
    });
  }

  /** Removes a node and its object: its pods end in order if they can, and go with it if not. @throws `lab.no-node` */
  remove(name: string): Promise<void> {
    return this.#turns.run(async () => {
      const file = withoutNode(this.#lab.lab(), name);
      await this.#lab.store().delete(nodeKind, name);
      const end = performance.now() + PODS_PATIENCE_MS;
      while (this.#hasPods(name) && performance.now() < end) await sleep(POLL_MS);
      await this.#takeAway(name, file);
    });
  }

  /** Gives a node another address of the same network; its pods stay. @throws `lab.no-node`, `lab.node-refused` */
  renumber(name: string, address: string): Promise<void> {
    return this.#turns.run(async () => {
      const { lab: file, node, before, after } = renumbered(this.#lab.lab(), name, address);
      if (before === after) return;
      const member = this.#lab.topology()?.members.get(name);
      const topology = await this.#lab.change(file);
      const withLength = member?.plan.interfaces
        .flatMap(({ addresses }) => addresses)
        .find((own) => own.startsWith(`${before}/`));
      if (member && withLength !== undefined) {
        readdress(member, withLength, `${after}/${withLength.split("/")[1]}`);
        this.#lab.topology()?.replan(planOf(topology, name));
      }
      const draft = nodeFor(node, file);
      const store = this.#lab.store();
      const uid = (await store.get(nodeKind, name))?.metadata.uid ?? "";
      await change(store, nodeKind, { name, uid }, (stored) => ({
        ...stored,
        metadata: {
          ...stored.metadata,
          annotations: { ...stored.metadata.annotations, ...draft.metadata.annotations },
        },
        status: { ...stored.status, addresses: draft.status?.addresses ?? [] },
      }));
      await this.#lab.node(name)?.renumber(node.addresses);
    });
  }

  /** Ends what runs on a node and removes all that it is made of; then the lab is as the file says. */
  async #takeAway(name: string, file: LabFile): Promise<void> {
    const node = this.#lab.node(name);
    this.#lab.forget(name);
    await node?.stop();
    this.#endProcesses(name);
    await this.#lab.topology()?.remove(name);
    rmSync(nodePaths(this.#lab.paths(), name).folder, { recursive: true, force: true });
    await this.#lab.change(file);
  }

  #hasPods(node: string): boolean {
    return [...this.#lab.pods().values()].some((pod) => pod.spec.nodeName === node);
  }

  /** Whatever the node's agent leaves running when it ends. */
  #endProcesses(name: string): void {
    const netns = this.#lab.topology()?.members.get(name)?.plan.netns;
    if (netns === undefined) return;
    for (const one of processesInNetns([path.join("/run/netns", netns)])) signalProcess(one, "SIGKILL");
  }
}

function planOf({ members }: Topology, name: string): MemberPlan {
  // A node of the lab file has a place in its topology.
  return members.find((member) => member.name === name)!;
}
