// Questions to the person at the terminal, before something is changed or deleted.
import { createInterface } from "node:readline/promises";
import { TrunklineError } from "../base/errors.ts";

/**
 * Asks for a yes on stderr.
 * @throws TrunklineError `cli.declined`; `cli.usage` where there is nobody to ask
 */
export async function ask(question: string): Promise<void> {
  if (!process.stdin.isTTY)
    throw new TrunklineError("cli.usage", { why: `${question} There is nobody to ask here: say --yes` });
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${question} [y/N] `);
    if (!/^y(es)?$/i.test(answer.trim())) throw new TrunklineError("cli.declined", {});
  } finally {
    terminal.close();
  }
}
