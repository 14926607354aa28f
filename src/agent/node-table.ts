// The node's one nftables table, shared by the managers that own parts of it. A part changes its own chains and sets in
// the document and then commits; what differs goes to the kernel in one transaction.
//
// The first transaction of a new agent replaces whatever table is there, so it waits until every part has said what it
// wants: until then the rules of the agent before stay in force.
import type { Nft } from "../kernel/kernel.ts";
import { NftTable } from "../kernel/nft/document.ts";

export class NodeTable {
  readonly document = new NftTable("inet", "trunkline");
  readonly #nft: Nft;
  readonly #silent = new Set<string>();
  /** The kernel's table may be another than the one last committed. */
  #suspect = true;
  #last: Promise<void> = Promise.resolve();

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

  /** Replaces the whole table with what the document says, in one transaction: after somebody else changed it. */
  restore(): Promise<void> {
    return this.#inTurn(() => {
      this.#suspect = true;
      return this.#run();
    });
  }

  async #run(): Promise<void> {
    if (this.#silent.size > 0 || (!this.#suspect && !this.document.dirty)) return;
    const texts = this.#suspect ? [this.document.replaceAll()] : this.document.pending();
    // What is written into the document from here on is of the next commit.
    this.document.committed();
    this.#suspect = true;
    for (const text of texts) await this.#nft.run(text);
    this.#suspect = false;
  }

  #inTurn(step: () => Promise<void>): Promise<void> {
    // A failure is told to the caller that it belongs to, and must not fail those after it.
    const mine = this.#last.then(step, step);
    this.#last = mine.catch(() => {});
    return mine;
  }
}
