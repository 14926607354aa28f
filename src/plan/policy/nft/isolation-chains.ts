// The chains of pods that policies isolate, each shared by all whose policies say the same: by the peer's class, by
// ranges of addresses (ipBlock), and by ports that are open to everyone.
import type { NftTable } from "../../../kernel/nft/document.ts";
import type { FamilyBlocks } from "../blocks.ts";
import type { Isolation } from "../node/node-policy.ts";
import { getOrMake } from "../node/selector-index.ts";
import { isEmpty, type PortSet } from "../port-set.ts";
import type { Direction } from "../types.ts";
import { header, sides } from "./dispatch.ts";
import { addressType, type FamilyName, families } from "./guard.ts";
import type { Manner } from "./manner.ts";
import { hash, type OnDemand } from "./on-demand.ts";
import type { PortChains } from "./port-chains.ts";
import { changesOf, cutsKept, rangeKey, shapeOf } from "./range-map.ts";

/** A map of the ranges that one chain's pods exchange packets with, by name, and what is to be in it. */
interface RangeMap {
  readonly family: FamilyName;
  readonly name: string;
  readonly mine: FamilyBlocks;
}

export class IsolationChains {
  readonly #table: NftTable;
  readonly #demand: OnDemand;
  readonly #ports: PortChains;
  readonly #manner: Manner;
  /** What the maps of ranges hold, by name. */
  readonly #ranges = new Map<string, FamilyBlocks>();
  /** By the digest of what isolated pods have in common, that of the chain they are in, where it is another one. */
  readonly #renewed = new Map<string, string>();
  #renewals = 0;

  constructor(table: NftTable, demand: OnDemand, ports: PortChains, manner: Manner) {
    this.#table = table;
    this.#demand = demand;
    this.#ports = ports;
    this.#manner = manner;
  }

  /** A map of ranges went. */
  forget(map: string): void {
    this.#ranges.delete(map);
  }

  /** The table was emptied. */
  clear(): void {
    this.#ranges.clear();
    this.#renewed.clear();
  }

  /** Returns the chain for pods that are isolated in this way; made if it is not there. */
  of(direction: Direction, { any, blocks }: Isolation): string {
    const { name: side } = sides[direction];
    const plain = isEmpty(any) && blocks[4].firsts.length + blocks[6].firsts.length === 0;
    const shape = hash(side + shapeOf(blocks) + any.key);
    const nameOf = (digest: string) => (plain ? `policy-${side}` : `policy-${side}-${digest}`);
    const mapsOf = (digest: string) =>
      families.flatMap((family): RangeMap[] => {
        const mine = blocks[family === "4" ? 4 : 6];
        return mine.firsts.length === 0
          ? []
          : [{ family, name: `policy-${side}-block${family}-${digest}`, mine }];
      });
    const renewed = this.#renewed.get(shape);
    const digest = renewed !== undefined && this.#table.hasChain(nameOf(renewed)) ? renewed : shape;
    const maps = mapsOf(digest);
    if (!this.#table.hasChain(nameOf(digest))) return this.#make(nameOf(digest), direction, any, maps);
    if (maps.every(({ name, mine }) => !cutsKept(this.#ranges.get(name), mine))) {
      for (const { name, mine } of maps) this.#fill(name, direction, mine);
      return nameOf(digest);
    }
    const other = hash(`${shape} ${++this.#renewals}`);
    this.#renewed.set(shape, other);
    return this.#make(nameOf(other), direction, any, mapsOf(other));
  }

  #make(chain: string, direction: Direction, any: PortSet, maps: readonly RangeMap[]): string {
    const { name: side, peer } = sides[direction];
    const rules: string[] = [...this.#manner.stray];
    for (const family of families) {
      const ip = header[family];
      const peers = `policy-${side}-peer${family}`;
      // Only with a number: where the look-up finds none, those that use it must not run with a stale one.
      rules.push(`meta priority set ${ip} ${peer} map @${peers} jump policy-${side}-class${family}`);
    }
    const uses: string[] = [];
    for (const { family, name, mine } of maps) {
      this.#table.setSet(name, {
        key: [addressType[family]],
        value: "verdict",
        interval: true,
        counter: true,
      });
      this.#demand.made(name);
      this.#fill(name, direction, mine);
      uses.push(name);
      rules.push(`${header[family]} ${peer} vmap @${name}`);
    }
    if (!isEmpty(any)) {
      const ports = this.#ports.of(direction, any);
      uses.push(ports);
      rules.push(`jump ${ports}`);
    }
    rules.push(`goto policy-refuse-${side}`);
    this.#table.setChain(chain, { rules });
    this.#demand.made(chain);
    for (const used of uses) this.#demand.use(used, 1);
    return chain;
  }

  /**
   * Makes a chain's map hold these ranges. It is the chain's own, so that its counters are those of the pods in that chain;
   * what stays is not touched: one range of twenty thousand that comes or goes is one element.
   */
  #fill(map: string, direction: Direction, blocks: FamilyBlocks): void {
    const before = this.#ranges.get(map) ?? blocks;
    const { gone, fresh } = changesOf(this.#ranges.get(map), blocks);
    this.#ranges.set(map, blocks);
    for (const at of gone) this.#demand.lead(map, rangeKey(before, at), undefined);
    // Many ranges have the same verdict, and each text of it would be one of its own.
    const verdicts = new Map<number, string>();
    for (const at of fresh) {
      const kind = blocks.kindOf[at]!;
      const verdict = getOrMake(
        verdicts,
        kind,
        () => `jump ${this.#ports.of(direction, blocks.kinds[kind]!.ports)}`,
      );
      this.#demand.lead(map, rangeKey(blocks, at), verdict);
    }
  }
}
