// The node's one nftables table, shared by the managers that own parts of it. Each part has a document of its own, whose
// objects are told by how their names begin: what the kernel refuses of one part keeps no other out of force.
//
// A new agent finds the table of the one before it. Each part takes its own objects over in one transaction, which leaves
// those of the others as they are, in force, until those parts say what they want.
import { isError } from "../../base/errors.ts";
import { Turns } from "../../base/turns.ts";
import type { Kernel, Nft, NftHeading, NftPresent } from "../../kernel/kernel.ts";
import { NftTable } from "../../kernel/nft/document.ts";
import { readContents } from "../../kernel/nft/intact.ts";

const NAME = "trunkline";

/** How names of a part's objects begin, where that is not the part's own name. */
const starts: Readonly<Record<string, readonly string[]>> = {
  policy: ["policy-", "pod-", "groups-"],
  stage: ["policy-"],
  snat: ["nat-"],
  "ipv6-guard": ["pod-"],
};

interface Part {
  readonly document: NftTable;
  readonly owns: (name: string) => boolean;
  /** The kernel's objects may be others than those last committed. */
  suspect: boolean;
  /** Somebody else changed the table. Apart from `suspect`: this may happen while a transaction of ours runs. */
  foreign: boolean;
}

export class NodeTable {
  readonly #nft: Nft;
  readonly #family: "inet" | "ip6";
  readonly #name: string;
  readonly #parts = new Map<string, Part>();
  /** Parts that have not committed yet. */
  readonly #silent = new Set<string>();
  readonly #turns = new Turns();
  /** Listens for changes by others; without it every `restore` must assume one. */
  #watch: { stop(): void } | undefined;

  /**
   * @param parts names of all that will commit
   * @param table its family, and its name where it is not the node's one table (kernel/own-tables.ts)
   */
  constructor(nft: Nft, parts: readonly string[], table: { family?: "inet" | "ip6"; name?: string } = {}) {
    const { family = "inet", name: tableName = NAME } = table;
    this.#nft = nft;
    this.#family = family;
    this.#name = tableName;
    for (const name of parts) {
      const own = starts[name] ?? [`${name}-`];
      this.#parts.set(name, {
        document: new NftTable(family, tableName),
        owns: (object) => own.some((start) => object.startsWith(start)),
        suspect: true,
        foreign: false,
      });
      this.#silent.add(name);
    }
  }

  /** Returns what a part wants; to be changed, and then committed. */
  document(part: string): NftTable {
    return this.#part(part).document;
  }

  /**
   * Makes the kernel's objects of a part what its document says, in one transaction.
   * @throws `kernel.nft`; then nothing has changed, and the next commit writes all of the part anew
   */
  commit(part: string): Promise<void> {
    return this.#turns.run(async () => {
      await this.#run(this.#part(part));
      if (this.#silent.delete(part) && this.#silent.size === 0) await this.#removeStrangers();
    });
  }

  /** Listens for changes of the table by others, so that `restore` has nothing to do while there were none. */
  follow(kernel: Pick<Kernel, "watch">): void {
    this.#watch ??= kernel.watch(["nftables"], (event) => {
      const isOurs =
        event.kind === "nftables" && !event.byUs && (event.table === undefined || event.table === this.#name);
      if (event.kind === "lost" || isOurs) for (const part of this.#parts.values()) part.foreign = true;
    });
  }

  stop(): void {
    this.#watch?.stop();
    this.#watch = undefined;
  }

  /** Writes a part anew, in one transaction, if somebody else changed the table. */
  restore(part: string): Promise<void> {
    return this.#turns.run(async () => {
      const one = this.#part(part);
      // The table's absence is seen even where its event was not.
      if (this.#watch === undefined || (await this.#isGone(one))) one.foreign = true;
      await this.#run(one);
    });
  }

  /** Takes the table away, whoever made it; the next commit of each part makes it anew. */
  remove(): Promise<void> {
    return this.#turns.run(async () => {
      const heading = `${this.#family} ${this.#name}`;
      for (const part of this.#parts.values()) part.suspect = true;
      // `add` before `delete`: deleting a table that is not there would be an error.
      await this.#nft.run(`add table ${heading}\ndelete table ${heading}\n`);
    });
  }

  #part(name: string): Part {
    const part = this.#parts.get(name);
    if (part === undefined) throw new RangeError(`the table has no part ${name}`);
    return part;
  }

  get #place(): NftHeading {
    return { family: this.#family, table: this.#name };
  }

  async #isGone({ document }: Part): Promise<boolean> {
    const [chain] = document.chainNames();
    return chain !== undefined && !(await this.#nft.hasChain(this.#place, chain));
  }

  async #run(part: Part): Promise<void> {
    const { document } = part;
    part.suspect ||= part.foreign;
    if (!part.suspect && !document.dirty) return;
    part.foreign = false;
    const whole = part.suspect ? await this.#whole(part) : undefined;
    const steps = whole === undefined ? document.steps() : [];
    // What is written into the document from here on is of the next commit.
    document.committed();
    part.suspect = true;
    for (const step of steps)
      if ("text" in step) await this.#nft.run(step.text);
      else await this.#nft.change(this.#place, step.changes);
    if (whole !== undefined) await this.#takeOver(whole);
    part.suspect = false;
  }

  /**
   * Returns the transactions that would bring a part to its wanted state whatever the kernel has of it: the gentler first.
   * undefined: it has nothing of it, nor has had by us, so that what is not there yet can be made step by step.
   */
  async #whole({ document, owns }: Part): Promise<readonly [string, string] | undefined> {
    const all = (await this.#nft.present(this.#place)) ?? {
      chains: [],
      sets: [],
      maps: [],
    };
    const present: NftPresent = {
      chains: all.chains.filter(owns),
      sets: all.sets.filter(owns),
      maps: all.maps.filter(owns),
    };
    const isEmpty = [present.chains, present.sets, present.maps].every((names) => names.length === 0);
    if (document.isNew && isEmpty) return undefined;
    const contents = await readContents(
      this.#nft,
      `${this.#family} ${this.#name}`,
      present,
      document.rangeSets(),
    );
    return [document.refill(present, contents), document.rebuild(present)];
  }

  async #takeOver([refill, rebuild]: readonly [string, string]): Promise<void> {
    try {
      await this.#nft.run(refill);
    } catch (error) {
      // Another version's objects: what has another definition goes, and comes anew.
      if (!isError(error, "kernel.nft")) throw error;
      await this.#nft.run(rebuild);
    }
  }

  /** Objects that belong to no part: an earlier version's. They go once all that is ours is in force. */
  async #removeStrangers(): Promise<void> {
    const present = await this.#nft.present(this.#place);
    if (present === undefined) return;
    const parts = [...this.#parts.values()];
    const strange = (name: string): boolean => !parts.some(({ owns }) => owns(name));
    const [chains, sets, maps] = [present.chains, present.sets, present.maps].map((names) =>
      names.filter(strange),
    );
    const heading = `${this.#family} ${this.#name}`;
    const lines = [
      ...(chains ?? []).map((name) => `flush chain ${heading} ${name}`),
      ...(sets ?? []).map((name) => `delete set ${heading} ${name}`),
      ...(maps ?? []).map((name) => `delete map ${heading} ${name}`),
      ...(chains ?? []).map((name) => `delete chain ${heading} ${name}`),
    ];
    if (lines.length === 0) return;
    try {
      await this.#nft.run(`${lines.join("\n")}\n`);
    } catch (error) {
      // All of ours is in force. What somebody has hung on these stays where it is.
      if (!isError(error, "kernel.nft")) throw error;
    }
  }
}
