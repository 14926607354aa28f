import { isError, TrunklineError } from "../../base/errors.ts";
import { Turns } from "../../base/turns.ts";
import type { Nft, NftFlowLinks, NftHeading, NftPresent, NftSetChange } from "../kernel.ts";
import type { Context } from "../linux/context.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import type { NftBackend } from "./backend.ts";
import { BatchSocket } from "./batch.ts";
import { encodeBatch } from "./elements.ts";
import { NftLibrary } from "./library.ts";
import { hasChain, readPresent } from "./present.ts";
import { NftProgram } from "./program.ts";
import { changeText } from "./text.ts";

const EXCERPT = 2000;
/** What nft says of a table, chain, set or map that is not there. */
export const MISSING = "No such file or directory";

export class LinuxNft implements Nft {
  readonly #context: Context;
  readonly #choose: (context: Context) => NftBackend;
  readonly #batches: BatchSocket;
  #backend: NftBackend | undefined;
  /** This handle's queue: what a batch would wait for in the kernel is waited for here, without a thread. */
  readonly #turns = new Turns();

  /** `choose` picks the way to the kernel at first use; default: the library, else the program. */
  constructor(context: Context, choose: (context: Context) => NftBackend = chooseBackend) {
    this.#context = context;
    this.#choose = choose;
    this.#batches = new BatchSocket(context);
    context.onClose(() => {
      this.#backend?.close();
      void this.#turns.run(() => this.#batches.close());
    });
  }

  async run(commands: string): Promise<void> {
    const { error } = await this.#go(commands, "text");
    if (error !== undefined) throw refused(error, commands);
  }

  async change(heading: NftHeading, changes: readonly NftSetChange[], links?: NftFlowLinks): Promise<void> {
    this.#context.check(() => "change elements of nftables");
    const outcome = await this.#turns.run(() => {
      this.#context.check(() => "change elements of nftables");
      return this.#batches.run((nextSequence) => encodeBatch(heading, changes, nextSequence, links));
    });
    // What has no form of ours has one of nft's.
    if (outcome === false) await this.run(changeText(heading, changes, links));
    else if (outcome.refused !== undefined)
      throw refused(outcome.refused, changeText(heading, changes, links));
  }

  present(heading: NftHeading): Promise<NftPresent | undefined> {
    return this.#ask((socket) => readPresent(socket, heading));
  }

  hasChain(heading: NftHeading, chain: string): Promise<boolean> {
    return this.#ask((socket) => hasChain(socket, heading, chain));
  }

  async list(command: string): Promise<readonly Record<string, unknown>[] | undefined> {
    const output = await this.#read(command, "json");
    if (output === undefined) return undefined;
    // A listing without anything in it is an empty text.
    if (output.trim() === "") return [];
    const parsed = JSON.parse(output) as { nftables: readonly Record<string, unknown>[] };
    return parsed.nftables;
  }

  text(command: string): Promise<string | undefined> {
    return this.#read(command, "text");
  }

  /** Whether a netlink port id is that of our own transactions. */
  isOurs(port: number): boolean {
    return port === this.#batches.port || (this.#backend?.isOurs(port) ?? false);
  }

  async #ask<T>(question: (socket: NetlinkSocket) => T): Promise<T> {
    const attempt = (): string => "ask of nftables";
    this.#context.check(attempt);
    return await this.#turns.run(() => {
      this.#context.check(attempt);
      return this.#batches.ask(question);
    });
  }

  async #read(command: string, format: "text" | "json"): Promise<string | undefined> {
    if (!/^list\s/.test(command)) throw refused("a listing must begin with 'list'", command);
    const { output, error } = await this.#go(command, format);
    if (error === undefined) return output;
    if (error.includes(MISSING)) return undefined;
    throw refused(error, command);
  }

  async #go(
    commands: string,
    format: "text" | "json",
  ): Promise<{ output: string; error: string | undefined }> {
    this.#context.check(() => "run nft commands");
    this.#backend ??= this.#choose(this.#context);
    const backend = this.#backend;
    return await this.#turns.run(() => backend.run(commands, format));
  }
}

function chooseBackend(context: Context): NftBackend {
  try {
    return new NftLibrary(context);
  } catch (error) {
    if (!isError(error, "kernel.library")) throw error;
    return new NftProgram(context);
  }
}

function refused(text: string, commands: string): TrunklineError {
  return new TrunklineError("kernel.nft", { text, commands: commands.slice(0, EXCERPT) });
}
