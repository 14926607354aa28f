// The node's one nftables table, shared by the managers that own parts of it. A part changes its own chains and sets in
// the document and then commits; what differs goes to the kernel in one transaction.
//
// The first transaction of a new agent replaces whatever table is there, so it waits until every part has said what it
// wants: until then the rules of the agent before stay in force.
import { isError } from "../../base/errors.ts";
import type { Kernel, Nft } from "../../kernel/kernel.ts";
import { NftTable } from "../../kernel/nft/document.ts";
import { readContents } from "../../kernel/nft/intact.ts";
import { readPresent } from "../../kernel/nft/present.ts";

export class NodeTable {
  readonly document = new NftTable("inet", "trunkline");
  readonly #nft: Nft;
  readonly #silent = new Set<string>();
  /** The kernel's table may be another than the one last committed. */
  #suspect = true;
  /** Somebody else changed it. Apart from `#suspect`: this may happen while a transaction of ours runs. */
  #foreign = false;
  #last: Promise<void> = Promise.resolve();
  /** Listens for changes by others; without it every `restore` must assume one. */
  #watch: { stop(): void } | undefined;

  /** @param parts names of all that will commit */
  constructor(nft: Nft, parts: readonly string[]) {
    this.#nft = nft;
    for (const part of parts) this.#silent.add(part);
  }

  /**
   * Makes the kernel's table what the document says; before every part has committed once, does nothing.
   * @throws `kernel.nft`; then nothing has changed, and the next commit replaces the whole table
   */
  commit(part: string): Promise<void> {
    this.#silent.delete(part);
    return this.#inTurn(() => this.#run());
  }

  /** Listens for changes of the table by others, so that `restore` has nothing to do while there were none. */
  follow(kernel: Pick<Kernel, "watch">): void {
    this.#watch ??= kernel.watch(["nftables"], (event) => {
      if (event.kind === "lost") this.#foreign = true;
      if (event.kind !== "nftables" || event.byUs) return;
      if (event.table === undefined || event.table === this.document.name) this.#foreign = true;
    });
  }

  stop(): void {
    this.#watch?.stop();
    this.#watch = undefined;
  }

  /** Replaces the whole table with what the document says, in one transaction, if somebody else changed it. */
  restore(): Promise<void> {
    return this.#inTurn(async () => {
      // The table's absence is seen even where its event was not.
      if (this.#watch === undefined || (await this.#isGone())) this.#foreign = true;
      await this.#run();
    });
  }

  async #isGone(): Promise<boolean> {
    const [chain] = this.document.chainNames();
    const { family, name } = this.document;
    return (
      chain !== undefined && (await this.#nft.text(`list chain ${family} ${name} ${chain}`)) === undefined
    );
  }

  async #run(): Promise<void> {
    this.#suspect ||= this.#foreign;
    if (this.#silent.size > 0 || (!this.#suspect && !this.document.dirty)) return;
    this.#foreign = false;
    const { family, name } = this.document;
    const present = this.#suspect ? await readPresent(this.#nft, family, name) : undefined;
    const contents =
      present && (await readContents(this.#nft, `${family} ${name}`, present, this.document.rangeSets()));
    const texts = this.#suspect ? [] : this.document.pending();
    const refill = present && contents && this.document.refill(present, contents);
    const replace = this.#suspect ? this.document.replaceAll() : undefined;
    // What is written into the document from here on is of the next commit.
    this.document.committed();
    this.#suspect = true;
    for (const text of texts) await this.#nft.run(text);
    if (replace !== undefined && !(await this.#refilled(refill))) await this.#nft.run(replace);
    this.#suspect = false;
  }

  /** Returns false where the table is not there, or is of other definitions than ours. */
  async #refilled(text: string | undefined): Promise<boolean> {
    if (text === undefined) return false;
    try {
      await this.#nft.run(text);
      return true;
    } catch (error) {
      // Another version's table: it is replaced whole.
      if (!isError(error, "kernel.nft")) throw error;
      return false;
    }
  }

  #inTurn(step: () => Promise<void>): Promise<void> {
    // A failure is told to the caller that it belongs to, and must not fail those after it.
    const mine = this.#last.then(step, step);
    this.#last = mine.catch(() => {});
    return mine;
  }
}
