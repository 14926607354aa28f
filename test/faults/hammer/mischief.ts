// The hammer's mischief: what can go wrong at any instant, with a node as a whole or with the store.
import { rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { nodeKind, podKind } from "../../../src/api/kinds/core.ts";
import { flipBytes, moods } from "../faulty-disk.ts";
import { type Ground, graceMs, type Place } from "./ground.ts";

export class Mischief {
  readonly #ground: Ground;

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  /** Goes on until enough was done. */
  async work(): Promise<void> {
    // To find out which kind of mischief does it: `flips`, `wipes`, `disks`, any of them.
    const without = new Set((process.env["TRUNKLINE_HAMMER_WITHOUT"] ?? "").split(","));
    const weighted: readonly (readonly [weight: number, work: () => Promise<void>])[] = [
      [8, () => this.#killSome()],
      [2, () => this.#removeSome()],
      [this.#ground.whole && !without.has("wipes") ? 1 : 0, () => this.#wipeSome()],
      [1, () => this.#unregisterSome()],
      [1, () => this.#outage()],
      [1, () => this.#stopStore()],
      [1, () => this.#collectSome()],
      [without.has("disks") ? 0 : 2, () => this.#spoilSome()],
      [without.has("flips") ? 0 : 2, () => this.#flipSome()],
    ];
    const kinds = weighted.flatMap(([weight, work]) => Array.from({ length: weight }, () => work));
    const running = new Set<Promise<void>>();
    while (!this.#ground.over) {
      const next = this.#ground.done + 10 + this.#ground.random() * 40;
      // Nobody goes on after a violation.
      while (this.#ground.done < next && !this.#ground.over) await sleep(5);
      const one = this.#ground.pick(kinds)!().finally(() => running.delete(one));
      running.add(one);
    }
    await Promise.all(running);
  }

  #victim(): Place | undefined {
    return this.#ground.pick(
      this.#ground.members.filter((member) => !member.removed && !member.busy && member.member.alive),
    );
  }

  async #withVictim(what: string, work: (member: Place) => Promise<void>): Promise<void> {
    const member = this.#victim();
    if (!member) return;
    member.busy = true;
    this.#ground.count(what);
    this.#ground.note(`${what} at ${member.name}`);
    try {
      await work(member);
      this.#ground.note(`${what} at ${member.name} over`);
    } finally {
      member.busy = false;
    }
  }

  #killSome(): Promise<void> {
    return this.#withVictim("kills", async (member) => {
      await member.member.kill();
      await sleep(this.#ground.random() * 50);
      this.#ground.boot(member);
      await member.member.ready;
      this.#lookForCutOff(member);
    });
  }

  /** For a while its disk is full, broken or read-only now and then; in half of the cases it is killed meanwhile. */
  #spoilSome(): Promise<void> {
    return this.#withVictim("bad disks", async (member) => {
      const mood = this.#ground.pick(moods)!;
      this.#ground.count(`of them ${mood}`);
      member.disk.spoil(mood, 1000 * this.#ground.random() ** 2);
      await sleep(this.#ground.random() * 400);
      if (this.#ground.random() < 0.5) {
        await member.member.kill();
        this.#ground.boot(member);
        await sleep(this.#ground.random() * 400);
      }
      member.disk.mend();
      if (!member.member.alive) {
        this.#ground.count("starts that a bad disk ended");
        this.#ground.boot(member);
      }
      await member.member.ready;
      this.#lookForCutOff(member);
    });
  }

  /** The process dies, and bytes of its journals are others when it comes back. */
  #flipSome(): Promise<void> {
    return this.#withVictim("flipped bytes", async (member) => {
      await member.member.kill();
      for (const file of member.member.journals)
        if (this.#ground.random() < 0.7) flipBytes(file, this.#ground.random);
      this.#ground.boot(member);
      await member.member.ready;
      this.#lookForCutOff(member);
    });
  }

  /** Whatever was done to its agent, a pod that was answered for and not deleted is on the network. */
  #lookForCutOff(member: Place): void {
    for (const { owner, address, busy, name } of member.pods.values()) {
      const why = address === undefined || busy ? undefined : member.member.cutOff(owner, address);
      if (why !== undefined) this.#ground.violations.push(`${name} is cut off: ${why}`);
    }
  }

  /** The process dies and the disk with it, but the machine's pods go on. */
  #wipeSome(): Promise<void> {
    return this.#withVictim("lost disks", async (member) => {
      await member.member.kill();
      rmSync(member.member.journal, { recursive: true, force: true });
      this.#ground.boot(member);
      await member.member.ready;
    });
  }

  /** The machine is switched off and deleted from the cluster; later it comes back, with its old disk or a new one. */
  #removeSome(): Promise<void> {
    return this.#withVictim("removals", async (member) => {
      if (this.#ground.members.filter((one) => !one.removed).length <= 2) return;
      member.removed = true;
      await member.member.kill();
      await member.member.switchOff();
      const pods = [...member.pods.values()];
      member.pods.clear();
      for (const pod of pods) {
        if (pod.address !== undefined) this.#ground.live.delete(pod.address);
        await this.#ground.store.delete(podKind, pod.name, "default");
      }
      await this.#ground.store.delete(nodeKind, member.name);
      await sleep(this.#ground.random() * 3 * graceMs);
      // What was under way towards the store when the machine died has come to its end as well by now.
      for (const pod of pods) await this.#ground.store.delete(podKind, pod.name, "default");
      if (this.#ground.whole && this.#ground.random() < 0.5)
        rmSync(member.member.journal, { recursive: true, force: true });
      await this.#ground.createNode(member);
      this.#ground.boot(member);
      await member.member.ready;
      member.removed = false;
    });
  }

  /** Somebody deletes a Node object by mistake. The agent hears of it a little later, and registers again. */
  #unregisterSome(): Promise<void> {
    return this.#withVictim("lost Node objects", async (member) => {
      await this.#ground.store.delete(nodeKind, member.name);
      await sleep(this.#ground.random() * 200);
      member.registered = false;
      await this.#ground.tell(member, { op: "register", registered: false });
      await sleep(this.#ground.random() * 2 * graceMs);
      await this.#ground.createNode(member);
      member.registered = true;
      await this.#ground.tell(member, { op: "register", registered: true });
    });
  }

  #outage(): Promise<void> {
    return this.#withVictim("outages", async (member) => {
      await this.#ground.tell(member, { op: "outage", ms: this.#ground.random() * 500 });
    });
  }

  #collectSome(): Promise<void> {
    return this.#withVictim("collections", (member) => this.#ground.collect(member));
  }

  /** Nobody can write for a while: a store that is being restarted. */
  async #stopStore(): Promise<void> {
    this.#ground.count("store stops");
    const database = new DatabaseSync(this.#ground.file, { timeout: 5000 });
    try {
      database.exec("BEGIN IMMEDIATE");
      // Long enough to be felt; our own writes, in this thread, would wait for us for ever, so none may happen in it.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50 + this.#ground.random() * 100);
      database.exec("ROLLBACK");
    } finally {
      database.close();
    }
  }
}
