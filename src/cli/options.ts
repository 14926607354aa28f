// Options that several commands have.
import { type Command, InvalidArgumentError, Option } from "commander";
import { parseGoDuration } from "../base/go-duration.ts";
import { FollowedClock } from "../lab/followed-clock.ts";
import { cooldownRule, parseCooldown } from "../plan/addressing/cooldown.ts";

/** Adds -f, which may be repeated and must be given. */
export function wantFiles(command: Command): Command {
  return command.addOption(fileOption().makeOptionMandatory());
}

/** Returns -f, which may be repeated. */
export function fileOption(): Option {
  const option = new Option(
    "-f, --filename <file>",
    "file, folder, or - for standard input; may be repeated",
  );
  return option.argParser((value: string, before: readonly string[] | undefined) => [
    ...(before ?? []),
    value,
  ]);
}

/** Returns -o with these forms. */
export function outputOption(forms: readonly string[]): Option {
  return new Option("-o, --output <form>", "form of the output").choices(forms);
}

/** `none`: the change is made. */
export type DryRun = "client" | "server" | "none";

/** Returns --dry-run with kubectl's words; alone it means `client`. */
export function dryRunOption(): Option {
  return new Option("--dry-run [how]", "only say what would be done: client, server (the same here) or none")
    .choices(["client", "server", "none"] satisfies DryRun[])
    .default("none")
    .preset("client");
}

/** Returns what stands behind a line about something that was not done. */
export function dryRunNote(how: DryRun): string {
  return { client: " (dry run)", server: " (server dry run)", none: "" }[how];
}

/** Returns -o of a command that gives an answer: text, which is the usual form, json, or one of `more`. */
export function answerOption(...more: readonly string[]): Option {
  return outputOption(["text", "json", ...more]).default("text");
}

/** Returns --family, whose value is `4` or `6`. */
export function familyOption(when = ""): Option {
  const what = "the IPv4 or the IPv6 addresses of who has both; default: the first that both ends have";
  return new Option("--family <number>", when + what).choices(["4", "6"]);
}

/** Returns an option whose value is a time such as 90s or 1m30s; the action gets milliseconds. */
export function durationOption(flags: string, description: string, usual: string): Option {
  return new Option(flags, description).argParser(milliseconds).default(milliseconds(usual), usual);
}

/** How long a probe may wait, in milliseconds. */
const LONGEST_PROBE_MS = 60_000;

/** Returns --timeout of a probe: milliseconds as a plain number, or a time such as 500ms or 2s; the action gets milliseconds. */
export function probeTimeoutOption(): Option {
  const what = "how long to wait for an answer: milliseconds, or a time such as 500ms or 2s; default: 2s";
  return new Option("--timeout <time>", what).argParser((text: string) => {
    const found = /^\d+$/.test(text) ? Number(text) : parseGoDuration(text);
    if (found === undefined || found < 1 || found > LONGEST_PROBE_MS) {
      throw new InvalidArgumentError("It must be 1 to 60000 (milliseconds), or a time such as 500ms or 2s.");
    }
    return Math.round(found);
  });
}

/** Returns the agent's --address-cooldown; the action gets milliseconds, or nothing where it is left out. */
export function addressCooldownOption(): Option {
  const what = "how long a freed address rests where there are others, 0s to 1h; default: 30s";
  return new Option("--address-cooldown <time>", what).argParser((text: string) => {
    const ms = parseCooldown(text);
    if (ms === undefined) throw new InvalidArgumentError(`It ${cooldownRule}.`);
    return ms;
  });
}

/** Returns --lab-clock, by which a lab tells its processes where its clock is; the action gets that clock. */
export function labClockOption(): Option {
  const option = new Option("--lab-clock <file>", "follow a lab's clock instead of the machine's");
  return option.hideHelp().argParser((file: string) => new FollowedClock(file));
}

export function sinkFolderOption(): Option {
  return new Option(
    "--sink-folder <folder...>",
    "folders in and below which files of AddressLists may be written; default: none",
  );
}

function milliseconds(text: string): number {
  const found = parseGoDuration(/^\d+$/.test(text) ? `${text}s` : text);
  if (found === undefined || found < 0)
    throw new InvalidArgumentError("It must be a time such as 90s, 2m or 1m30s.");
  // Timers hold 31 bits; nobody waits for 24 days.
  return Math.min(found, 2 ** 31 - 1);
}

/** Reads a TCP port, for an option; 0 means any. */
export function portNumber(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65535)
    throw new InvalidArgumentError("a port is a number from 0 to 65535");
  return port;
}
