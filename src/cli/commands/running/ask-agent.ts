// trunkline ask-agent: what other commands ask of a node's agent, from within the agent's own container.
import { Command } from "commander";
import { privateSocket } from "../../cluster/agents.ts";
import { askAgent } from "../../facts/ask-agent.ts";

/** A probe may wait for half a minute. */
const PATIENCE_MS = 40_000;

export function command(): Command {
  return new Command("ask-agent")
    .description("print what this node's agent answers at its socket (probe --exec asks so by pods/exec)")
    .argument("<path>", "such as /readyz, /metrics or /denied")
    .option("--socket <path>", "the agent's health socket", privateSocket)
    .action(async (path: string, { socket }: { readonly socket: string }) => {
      process.stdout.write(await askAgent(socket, path, PATIENCE_MS));
    });
}
