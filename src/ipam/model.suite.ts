// The model of the property tests: several nodes, their pods, and whoever removes, kills and brings back nodes. It knows
// which pod has which address from what the allocators answered, and nothing of how they come to their answers.
import { nodeKind, podKind } from "../api/kinds/core.ts";
import { isError } from "../base/errors.ts";
import { memoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import {
  FakeClock,
  FakeDisk,
  type Fate,
  Fates,
  idle,
  podOwner,
  poolOf,
  startNode,
  want,
} from "./harness.suite.ts";
import type { NodeIpam } from "./node-ipam.ts";
import type { Owner } from "./types.ts";

export type Step =
  | {
      readonly type: "add";
      readonly node: number;
      readonly pod: number;
      readonly wait: boolean;
      readonly exact?: number;
    }
  | { readonly type: "delete"; readonly node: number; readonly pod: number; readonly by: "owner" | "uid" }
  | { readonly type: "crash"; readonly node: number }
  | { readonly type: "wipe"; readonly node: number }
  /** The process dies, and bytes of its journal are others when it comes back. */
  | { readonly type: "flip"; readonly node: number; readonly places: readonly number[]; readonly to: string }
  /** Its disk takes so many writes not at all, or only half of one. */
  | { readonly type: "full"; readonly node: number; readonly calls: number }
  /** Somebody sets the clocks of all machines. */
  | { readonly type: "date"; readonly ms: number }
  | { readonly type: "remove"; readonly node: number }
  | { readonly type: "return"; readonly node: number; readonly wiped: boolean }
  | { readonly type: "unregister"; readonly node: number; readonly ms: number }
  | { readonly type: "outage"; readonly node: number; readonly calls: number }
  | { readonly type: "fuse"; readonly node: number; readonly calls: number; readonly fate: Fate }
  | { readonly type: "collect"; readonly node: number }
  | { readonly type: "reclaim" }
  | { readonly type: "wait"; readonly ms: number };

interface Machine {
  readonly name: string;
  disk: FakeDisk;
  fates: Fates;
  ipam: NodeIpam | undefined;
  registered: boolean;
  removed: boolean;
  /** Calls until the fuse blows. */
  fuse: { left: number; fate: Fate } | undefined;
  /** Store calls that fail before the store is back. */
  outage: number;
  /** Writes to the disk that fail before there is room again. */
  full: number;
}

interface LivePod {
  readonly owner: Owner;
  readonly node: string;
  readonly address: string;
}

/** Takes back blocks of nodes that are gone; stands for the controller, which is above this room. */
export type Reclaim = () => Promise<unknown>;

export interface WorldOptions {
  readonly nodes?: number;
  readonly cidr?: string;
  readonly blockSize?: number;
  /** Makes the collector of blocks, given the store that it talks to. */
  readonly reclaimer: (store: Store, clock: FakeClock, graceMs: number) => Reclaim;
}

const graceMs = 2_000;

export class World {
  readonly clock = new FakeClock();
  readonly store = memoryStore({ now: () => new Date(this.clock.now()) });
  readonly #pool;
  readonly #machines: Machine[] = [];
  readonly #reclaim: Reclaim;
  /** By address. */
  readonly #live = new Map<string, LivePod>();
  readonly #owners = new Map<string, Owner>();
  readonly #exact = new Map<Owner, number | undefined>();
  readonly #running = new Set<Promise<void>>();
  readonly #failures: unknown[] = [];
  #counter = 0;

  constructor(options: WorldOptions) {
    this.#pool = poolOf(options.cidr ?? "10.1.0.0/28", options.blockSize ?? 30);
    this.#reclaim = options.reclaimer(this.store, this.clock, graceMs);
    for (let n = 0; n < (options.nodes ?? 3); n++)
      this.#machines.push({
        name: `node-${n}`,
        disk: new FakeDisk(),
        fates: new Fates(),
        ipam: undefined,
        registered: false,
        removed: false,
        fuse: undefined,
        outage: 0,
        full: 0,
      });
  }

  get live(): ReadonlyMap<string, LivePod> {
    return this.#live;
  }

  async start(): Promise<void> {
    for (const machine of this.#machines) {
      await this.#register(machine);
      await this.#boot(machine);
    }
  }

  async run(step: Step): Promise<void> {
    await this.#run(step);
    this.#check();
  }

  #check(): void {
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  async #run(step: Step): Promise<void> {
    if (step.type === "wait") return this.wait(step.ms);
    if (step.type === "date") {
      this.clock.setDate(step.ms);
      return;
    }
    if (step.type === "reclaim") {
      await this.#reclaim();
      return;
    }
    const machine = this.#machines[step.node % this.#machines.length]!;
    await this.#runOn(machine, step);
    await this.#rebootIfDead(machine);
  }

  async #runOn(machine: Machine, step: Exclude<Step, { type: "wait" | "reclaim" | "date" }>): Promise<void> {
    switch (step.type) {
      case "add":
        await this.#add(machine, step.pod, step.wait, step.exact);
        break;
      case "delete":
        await this.#delete(machine, step.pod, step.by);
        break;
      case "crash":
        machine.fates.kill();
        break;
      case "wipe":
        machine.fates.kill();
        machine.disk = new FakeDisk();
        break;
      case "flip":
        machine.fates.kill();
        for (const place of step.places) machine.disk.flip(place, step.to);
        break;
      case "full":
        machine.full = step.calls;
        break;
      case "remove":
        await this.#remove(machine);
        break;
      case "return":
        await this.#bringBack(machine, step.wiped);
        break;
      case "unregister":
        await this.#unregister(machine, step.ms);
        break;
      case "outage":
        machine.outage = step.calls;
        break;
      case "fuse":
        machine.fuse = { left: step.calls, fate: step.fate };
        break;
      case "collect":
        await this.#race(machine, machine.ipam?.collect(this.#living(machine), 0).catch(ignoreJournal));
        break;
    }
  }

  /** Lets time pass in small steps, with everybody at work. */
  async wait(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 250) {
      this.clock.advance(250);
      await idle(3);
      for (const machine of this.#machines) await this.#rebootIfDead(machine);
    }
  }

  /** Ends all trouble, brings every node back, deletes every pod, and lets everything come to rest. */
  async calm(): Promise<void> {
    for (const machine of this.#machines) {
      machine.fuse = undefined;
      machine.outage = 0;
      machine.full = 0;
    }
    // The informers' back-off runs on the machine's clock.
    await new Promise((resolve) => setTimeout(resolve, 5));
    await this.#settleAll();
    for (const machine of this.#machines) {
      if (machine.removed) await this.#bringBack(machine, false);
      await this.#rebootIfDead(machine);
    }
    for (const { owner, node, address } of this.#live.values()) {
      this.#live.delete(address);
      await this.store.delete(podKind, owner.pod.split("/")[1] ?? "", "default");
      await this.#machineOf(node).ipam?.release(owner);
    }
    await this.wait(10_000);
    for (const machine of this.#machines) await machine.ipam?.collect({ pods: [] }, 0);
    for (let n = 0; n < 40; n++) {
      await this.#reclaim();
      await this.wait(1_000);
    }
  }

  /** Asks one node for addresses until it has `count`. Throws what the allocator throws. */
  async drain(node: number, count: number): Promise<string[]> {
    const machine = this.#machines[node]!;
    const out: string[] = [];
    for (let n = 0; n < count; n++) {
      const done = machine.ipam!.allocate({ owner: podOwner(`last-${n}`), wants: [want(this.#pool)] });
      const holding = await this.#until(machine, done);
      out.push(holding?.addresses[0]?.address ?? "nothing");
    }
    return out;
  }

  async stop(): Promise<void> {
    for (const machine of this.#machines) machine.fates.kill();
    await idle();
    await this.store.close();
  }

  async #register(machine: Machine): Promise<void> {
    await this.store.create(nodeKind, { apiVersion: "v1", kind: "Node", metadata: { name: machine.name } });
    machine.registered = true;
  }

  async #boot(machine: Machine): Promise<void> {
    for (;;) {
      machine.fates = new Fates((what) => this.#fate(machine, what));
      const inUse = () => Promise.resolve(this.#usedOn(machine.name));
      const { disk, fates } = machine;
      const settings = { cooldownMs: 1_000, idleBlockMs: 4_000, idleLoanMs: 3_000, statusMs: 2_000 };
      // Its own store, so that its calls alone meet its fates.
      const starting = startNode({ store: this.store, clock: this.clock }, machine.name, {
        disk,
        fates,
        inUse,
        settings,
      });
      const node = await this.#until(machine, starting).catch((error: unknown) => {
        // The disk failed while the journal was read: the process ends, and is started again.
        if (isError(error, "ipam.journal")) return undefined;
        throw error;
      });
      machine.ipam = node?.ipam;
      if (node) {
        node.ipam.setRegistered(machine.registered);
        return;
      }
    }
  }

  #fate(machine: Machine, what: string): Fate {
    if (machine.outage > 0 && what.startsWith("store")) {
      machine.outage--;
      return "fail-before";
    }
    if (machine.full > 0 && what.startsWith("disk") && what !== "disk.read") {
      machine.full--;
      return machine.full % 2 === 0 ? "fail-before" : "fail-half";
    }
    const { fuse } = machine;
    if (!fuse) return "ok";
    if (fuse.left-- > 0) return "ok";
    machine.fuse = undefined;
    return fuse.fate;
  }

  async #rebootIfDead(machine: Machine): Promise<void> {
    if (machine.fates.dead && !machine.removed) await this.#boot(machine);
  }

  async #add(machine: Machine, pod: number, wait: boolean, exact: number | undefined): Promise<void> {
    if (machine.removed || !machine.ipam) return;
    const name = `${machine.name}-p${pod}`;
    const known = this.#owners.get(name);
    const owner = known ?? podOwner(name, `c${this.#counter++}-${name}`);
    this.#owners.set(name, owner);
    // The same pod asks for the same again.
    if (!known) this.#exact.set(owner, exact);
    await this.#bind(machine, owner);
    const asking = this.#exact.get(owner);
    const address = asking === undefined ? {} : { address: `10.1.0.${asking % 16}` };
    const asked = machine.ipam.allocate({ owner, wants: [{ ...want(this.#pool), ...address }] });
    const work = this.#race(machine, asked).then(
      async (holding) => {
        // Deleted in the meantime, or the machine died: nobody heard the answer.
        if (!holding || this.#owners.get(name) !== owner || machine.removed) return;
        await this.#arrived(machine, owner, holding.addresses[0]!.address);
      },
      (error: unknown) => {
        if (!isError(error) || !error.code.startsWith("ipam.")) throw error;
      },
    );
    // Kept until somebody looks: an addition may end long after its step.
    const tracked: Promise<void> = work
      .catch((error: unknown) => void this.#failures.push(error))
      .finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
    if (wait) await this.#until(machine, tracked);
  }

  async #arrived(machine: Machine, owner: Owner, address: string): Promise<void> {
    const other = this.#live.get(address);
    if (other && other.owner !== owner)
      throw new Error(`${address} of ${other.owner.containerId} was given to ${owner.containerId} as well`);
    for (const [held, pod] of this.#live)
      if (pod.owner === owner && held !== address)
        throw new Error(`${owner.pod} has ${held}, and now ${address}`);
    this.#live.set(address, { owner, node: machine.name, address });
    const pod = await this.store.get(podKind, owner.pod.split("/")[1] ?? "", "default");
    const status = { phase: "Running" as const, podIP: address };
    try {
      if (pod) await this.store.update(podKind, { ...pod, status });
    } catch (error) {
      // Deleted, or answered twice, between the two calls.
      if (!isError(error, "store.not-found") && !isError(error, "store.conflict")) throw error;
    }
  }

  async #bind(machine: Machine, owner: Owner): Promise<void> {
    const name = owner.pod.split("/")[1] ?? "";
    if (await this.store.get(podKind, name, "default")) return;
    await this.store.create(podKind, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "default" },
      spec: { containers: [], nodeName: machine.name },
    });
  }

  async #delete(machine: Machine, pod: number, by: "owner" | "uid"): Promise<void> {
    const name = `${machine.name}-p${pod}`;
    const owner = this.#owners.get(name);
    if (!owner || machine.removed || !machine.ipam) return;
    // The pod's processes are gone before its network is taken down.
    this.#forget(name, owner);
    const freed = by === "owner" ? machine.ipam.release(owner) : machine.ipam.releasePod({ uid: owner.uid });
    await this.#until(machine, this.#race(machine, freed.catch(ignoreJournal)));
    await this.store.delete(podKind, name, "default");
  }

  #forget(name: string, owner: Owner): void {
    this.#owners.delete(name);
    for (const [address, live] of this.#live) if (live.owner === owner) this.#live.delete(address);
  }

  async #remove(machine: Machine): Promise<void> {
    if (machine.removed) return;
    machine.removed = true;
    machine.registered = false;
    machine.fates.kill();
    for (const [name, owner] of this.#owners)
      if (name.startsWith(`${machine.name}-`)) {
        this.#forget(name, owner);
        await this.store.delete(podKind, name, "default");
      }
    await this.store.delete(nodeKind, machine.name);
  }

  async #bringBack(machine: Machine, wiped: boolean): Promise<void> {
    if (!machine.removed) return;
    if (wiped) machine.disk = new FakeDisk();
    machine.removed = false;
    await this.#register(machine);
    await this.#boot(machine);
  }

  /** Somebody deletes the Node object of a machine that works; the agent hears of it and registers again. */
  async #unregister(machine: Machine, ms: number): Promise<void> {
    if (machine.removed || !machine.registered) return;
    machine.registered = false;
    await this.store.delete(nodeKind, machine.name);
    machine.ipam?.setRegistered(false);
    await this.wait(ms);
    await this.#register(machine);
    machine.ipam?.setRegistered(true);
  }

  #living(machine: Machine) {
    const own = [...this.#owners.values()].filter((owner) =>
      owner.pod.startsWith(`default/${machine.name}-`),
    );
    return { pods: own.map(({ uid, pod }) => ({ uid, pod })) };
  }

  #usedOn(node: string) {
    return [...this.#live.values()]
      .filter((live) => live.node === node)
      .map(({ address, owner }) => ({ address, pod: owner.pod, uid: owner.uid }));
  }

  #machineOf(name: string): Machine {
    return this.#machines.find((machine) => machine.name === name)!;
  }

  /** The work's result, or undefined if the process dies before it. */
  async #race<T>(machine: Machine, work: Promise<T> | undefined): Promise<T | undefined> {
    const { death } = machine.fates;
    const died = new Promise<undefined>((resolve) => {
      if (death.aborted) resolve(undefined);
      death.addEventListener("abort", () => resolve(undefined));
    });
    return Promise.race([work, died]);
  }

  async #until<T>(machine: Machine, work: Promise<T>): Promise<T | undefined> {
    let done = false;
    const raced = this.#race(machine, work);
    void Promise.allSettled([raced]).then(() => {
      done = true;
    });
    await idle(2);
    for (let n = 0; !done && n < 400; n++) {
      this.clock.advance(100);
      await idle(2);
    }
    if (!done) throw new Error(`${machine.name}: an operation never ends`);
    return raced;
  }

  async #settleAll(): Promise<void> {
    for (let n = 0; this.#running.size > 0 && n < 400; n++) {
      this.clock.advance(100);
      await idle(2);
    }
    this.#check();
  }
}

/** The disk failed: whoever asked tries again later. */
function ignoreJournal(error: unknown): undefined {
  if (!isError(error, "ipam.journal")) throw error;
}
