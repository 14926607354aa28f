// trunkline lab provider: looks at the lab's provider of subnets, and makes it fail.
import { Command, InvalidArgumentError, Option } from "commander";
import { parseGoDuration } from "../../base/go-duration.ts";
import { findLab } from "../../lab/life/state.ts";
import type { ProviderAct } from "../../lab/subnets/lab-provider.ts";
import { print, printJson, say, table } from "../output.ts";

interface LabOption {
  readonly lab?: string;
  readonly output?: "json";
}

interface Shown {
  readonly settings: { readonly latency: string; readonly callsPerSecond: number; readonly down: boolean };
  readonly faults: readonly { readonly call: string; readonly effect: string; readonly left: number }[];
  readonly calls: Readonly<Record<string, { readonly made: number; readonly failed: number }>>;
  readonly interfaces: readonly {
    readonly id: string;
    readonly type: string;
    readonly status: string;
    readonly vSwitchID: string;
    readonly instanceID: string | null;
    readonly addresses: readonly string[];
  }[];
  readonly subnets: readonly {
    readonly id: string;
    readonly zone: string;
    readonly cidr: string;
    readonly available: number;
    readonly total: number;
  }[];
}

export function providerCommand(): Command {
  const provider = new Command("provider").description("the lab's provider of subnets, and how it fails");
  const sub = (name: string, description: string) =>
    provider
      .command(name)
      .description(description)
      .option("--lab <name>", "the lab; default: the one that runs")
      .addOption(new Option("-o, --output <form>", "form of the output").choices(["json"]));
  sub("show", "print settings, faults, calls, interfaces and vSwitches").action(show);
  sub("set", "make it slow, strict, or silent")
    .option("--latency <time>", "of every call, such as 200ms", milliseconds)
    .option("--calls-per-second <number>", "how many calls it lets through; 0: all", count)
    .option("--down", "no call is answered")
    .option("--up", "calls are answered again")
    .action(set);
  sub(
    "fault [call] [effect]",
    "let the next calls fail: throttle, error:CODE, timeout, lost, half, kill-before, kill-after",
  )
    .option("--times <number>", "how many of them", atLeastOne, 1)
    .option("--clear", "take back all that were asked for")
    .action(fault);
  sub("hide <id>", "a vSwitch or group, as if it were deleted").action((id: string, options: LabOption) =>
    ask(options, { act: "hide", id, hidden: true }),
  );
  sub("show-again <id>", "what was hidden").action((id: string, options: LabOption) =>
    ask(options, { act: "hide", id, hidden: false }),
  );
  sub("add-interface <vSwitch>", "make an interface that is somebody else's; prints its id")
    .option("--address <address>", "this very one")
    .option("--tag <key=value...>", "its tags")
    .action(addInterface);
  sub("delete-interface <id>", "take an interface away").action((id: string, options: LabOption) =>
    ask(options, { act: "delete-interface", id }),
  );
  return provider;
}

async function ask<T>({ lab }: LabOption, body: ProviderAct): Promise<T> {
  const { askLab } = await import("../../lab/control/client.ts");
  return askLab<T>(findLab(lab), "provider", body);
}

async function show(options: LabOption): Promise<void> {
  const shown = await ask<Shown>(options, { act: "show" });
  if (options.output === "json") return printJson(shown);
  const { settings, faults, calls, interfaces, subnets } = shown;
  const limit = settings.callsPerSecond === 0 ? "no limit" : `${settings.callsPerSecond} calls a second`;
  print(`latency ${settings.latency}, ${limit}${settings.down ? ", DOWN" : ""}`);
  for (const { call, effect, left } of faults) print(`fault: ${call} ${effect}, ${left} times`);
  print("");
  print(
    table([
      ["VSWITCH", "ZONE", "RANGE", "FREE", "OF"],
      ...subnets.map((one) => [one.id, one.zone, one.cidr, `${one.available}`, `${one.total}`]),
    ]),
  );
  print("");
  const rows = interfaces.map((one) => [
    one.id,
    one.type,
    one.status,
    one.vSwitchID || "-",
    one.instanceID ?? "-",
    one.addresses.length > 3
      ? `${one.addresses.slice(0, 3).join(" ")} and ${one.addresses.length - 3} more`
      : one.addresses.join(" "),
  ]);
  print(table([["INTERFACE", "TYPE", "STATUS", "VSWITCH", "MACHINE", "ADDRESSES"], ...rows]));
  print("");
  const counted = Object.entries(calls).map(([name, { made, failed }]) => [name, `${made}`, `${failed}`]);
  if (counted.length > 0) print(table([["CALL", "MADE", "FAILED"], ...counted]));
}

interface SetOptions extends LabOption {
  readonly latency?: number;
  readonly callsPerSecond?: number;
  readonly down?: boolean;
  readonly up?: boolean;
}

async function set(options: SetOptions): Promise<void> {
  const { latency, callsPerSecond, down, up } = options;
  await ask(options, {
    act: "set",
    ...(latency !== undefined && { latencyMs: latency }),
    ...(callsPerSecond !== undefined && { callsPerSecond }),
    ...((down === true || up === true) && { down: down === true }),
  });
}

async function fault(
  call: string | undefined,
  effect: string | undefined,
  options: LabOption & { readonly times: number; readonly clear?: boolean },
): Promise<void> {
  if (options.clear === true) await ask(options, { act: "clear" });
  if (call === undefined && options.clear === true) return;
  if (call === undefined || effect === undefined)
    throw new InvalidArgumentError("say which CALL ('*': any) and which EFFECT, or --clear");
  await ask(options, { act: "fault", call, effect, times: options.times });
}

async function addInterface(
  vSwitchID: string,
  options: LabOption & { readonly address?: string; readonly tag?: readonly string[] },
): Promise<void> {
  const tags = Object.fromEntries(
    (options.tag ?? []).map((text) => [text.split("=")[0] ?? "", text.slice(text.indexOf("=") + 1)]),
  );
  const { address } = options;
  const body: ProviderAct = {
    act: "add-interface",
    vSwitchID,
    tags,
    ...(address !== undefined && { address }),
  };
  const made = await ask<{ id: string }>(options, body);
  if (options.output === "json") printJson(made);
  else print(made.id);
  say(`an interface of somebody else's is in ${vSwitchID}`);
}

function milliseconds(text: string): number {
  const ms = parseGoDuration(text);
  if (ms === undefined || ms < 0) throw new InvalidArgumentError("a time with its unit, such as 200ms");
  return ms;
}

function count(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError("a whole number from 0 on");
  return Number(text);
}

function atLeastOne(text: string): number {
  const times = count(text);
  if (times < 1) throw new InvalidArgumentError("a whole number from 1 on");
  return times;
}
