// trunkline policy: who may reach whom, why, and what a change would do.
import { Command } from "commander";
import { diffCommand } from "./diff.ts";
import { matrixCommand } from "./matrix.ts";
import { showCommand } from "./show.ts";

export function command(): Command {
  return new Command("policy")
    .description("who may reach whom, why, and what a change would do")
    .addCommand(matrixCommand())
    .addCommand(showCommand())
    .addCommand(diffCommand());
}
