// trunkline route: who announces each prefix, what a node has of it, and how BGP's sessions stand.
import { Command } from "commander";
import { command as sessions } from "./sessions.ts";
import { command as show } from "./show.ts";

export function command(): Command {
  return new Command("route")
    .description("routes to pods, and the sessions that tell them")
    .addCommand(show())
    .addCommand(sessions());
}
