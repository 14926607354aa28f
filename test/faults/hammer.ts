// The hammer: nodes as processes that share one store, random additions and deletions of pods, and everything that can
// go wrong at any instant: SIGKILL, lost disks, nodes that are removed and come back, a store that stops. It knows which
// pod has which address from the answers alone.
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { addressBlockKind } from "../../src/api/kinds/address-block.ts";
import { nodeKind, podKind } from "../../src/api/kinds/core.ts";
import { ipPoolKind } from "../../src/api/kinds/ip-pool.ts";
import { isError } from "../../src/base/errors.ts";
import { IpamCollector } from "../../src/controller/ipam-gc.ts";
import type { NodeFigures } from "../../src/ipam/figures.ts";
import { readJournal } from "../../src/ipam/journal/read.ts";
import type { HeldAddress, Owner, PoolRange } from "../../src/ipam/types.ts";
import { checkAddresses, type Finding } from "../../src/plan/addressing/check.ts";
import { collectFacts } from "../../src/plan/collect.ts";
import { openSqliteStore } from "../../src/store/sqlite/store.ts";
import type { Store } from "../../src/store/store.ts";
import { FaultyDisk, flipBytes, moods } from "./faulty-disk.ts";
import type { Order } from "./ipam-child.ts";
import { IpamMember, type Member, NoAnswer } from "./member.ts";

export interface HammerOptions {
  /** Additions and deletions that are tried, also those that are refused. */
  readonly operations: number;
  /**
   * Goes on after `operations` until so many new pods were given an address: how many are refused depends on how long
   * killed processes take to come back, and that is the machine's affair. Ends all the same after four times
   * `operations`. Default: a fifth of `operations`.
   */
  readonly additions?: number;
  readonly seed: number;
  /** An empty folder, best on a disk in memory: what is tested is kills, not losses of power. */
  readonly folder: string;
  readonly nodes?: number;
  /** What a node is; default: an allocator as a process of its own. `env` gives its processes their disk. */
  readonly member?: (
    name: string,
    folder: string,
    store: string,
    env: Readonly<Record<string, string>>,
  ) => Member;
  readonly pool?: PoolRange;
  /** How many pods there are at the least and at the most. */
  readonly pods?: readonly [least: number, most: number];
  readonly workers?: number;
  /** Without: disks survive, and the pool is not drained in the end. */
  readonly whole?: boolean;
}

export interface HammerReport {
  readonly counts: Readonly<Record<string, number>>;
  /** Addresses that two pods had at a time; pods whose address changed. */
  readonly violations: readonly string[];
  /** What `ipam check` finds when all is quiet. */
  readonly findings: readonly Finding[];
  /** Addresses that one node got when it asked for the whole pool at the end. */
  readonly drained: number;
  readonly poolSize: number;
  /** What nodes have left of pods when all are gone. */
  readonly leftovers: readonly string[];
}

const smallPool: PoolRange = { name: "pool", cidr: "10.1.0.0/25", blockSize: 28 };
const poolSize = 128;
const graceMs = 1_500;
const settings = {
  cooldownMs: 150,
  idleBlockMs: 1_000,
  idleLoanMs: 400,
  tickMs: 100,
  borrowWaitMs: 250,
  statusMs: 500,
};

interface Pod {
  readonly owner: Owner;
  readonly name: string;
  address?: string;
  /** An operation on it is under way. */
  busy: boolean;
}

/** What the hammer knows of a node. */
class Place {
  readonly member: Member;
  readonly pods = new Map<string, Pod>();
  removed = false;
  registered = true;
  /** Something is being done to the node as a whole. */
  busy = false;
  readonly disk: FaultyDisk;

  constructor(member: Member, disk: FaultyDisk) {
    this.member = member;
    this.disk = disk;
  }

  get name(): string {
    return this.member.name;
  }
}

