// trunkline probe: real packets in a running lab.
import { Command, Option } from "commander";
import { TrunklineError } from "../../base/errors.ts";
import { parsePorts } from "../../explain/ports.ts";
import { askLab } from "../../lab/control/client.ts";
import type { LabPort } from "../../lab/file/lab-file.ts";
import { findLab } from "../../lab/life/state.ts";
import type { CapturedPacket } from "../../lab/now/capture.ts";
import type { MatrixCell } from "../../lab/probe/matrix.ts";
import type { MatrixRequest, ProbeAnswer, ProbeRequest } from "../../lab/probe/prober.ts";
import { collectServices } from "../../plan/services.ts";
import { withStore } from "../context.ts";
import { probeRequest } from "../facts/probe-request.ts";
import { drawMatrix } from "../matrix-table.ts";
import { familyOption, probeTimeoutOption } from "../options.ts";
import { exit, patiently, print, printJson, table } from "../output.ts";

interface Options {
  readonly all?: boolean;
  readonly capture?: boolean;
  readonly lab?: string;
  readonly namespace?: readonly string[];
  readonly allNamespaces?: boolean;
  readonly port?: string;
  /** Milliseconds. */
  readonly timeout?: number;
  readonly family?: "4" | "6";
  readonly output?: "json";
}

export function command(): Command {
  return new Command("probe")
    .description(
      "send real packets: is it reachable, which source address does the far side see, how long does it take",
    )
    .argument("[from]", "pod/NAME, KIND/NAME of a workload, node/NAME, host/NAME, router/NAME or an address")
    .argument(
      "[to]",
      "the same or svc/NAME, with :PORT, :PORT/tcp|udp|sctp or /icmp; default: its first port, or an ICMP echo",
    )
    .option("--all", "from every pod and host to every pod and host")
    .option(
      "--port <list>",
      "with --all: ports such as 80/tcp,81/udp; default: all that each target declares",
    )
    .addOption(
      new Option("-n, --namespace <name>", "namespace of pods and workloads; with --all it may be repeated")
        .argParser((value: string, before: readonly string[] | undefined) => [...(before ?? []), value])
        .conflicts("allNamespaces"),
    )
    .option("-A, --all-namespaces", "with --all: pods of all namespaces (default)")
    .option(
      "--capture",
      "also print the packets as both ends and their nodes saw them: addresses, TTL, interface",
    )
    .addOption(familyOption("with --all: "))
    .addOption(probeTimeoutOption())
    .option("--lab <name>", "the lab; default: the one that runs")
    .addOption(new Option("-o, --output <form>", "form of the output").choices(["json"]))
    .action((from: string | undefined, to: string | undefined, options: Options) =>
      options.all ? probeAll(from, options) : probeOne(from, to, options),
    );
}

async function probeOne(from: string | undefined, to: string | undefined, options: Options): Promise<void> {
  if (from === undefined || to === undefined) {
    throw new TrunklineError("cli.usage", {
      why: "say FROM and TO, such as: trunkline probe pod/a pod/b:80, or --all",
    });
  }
  if ((options.namespace?.length ?? 0) > 1) {
    throw new TrunklineError("cli.usage", { why: "-n can be repeated only with --all" });
  }
  const namespace = options.namespace?.[0];
  const { lab: name } = options;
  const asked = await probeRequest(from, to, namespace, () =>
    withStore(name === undefined ? {} : { lab: name }, collectServices),
  );
  const request: ProbeRequest = {
    ...asked,
    ...(options.capture && { capture: true }),
    ...timeoutOf(options),
  };
  const lab = findLab(options.lab);
  const result = await askLab<ProbeAnswer>(lab, "probe", request);
  if (options.output === "json") printJson(result);
  else {
    print(sentence(result));
    if (result.capture) print(packetTable(result.capture));
  }
  process.exitCode = result.reachable ? exit.yes : exit.no;
}

function packetTable(packets: readonly CapturedPacket[]): string {
  const end = (address: string, port: number | null) => `${address}${port === null ? "" : ` ${port}`}`;
  // The first of each kind tells it all; -o json has every one.
  const kind = (one: CapturedPacket) => `${one.place} ${one.interface} ${one.direction}`;
  const first = packets.filter((one, at) => packets.findIndex((other) => kind(other) === kind(one)) === at);
  const lines = first.map((one) => [
    one.place,
    one.interface,
    one.direction,
    end(one.source, one.sourcePort),
    end(one.destination, one.destinationPort),
    one.protocol,
    String(one.ttl),
    one.flags ?? "",
  ]);
  return table([["PLACE", "INTERFACE", "WAY", "FROM", "TO", "PROTOCOL", "TTL", "FLAGS"], ...lines]);
}

function sentence(result: ProbeAnswer): string {
  const way = `${result.from} → ${result.to}${result.port === null ? " (ICMP echo)" : ` ${result.port}`}`;
  if (!result.reachable) return `${way}: not reachable: ${result.error}`;
  const seen = result.sourceSeen === null ? "" : `, seen as ${result.sourceSeen}`;
  return `${way}: reachable${seen}, ${result.latencyMs} ms`;
}

async function probeAll(from: string | undefined, options: Options): Promise<void> {
  if (from !== undefined) throw new TrunklineError("cli.usage", { why: "--all takes no FROM and TO" });
  const ports: readonly LabPort[] | undefined =
    options.port === undefined ? undefined : parsePorts(options.port);
  const request: MatrixRequest = {
    ...(options.namespace && { namespaces: options.namespace }),
    ...(ports && { ports }),
    ...(options.family && { family: options.family === "4" ? 4 : 6 }),
    ...timeoutOf(options),
  };
  const { cells } = await patiently(
    "probing everybody from everybody",
    askLab<{ cells: MatrixCell[] }>(findLab(options.lab), "matrix", request),
  );
  if (options.output === "json") printJson({ cells });
  else print(drawMatrix(cells));
}

function timeoutOf({ timeout }: Options): { timeoutMs?: number } {
  return timeout === undefined ? {} : { timeoutMs: timeout };
}
