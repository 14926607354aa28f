// What the hammer works on: nodes and their pods, the store that they share, and what is known of them from the answers alone.
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { nodeKind } from "../../../src/api/kinds/core.ts";
import type { Owner, PoolRange } from "../../../src/ipam/types.ts";
import { openSqliteStore } from "../../../src/store/sqlite/store.ts";
import type { Store } from "../../../src/store/store.ts";
import { FaultyDisk } from "../faulty-disk.ts";
import type { Order } from "../ipam-child.ts";
import { IpamMember, type Member, NoAnswer } from "../member.ts";
import type { HammerOptions } from "./options.ts";
import { randomOf } from "./random.ts";

const smallPool: PoolRange = { name: "pool", cidr: "10.1.0.0/25", blockSize: 28 };
export const poolSize = 128;
export const graceMs = 1_500;
const settings = {
  cooldownMs: 150,
  idleBlockMs: 1_000,
  idleLoanMs: 400,
  tickMs: 100,
  borrowWaitMs: 250,
  statusMs: 500,
};

export interface Pod {
  readonly owner: Owner;
  readonly name: string;
  address?: string;
  /** An operation on it is under way. */
  busy: boolean;
}

/** What the hammer knows of a node. */
export class Place {
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

export class Ground {
  readonly options: HammerOptions;
  readonly random: () => number;
  readonly file: string;
  readonly store: Store;
  readonly members: readonly Place[];
  readonly pool: PoolRange;
  readonly counts: Record<string, number> = {};
  readonly violations: string[] = [];
  /** By address. */
  readonly live = new Map<string, Pod>();
  /** Additions and deletions that were tried. */
  done = 0;
  /** What happened, in order: to be read once something is wrong. */
  readonly #history: string[] = [];
  readonly #began = performance.now();

  /** `library`: the disk that fails, see faulty-disk.ts. */
  constructor(options: HammerOptions, library: string) {
    this.options = options;
    this.random = randomOf(options.seed);
    mkdirSync(options.folder, { recursive: true });
    this.file = path.join(options.folder, "store.db");
    this.store = openSqliteStore(this.file);
    this.pool = options.pool ?? smallPool;
    const make = options.member ?? ((name, folder, _store, env) => new IpamMember(name, folder, env));
    this.members = Array.from({ length: options.nodes ?? 5 }, (_, at) => {
      const name = `node-${at}`;
      const disk = new FaultyDisk(library, options.folder, name);
      return new Place(make(name, options.folder, this.file, disk.env), disk);
    });
  }

  /** So much was tried, and so much of it was work and no refusal; or something is wrong already. */
  get over(): boolean {
    const { operations, additions = operations / 5 } = this.options;
    if (this.violations.length > 0 || this.done >= 4 * operations) return true;
    return this.done >= operations && (this.counts["additions"] ?? 0) >= additions;
  }

  get whole(): boolean {
    return this.options.whole !== false;
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  note(what: string): void {
    this.#history.push(`${Math.round(performance.now() - this.#began)} ${what}`);
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.random() * list.length)];
  }

  async createNode(member: Place): Promise<void> {
    await this.store.create(nodeKind, {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: member.name },
      status: { addresses: [{ type: "InternalIP", address: member.member.address }] },
    });
  }

  boot(member: Place): void {
    const inUse = [...member.pods.values()].flatMap(({ address, owner }) =>
      address === undefined ? [] : [{ address, pod: owner.pod, uid: owner.uid }],
    );
    const { name: node, registered } = member;
    const { journal } = member.member;
    const setup = { store: this.file, node, journal, pool: this.pool, settings, inUse, registered };
    member.member.start(setup);
  }

  async collect(member: Place): Promise<void> {
    // Asked before the list is made: an addition that begins now is not in danger, as its pod is known first.
    const uids = [...member.pods.values()].map((pod) => pod.owner.uid);
    await this.tell(member, { op: "collect", uids, graceMs: 0 });
  }

  async tell(member: Place, order: Order): Promise<unknown> {
    try {
      return await member.member.order(order);
    } catch (error) {
      // It was killed meanwhile; what it should have heard it learns when it starts again.
      if (error instanceof NoAnswer || codeOf(error) === "ipam.journal") return undefined;
      throw error;
    }
  }

  keep(): void {
    const folder = process.env["TRUNKLINE_HAMMER_KEEP"];
    if (folder === undefined) return;
    const to = path.join(folder, String(this.options.seed));
    cpSync(this.options.folder, to, { recursive: true });
    writeFileSync(path.join(to, "history"), this.#history.join("\n"));
  }
}

export function codeOf(error: unknown): string {
  return (error as { readonly code?: string }).code ?? "unexpected";
}