/** A small generator of random numbers with a seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export class Hammer {
  readonly #options: HammerOptions;
  readonly #random: () => number;
  readonly #file: string;
  readonly #store: Store;
  readonly #members: Place[];
  readonly #pool: PoolRange;
  readonly #collector: IpamCollector;
  readonly #counts: Record<string, number> = {};
  readonly #violations: string[] = [];
  /** By address. */
  readonly #live = new Map<string, Pod>();
  #done = 0;
  #podNumber = 0;
  /** What happened, in order: to be read once something is wrong. */
  readonly #history: string[] = [];
  readonly #began = performance.now();

  /** `library`: the disk that fails, see faulty-disk.ts. */
  constructor(options: HammerOptions, library: string) {
    this.#options = options;
    this.#random = randomOf(options.seed);
    mkdirSync(options.folder, { recursive: true });
    this.#file = path.join(options.folder, "store.db");
    this.#store = openSqliteStore(this.#file);
    this.#pool = options.pool ?? smallPool;
    const make = options.member ?? ((name, folder, _store, env) => new IpamMember(name, folder, env));
    this.#members = Array.from({ length: options.nodes ?? 5 }, (_, at) => {
      const name = `node-${at}`;
      const disk = new FaultyDisk(library, options.folder, name);
      return new Place(make(name, options.folder, this.#file, disk.env), disk);
    });
    this.#collector = new IpamCollector({ store: this.#store, graceMs, intervalMs: 200 });
  }

  async run(): Promise<HammerReport> {
    try {
      await this.#begin();
      await Promise.all([
        ...Array.from({ length: this.#options.workers ?? 16 }, () => this.#worker()),
        this.#mischief(),
      ]);
      await this.#calm();
      const findings = await this.#findings();
      const drained = this.#whole ? await this.#drain() : poolSize;
      const leftovers = this.#members.flatMap(({ member }) => member.leftovers());
      const { counts, violations } = this.#snapshot();
      return { counts, violations, findings, drained, poolSize, leftovers };
    } finally {
      await this.#collector.close();
      await Promise.all(this.#members.map(({ member }) => member.end()));
      await this.#store.close();
    }
  }

  /** So much was tried, and so much of it was work and no refusal; or something is wrong already. */
  get #over(): boolean {
    const { operations, additions = operations / 5 } = this.#options;
    if (this.#violations.length > 0 || this.#done >= 4 * operations) return true;
    return this.#done >= operations && (this.#counts["additions"] ?? 0) >= additions;
  }

  get #whole(): boolean {
    return this.#options.whole !== false;
  }

  #snapshot() {
    return { counts: this.#counts, violations: this.#violations };
  }

  #count(what: string): void {
    this.#counts[what] = (this.#counts[what] ?? 0) + 1;
  }

  #note(what: string): void {
    this.#history.push(`${Math.round(performance.now() - this.#began)} ${what}`);
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.#random() * list.length)];
  }

  async #begin(): Promise<void> {
    await this.#store.create(ipPoolKind, {
      apiVersion: ipPoolKind.apiVersion,
      kind: "IPPool",
      metadata: { name: this.#pool.name },
      spec: { cidr: this.#pool.cidr, blockSize: this.#pool.blockSize },
    });
    for (const member of this.#members) {
      await this.#createNode(member);
      this.#boot(member);
    }
    this.#collector.start();
  }

  async #createNode(member: Place): Promise<void> {
    await this.#store.create(nodeKind, {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: member.name },
      status: { addresses: [{ type: "InternalIP", address: member.member.address }] },
    });
  }

  #boot(member: Place): void {
    const inUse = [...member.pods.values()].flatMap(({ address, owner }) =>
      address === undefined ? [] : [{ address, pod: owner.pod, uid: owner.uid }],
    );
    const { name: node, registered } = member;
    const { journal } = member.member;
    const setup = { store: this.#file, node, journal, pool: this.#pool, settings, inUse, registered };
    member.member.start(setup);
  }

  /** Adds and deletes pods until enough was done. How full the pool is swings between nearly empty and too full. */
  async #worker(): Promise<void> {
    while (!this.#over) {
      // A node that is not registered refuses everything: few are asked all the same.
      const member = this.#pick(this.#members.filter((one) => !one.removed));
      if (!member || (!member.registered && this.#random() < 0.95)) {
        await sleep(2);
        continue;
      }
      const wave = Math.sin((this.#done / this.#options.operations) * 40 * Math.PI);
      const [least, most] = this.#options.pods ?? [2, 142];
      const wanted = (least + most) / 2 + ((most - least) / 2) * wave;
      const idle = [...member.pods.values()].filter((pod) => !pod.busy);
      const add = this.#live.size < wanted ? this.#random() < 0.7 : this.#random() < 0.3;
      const old = this.#pick(idle);
      if (add || !old) await this.#add(member, this.#random() < 0.1 ? old : undefined);
      else await this.#delete(member, old);
    }
  }

  async #add(member: Place, again: Pod | undefined): Promise<void> {
    const pod = again ?? this.#newPod(member);
    pod.busy = true;
    this.#done++;
    const exact =
      again || this.#random() > 0.02 ? {} : { address: `10.1.0.${Math.floor(this.#random() * poolSize)}` };
    try {
      if (!again) await this.#createPod(member, pod);
      const [got] = (await member.member.order({ op: "add", owner: pod.owner, ...exact })) as HeldAddress[];
      const address = got?.address;
      // The node was removed while the answer was on its way: the pod is dead.
      if (address === undefined || member.pods.get(pod.name) !== pod) return;
      this.#count(again ? "repeated additions" : "additions");
      if (got?.loan !== undefined) this.#count("of them borrowed");
      this.#arrived(pod, address);
      await this.#publish(pod);
    } catch (error) {
      this.#note(`${pod.name} addition failed: ${error instanceof NoAnswer ? "no answer" : codeOf(error)}`);
      this.#count(error instanceof NoAnswer ? "unanswered additions" : `additions refused: ${codeOf(error)}`);
      // Refused outright: the runtime deletes it. Without an answer it stays, to be added again or deleted later.
      if (!(error instanceof NoAnswer) && pod.address === undefined) await this.#remove(member, pod);
      // The runtime would back off as well.
      await sleep(error instanceof NoAnswer ? 20 : 10);
    } finally {
      pod.busy = false;
    }
  }

  #newPod(member: Place): Pod {
    const name = `p${this.#podNumber++}`;
    const owner = { containerId: `c-${name}`, ifName: "eth0", pod: `default/${name}`, uid: `uid-${name}` };
    const pod: Pod = { owner, name, busy: true };
    this.#note(`${name} wanted at ${member.name}`);
    member.pods.set(name, pod);
    return pod;
  }

  #arrived(pod: Pod, address: string): void {
    const other = this.#live.get(address);
    this.#note(`${pod.name} arrived ${address}`);
    if (other && other !== pod)
      this.#violations.push(`${address} of ${other.name} was given to ${pod.name} as well`);
    if (pod.address !== undefined && pod.address !== address)
      this.#violations.push(`${pod.name} had ${pod.address} and is now given ${address}`);
    if (this.#violations.length > 0) this.#keep();
    pod.address = address;
    this.#live.set(address, pod);
  }

  #keep(): void {
    const folder = process.env["TRUNKLINE_HAMMER_KEEP"];
    if (folder === undefined) return;
    const to = path.join(folder, String(this.#options.seed));
    cpSync(this.#options.folder, to, { recursive: true });
    writeFileSync(path.join(to, "history"), this.#history.join("\n"));
  }

  async #createPod(member: Place, pod: Pod): Promise<void> {
    await this.#store.create(podKind, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: pod.name, namespace: "default" },
      spec: { containers: [], nodeName: member.name },
    });
  }

  async #publish(pod: Pod): Promise<void> {
    const object = await this.#store.get(podKind, pod.name, "default");
    if (!object || pod.address === undefined) return;
    try {
      await this.#store.update(podKind, { ...object, status: { phase: "Running", podIP: pod.address } });
    } catch (error) {
      // Its node was removed between the two calls, and the pod with it.
      if (!isError(error, "store.not-found")) throw error;
    }
  }

  async #delete(member: Place, pod: Pod): Promise<void> {
    pod.busy = true;
    try {
      await this.#remove(member, pod);
    } finally {
      pod.busy = false;
    }
  }

  /** For who has the pod already, as runtimes do one thing at a time to a pod. */
  async #remove(member: Place, pod: Pod): Promise<void> {
    this.#done++;
    this.#note(`${pod.name} leaves ${pod.address} at ${member.name}`);
    // The pod's processes are gone before its network is taken down.
    if (pod.address !== undefined) this.#live.delete(pod.address);
    delete pod.address;
    try {
      await member.member.order({ op: "delete", owner: pod.owner });
      this.#count("deletions");
      this.#note(`${pod.name} deleted`);
      member.pods.delete(pod.name);
      await this.#store.delete(podKind, pod.name, "default");
    } catch (error) {
      this.#note(`${pod.name} deletion failed: ${error instanceof NoAnswer ? "no answer" : codeOf(error)}`);
      // To be deleted again later; some are forgotten instead, and are the collection's to find.
      this.#count(error instanceof NoAnswer ? "unanswered deletions" : `deletions refused: ${codeOf(error)}`);
      if (this.#random() < 0.3) {
        member.pods.delete(pod.name);
        await this.#store.delete(podKind, pod.name, "default");
      }
      if (error instanceof NoAnswer) await sleep(20);
    }
  }

  async #mischief(): Promise<void> {
    // To find out which kind of mischief does it: `flips`, `wipes`, `disks`, any of them.
    const without = new Set((process.env["TRUNKLINE_HAMMER_WITHOUT"] ?? "").split(","));
    const weighted: readonly (readonly [weight: number, work: () => Promise<void>])[] = [
      [8, () => this.#killSome()],
      [2, () => this.#removeSome()],
      [this.#whole && !without.has("wipes") ? 1 : 0, () => this.#wipeSome()],
      [1, () => this.#unregisterSome()],
      [1, () => this.#outage()],
      [1, () => this.#stopStore()],
      [1, () => this.#collectSome()],
      [without.has("disks") ? 0 : 2, () => this.#spoilSome()],
      [without.has("flips") ? 0 : 2, () => this.#flipSome()],
    ];
    const kinds = weighted.flatMap(([weight, work]) => Array.from({ length: weight }, () => work));
    const running = new Set<Promise<void>>();
    while (!this.#over) {
      const next = this.#done + 10 + this.#random() * 40;
      // Nobody goes on after a violation.
      while (this.#done < next && !this.#over) await sleep(5);
      const one = this.#pick(kinds)!().finally(() => running.delete(one));
      running.add(one);
    }
    await Promise.all(running);
  }

  #victim(): Place | undefined {
    return this.#pick(
      this.#members.filter((member) => !member.removed && !member.busy && member.member.alive),
    );
  }

  async #withVictim(what: string, work: (member: Place) => Promise<void>): Promise<void> {
    const member = this.#victim();
    if (!member) return;
    member.busy = true;
    this.#count(what);
    this.#note(`${what} at ${member.name}`);
    try {
      await work(member);
      this.#note(`${what} at ${member.name} over`);
    } finally {
      member.busy = false;
    }
  }

  #killSome(): Promise<void> {
    return this.#withVictim("kills", async (member) => {
      await member.member.kill();
      await sleep(this.#random() * 50);
      this.#boot(member);
      await member.member.ready;
      this.#lookForCutOff(member);
    });
  }

  /** For a while its disk is full, broken or read-only now and then; in half of the cases it is killed meanwhile. */
  #spoilSome(): Promise<void> {
    return this.#withVictim("bad disks", async (member) => {
      const mood = this.#pick(moods)!;
      this.#count(`of them ${mood}`);
      member.disk.spoil(mood, 1000 * this.#random() ** 2);
      await sleep(this.#random() * 400);
      if (this.#random() < 0.5) {
        await member.member.kill();
        this.#boot(member);
        await sleep(this.#random() * 400);
      }
      member.disk.mend();
      if (!member.member.alive) {
        this.#count("starts that a bad disk ended");
        this.#boot(member);
      }
      await member.member.ready;
      this.#lookForCutOff(member);
    });
  }

  /** The process dies, and bytes of its journals are others when it comes back. */
  #flipSome(): Promise<void> {
    return this.#withVictim("flipped bytes", async (member) => {
      await member.member.kill();
      for (const file of member.member.journals) if (this.#random() < 0.7) flipBytes(file, this.#random);
      this.#boot(member);
      await member.member.ready;
      this.#lookForCutOff(member);
    });
  }

  /** Whatever was done to its agent, a pod that was answered for and not deleted is on the network. */
  #lookForCutOff(member: Place): void {
    for (const { owner, address, busy, name } of member.pods.values()) {
      const why = address === undefined || busy ? undefined : member.member.cutOff(owner, address);
      if (why !== undefined) this.#violations.push(`${name} is cut off: ${why}`);
    }
  }

  /** The process dies and the disk with it, but the machine's pods go on. */
  #wipeSome(): Promise<void> {
    return this.#withVictim("lost disks", async (member) => {
      await member.member.kill();
      rmSync(member.member.journal, { recursive: true, force: true });
      this.#boot(member);
      await member.member.ready;
    });
  }

  /** The machine is switched off and deleted from the cluster; later it comes back, with its old disk or a new one. */
  #removeSome(): Promise<void> {
    return this.#withVictim("removals", async (member) => {
      if (this.#members.filter((one) => !one.removed).length <= 2) return;
      member.removed = true;
      await member.member.kill();
      await member.member.switchOff();
      const pods = [...member.pods.values()];
      member.pods.clear();
      for (const pod of pods) {
        if (pod.address !== undefined) this.#live.delete(pod.address);
        await this.#store.delete(podKind, pod.name, "default");
      }
      await this.#store.delete(nodeKind, member.name);
      await sleep(this.#random() * 3 * graceMs);
      // What was under way towards the store when the machine died has come to its end as well by now.
      for (const pod of pods) await this.#store.delete(podKind, pod.name, "default");
      if (this.#whole && this.#random() < 0.5)
        rmSync(member.member.journal, { recursive: true, force: true });
      await this.#createNode(member);
      this.#boot(member);
      await member.member.ready;
      member.removed = false;
    });
  }

  /** Somebody deletes a Node object by mistake. The agent hears of it a little later, and registers again. */
  #unregisterSome(): Promise<void> {
    return this.#withVictim("lost Node objects", async (member) => {
      await this.#store.delete(nodeKind, member.name);
      await sleep(this.#random() * 200);
      member.registered = false;
      await this.#tell(member, { op: "register", registered: false });
      await sleep(this.#random() * 2 * graceMs);
      await this.#createNode(member);
      member.registered = true;
      await this.#tell(member, { op: "register", registered: true });
    });
  }

  #outage(): Promise<void> {
    return this.#withVictim("outages", async (member) => {
      await this.#tell(member, { op: "outage", ms: this.#random() * 500 });
    });
  }

  #collectSome(): Promise<void> {
    return this.#withVictim("collections", (member) => this.#collect(member));
  }

  async #collect(member: Place): Promise<void> {
    // Asked before the list is made: an addition that begins now is not in danger, as its pod is known first.
    const uids = [...member.pods.values()].map((pod) => pod.owner.uid);
    await this.#tell(member, { op: "collect", uids, graceMs: 0 });
  }

  async #tell(member: Place, order: Order): Promise<unknown> {
    try {
      return await member.member.order(order);
    } catch (error) {
      // It was killed meanwhile; what it should have heard it learns when it starts again.
      if (error instanceof NoAnswer || codeOf(error) === "ipam.journal") return undefined;
      throw error;
    }
  }

  /** Nobody can write for a while: a store that is being restarted. */
  async #stopStore(): Promise<void> {
    this.#count("store stops");
    const database = new DatabaseSync(this.#file, { timeout: 5000 });
    try {
      database.exec("BEGIN IMMEDIATE");
      // Long enough to be felt; our own writes, in this thread, would wait for us for ever, so none may happen in it.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50 + this.#random() * 100);
      database.exec("ROLLBACK");
    } finally {
      database.close();
    }
  }

  /** Ends all trouble, deletes every pod, and waits until everything has come home. */
  async #calm(): Promise<void> {
    for (const member of this.#members) {
      member.disk.mend();
      if (!member.member.alive) this.#boot(member);
      await member.member.ready;
      await this.#tell(member, { op: "register", registered: true });
    }
    await sleep(600);
    for (const member of this.#members)
      for (const pod of member.pods.values()) await this.#delete(member, pod);
    for (const member of this.#members) await this.#collect(member);
    const deadline = Date.now() + 30_000;
    while (Date.now() < deadline && !(await this.#isQuiet())) await sleep(200);
  }

  async #isQuiet(): Promise<boolean> {
    const { items } = await this.#store.list(addressBlockKind);
    if (items.some(({ spec }) => (spec.loans ?? []).length > 0)) return false;
    // Links go behind the answer.
    if (this.#members.some(({ member }) => member.leftovers().length > 0)) return false;
    for (const member of this.#members) {
      const figures = (await member.member.order({ op: "figures" })) as NodeFigures;
      if (figures.holdings > 0 || figures.blocks.some((block) => block.used + block.lent > 0)) return false;
    }
    return true;
  }

  async #findings(): Promise<Finding[]> {
    const journals = new Map();
    for (const member of this.#members) {
      const ledger = await readJournal(member.member.journal);
      journals.set(member.name, [...(ledger?.holdings.values() ?? [])]);
    }
    return checkAddresses(await collectFacts(this.#store), journals, Date.now());
  }

  /** One node asks for every address of the pool; what it does not get in time is lost. */
  async #drain(): Promise<number> {
    const member = this.#members[0]!;
    const deadline = Date.now() + 60_000;
    const got = new Set<string>();
    for (let n = 0; got.size < poolSize && Date.now() < deadline; n++) {
      const owner = { containerId: `last-${n}`, ifName: "eth0", pod: `default/last-${n}`, uid: `last-${n}` };
      try {
        for (const held of (await member.member.order({ op: "add", owner })) as HeldAddress[])
          got.add(held.address);
      } catch (error) {
        if (codeOf(error) !== "ipam.exhausted") throw error;
        this.#count("refused while draining");
        if ((this.#counts["refused while draining"] ?? 0) > 20) break;
        await sleep(200);
      }
    }
    return got.size;
  }
}

function codeOf(error: unknown): string {
  return (error as { readonly code?: string }).code ?? "unexpected";
}
