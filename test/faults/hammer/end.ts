// What is looked at in the end, when all is quiet: nothing may be left of any pod, and no address may be lost.
import { setTimeout as sleep } from "node:timers/promises";
import { addressBlockKind } from "../../../src/api/kinds/address-block.ts";
import type { NodeFigures } from "../../../src/ipam/figures.ts";
import { readJournal } from "../../../src/ipam/journal/read.ts";
import type { HeldAddress } from "../../../src/ipam/types.ts";
import { checkAddresses, type Finding } from "../../../src/plan/addressing/check.ts";
import { collectFacts } from "../../../src/plan/collect.ts";
import { codeOf, type Ground, poolSize } from "./ground.ts";
import type { PodWork } from "./pod-work.ts";

export class End {
  readonly #ground: Ground;
  readonly #pods: PodWork;

  constructor(ground: Ground, pods: PodWork) {
    this.#ground = ground;
    this.#pods = pods;
  }

  /** Ends all trouble, deletes every pod, and waits until everything has come home. */
  async calm(): Promise<void> {
    for (const member of this.#ground.members) {
      member.disk.mend();
      if (!member.member.alive) this.#ground.boot(member);
      await member.member.ready;
      await this.#ground.tell(member, { op: "register", registered: true });
    }
    await sleep(600);
    for (const member of this.#ground.members)
      for (const pod of member.pods.values()) await this.#pods.delete(member, pod);
    for (const member of this.#ground.members) await this.#ground.collect(member);
    const deadline = Date.now() + 30_000;
    while (Date.now() < deadline && !(await this.#isQuiet())) await sleep(200);
  }

  async #isQuiet(): Promise<boolean> {
    const { items } = await this.#ground.store.list(addressBlockKind);
    if (items.some(({ spec }) => (spec.loans ?? []).length > 0)) return false;
    // Links go behind the answer.
    if (this.#ground.members.some(({ member }) => member.leftovers().length > 0)) return false;
    for (const member of this.#ground.members) {
      const figures = (await member.member.order({ op: "figures" })) as NodeFigures;
      if (figures.holdings > 0 || figures.blocks.some((block) => block.used + block.lent > 0)) return false;
    }
    return true;
  }

  async findings(): Promise<Finding[]> {
    const journals = new Map();
    for (const member of this.#ground.members) {
      const ledger = await readJournal(member.member.journal);
      journals.set(member.name, [...(ledger?.holdings.values() ?? [])]);
    }
    return checkAddresses(await collectFacts(this.#ground.store), journals, Date.now());
  }

  /** One node asks for every address of the pool; what it does not get in time is lost. */
  async drain(): Promise<number> {
    const member = this.#ground.members[0]!;
    const deadline = Date.now() + 60_000;
    const got = new Set<string>();
    for (let n = 0; got.size < poolSize && Date.now() < deadline; n++) {
      const owner = { containerId: `last-${n}`, ifName: "eth0", pod: `default/last-${n}`, uid: `last-${n}` };
      try {
        for (const held of (await member.member.order({ op: "add", owner })) as HeldAddress[])
          got.add(held.address);
      } catch (error) {
        if (codeOf(error) !== "ipam.exhausted") throw error;
        this.#ground.count("refused while draining");
        if ((this.#ground.counts["refused while draining"] ?? 0) > 20) break;
        await sleep(200);
      }
    }
    return got.size;
  }
}
