import { TrunklineError } from "../../../base/errors.ts";
import type { Nft, NftFlowLinks, NftHeading, NftPresent, NftSetChange } from "../../kernel.ts";
import { MISSING } from "../../nft/nft.ts";
import { changeText } from "../../nft/text.ts";
import type { FakeContext } from "../context.ts";
import { find, type Listing, listJson, listText } from "./listing.ts";
import type { FakeSet } from "./store.ts";

export class FakeNft implements Nft {
  readonly #context: FakeContext;

  constructor(context: FakeContext) {
    this.#context = context;
  }

  async run(commands: string): Promise<void> {
    const home = this.#context.change("nft.run", commands);
    // The real one works on another thread.
    await Promise.resolve();
    const outcome = home.nft.run(commands);
    if ("error" in outcome) throw new TrunklineError("kernel.nft", { text: outcome.error, commands });
    for (const table of outcome.touched) {
      home.tell("nftables", (owner) => ({ kind: "nftables", table, byUs: owner === this.#context }));
    }
  }

  change(heading: NftHeading, changes: readonly NftSetChange[], links?: NftFlowLinks): Promise<void> {
    return this.run(changeText(heading, changes, links));
  }

  async present({ family, table }: NftHeading): Promise<NftPresent | undefined> {
    const home = this.#context.namespace("ask of nftables");
    await Promise.resolve();
    const found = home.nft.tables.get(`${family} ${table}`);
    if (found === undefined) return undefined;
    const named = (kind: FakeSet["kind"]): string[] =>
      [...found.sets.values()].filter((set) => set.kind === kind).map(({ name }) => name);
    return { chains: [...found.chains.keys()], sets: named("set"), maps: named("map") };
  }

  async hasChain(heading: NftHeading, chain: string): Promise<boolean> {
    return (await this.present(heading))?.chains.includes(chain) ?? false;
  }

  async list(command: string): Promise<readonly Record<string, unknown>[] | undefined> {
    const found = await this.#find(command);
    return found && listJson(found);
  }

  async text(command: string): Promise<string | undefined> {
    const found = await this.#find(command);
    return found && listText(found);
  }

  async #find(command: string): Promise<Listing | undefined> {
    const home = this.#context.namespace("run nft commands");
    await Promise.resolve();
    if (!/^list\s/.test(command)) {
      throw new TrunklineError("kernel.nft", { text: "a listing must begin with 'list'", commands: command });
    }
    const found = find(home.nft, command);
    if (typeof found !== "string") return found;
    if (found.includes(MISSING)) return undefined;
    throw new TrunklineError("kernel.nft", { text: found, commands: command });
  }
}
