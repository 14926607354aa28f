// The nft program, where libnftables cannot be loaded: the same language, some 50 times slower a call.
import { isError } from "../../base/errors.ts";
import { run } from "../exec/run.ts";
import type { Context } from "../linux/context.ts";
import type { NftBackend } from "./backend.ts";

export class NftProgram implements NftBackend {
  readonly #context: Context;
  /** The kernel gives a process's first netlink socket the process id as its port. */
  readonly #pids = new Set<number>();

  constructor(context: Context) {
    this.#context = context;
  }

  async run(
    commands: string,
    format: "text" | "json",
  ): Promise<{ output: string; error: string | undefined }> {
    const netns = this.#context.isHome
      ? ("self" as const)
      : { path: `/proc/${process.pid}/fd/${this.#context.netnsFd}` };
    const onStart = (pid: number): void => void this.#pids.add(pid);
    try {
      // A listing is an argument: for JSON nft would open its standard input by name, which fails where that is a socket.
      const { stdout } = commands.startsWith("list")
        ? await run("nft", [...(format === "json" ? ["-j"] : []), commands], { netns, onStart })
        : await run("nft", ["-f", "-"], { input: commands, netns, onStart });
      return { output: stdout, error: undefined };
    } catch (error) {
      if (isError(error, "kernel.command")) return { output: "", error: error.data.stderr };
      throw error;
    }
  }

  isOurs(port: number): boolean {
    return this.#pids.has(port);
  }

  close(): void {
    // Nothing is kept between runs.
  }
}
