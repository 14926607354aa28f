// The flow table in the kernel: what is in it, and the transactions that bring it to what is wanted.
import { isError } from "../../base/errors.ts";
import { Turns } from "../../base/turns.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { FLOW_TABLE } from "../../kernel/own-tables.ts";
import {
  clearText,
  FLOWS,
  type FlowLinks,
  type FlowWire,
  flowChange,
  flowPlace,
  linkNames,
  probeText,
  wholeText,
} from "../../plan/flow/table.ts";

export class FlowTable {
  readonly #kernel: Pick<Kernel, "nft" | "links">;
  /** As the kernel was told last; undefined: nothing is known of it. */
  #inForce: FlowLinks | undefined;
  /** An earlier agent's table may be there. */
  #isUnseen = true;
  readonly #turns = new Turns();
  #renewals = 0;

  constructor(kernel: Pick<Kernel, "nft" | "links">) {
    this.#kernel = kernel;
  }

  /** How many links' packets are looked up; 0 where there is no table. */
  get links(): number {
    return this.#inForce === undefined ? 0 : linkNames(this.#inForce).length;
  }

  /** How often flows had to be judged anew. */
  get renewals(): number {
    return this.#renewals;
  }

  /** Returns what the kernel says against flow tables; undefined: it has them. @throws `kernel.closed` */
  async probe(): Promise<string | undefined> {
    try {
      await this.#kernel.nft.run(probeText());
      return undefined;
    } catch (error) {
      if (!isError(error, "kernel.nft")) throw error;
      return String(error.data.text).split("\n")[0] ?? "";
    }
  }

  /** Brings the table to these links, by as little as it takes. @throws `kernel.nft` */
  make(wanted: FlowLinks): Promise<void> {
    return this.#turns.run(() => this.#make(wanted));
  }

  /**
   * Has all flows judged anew: each one's next packet goes through all rules. Nothing is done where there is no table, and
   * one of an earlier agent's goes.
   * @throws `kernel.nft`
   */
  renew(): Promise<void> {
    return this.#turns.run(async () => {
      if (this.#inForce === undefined && !this.#isUnseen) return;
      this.#renewals++;
      if (this.#inForce === undefined) await this.#clear();
      else await this.#whole(this.#inForce);
    });
  }

  /** Makes the table anew where somebody changed its links. @throws `kernel.nft` */
  check(): Promise<void> {
    return this.#turns.run(async () => {
      const wanted = this.#inForce;
      if (wanted === undefined) return;
      const present = await this.#present();
      const isSame = linkNames(wanted).every((name) => present?.has(name) || !this.#isThere(name));
      if (present === undefined || !isSame) await this.#whole(wanted);
    });
  }

  /** Takes the table away, and all flows with it. @throws `kernel.nft` */
  clear(): Promise<void> {
    return this.#turns.run(() => this.#clear());
  }

  async #clear(): Promise<void> {
    await this.#kernel.nft.run(clearText());
    this.#inForce = undefined;
    this.#isUnseen = false;
  }

  async #make(wanted: FlowLinks): Promise<void> {
    const before = this.#inForce;
    if (before === undefined || before.uplinks.join() !== wanted.uplinks.join()) return this.#whole(wanted);
    const had = byText(before.wires);
    const wants = byText(wanted.wires);
    const left = [...had].flatMap(([text, wire]) => (wants.has(text) ? [] : [wire]));
    const come = [...wants].flatMap(([text, wire]) => (had.has(text) ? [] : [wire]));
    // What goes on living must lose its flows, too.
    if (left.some(({ link }) => this.#isThere(link))) return this.#whole(wanted);
    const there = come.filter(({ link }) => this.#isThere(link));
    if (there.length + left.length === 0) return;
    const { sets, links } = flowChange(there, left);
    try {
      await this.#kernel.nft.change(flowPlace, sets, links);
    } catch (error) {
      // A link that has just gone, or somebody else's hand.
      if (!isError(error, "kernel.nft")) throw error;
      return this.#whole(wanted);
    }
    const gone = new Set(left);
    this.#inForce = { ...wanted, wires: [...before.wires.filter((wire) => !gone.has(wire)), ...there] };
  }

  async #whole(wanted: FlowLinks): Promise<void> {
    const names = new Set(this.#kernel.links.list().map(({ name }) => name));
    const links = {
      uplinks: wanted.uplinks.filter((name) => names.has(name)),
      wires: wanted.wires.filter(({ link }) => names.has(link)),
    };
    await this.#kernel.nft.run(wholeText(links));
    this.#inForce = links;
    this.#isUnseen = false;
  }

  /** The links that the kernel has in the flow table; undefined: there is none. */
  async #present(): Promise<ReadonlySet<string> | undefined> {
    // Asked for one by its name, the kernel says that there is none where its links do not fit into the answer (some 300 do not).
    const objects = (await this.#kernel.nft.list("list flowtables")) ?? [];
    for (const object of objects) {
      const found = object["flowtable"] as Readonly<Record<string, unknown>> | undefined;
      if (found?.["table"] !== FLOW_TABLE || found["name"] !== FLOWS) continue;
      // One name stands alone, without a list.
      return new Set([found["dev"] ?? []].flat().map(String));
    }
    return undefined;
  }

  #isThere(link: string): boolean {
    return this.#kernel.links.get(link) !== undefined;
  }
}

function byText(wires: readonly FlowWire[]): Map<string, FlowWire> {
  return new Map(wires.map((wire) => [`${wire.link} ${wire.ips.join(" ")}`, wire]));
}
