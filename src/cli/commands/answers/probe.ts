// trunkline probe: real packets, in a running lab or between pods of a cluster.
import { Command, Option } from "commander";
import type { CapturedPacket } from "../../../agent/probe/capture.ts";
import { DEFAULT_TIMEOUT_MS } from "../../../agent/probe/client.ts";
import { TrunklineError } from "../../../base/errors.ts";
import { parsePorts } from "../../../explain/ports.ts";
import { askLab } from "../../../lab/control/client.ts";
import type { LabPort } from "../../../lab/file/lab-file.ts";
import { findLab } from "../../../lab/life/state.ts";
import type { MatrixCell } from "../../../lab/probe/matrix.ts";
import type { MatrixRequest, ProbeAnswer, ProbeRequest } from "../../../lab/probe/prober.ts";
import { collectServices } from "../../../plan/services.ts";
import type { ClusterProbe } from "../../cluster/probe.ts";
import { accessOf, defaultNamespace, type StoreOptions, storeOptions, withStore } from "../../context.ts";
import { probeRequest } from "../../facts/probe-request.ts";
import { drawMatrix } from "../../matrix-table.ts";
import { familyOption, probeTimeoutOption } from "../../options.ts";
import { exit, patiently, print, printJson, table } from "../../output.ts";

interface Options extends StoreOptions {
  readonly exec?: boolean;
  readonly all?: boolean;
  readonly capture?: boolean;
  readonly namespace?: readonly string[];
  readonly allNamespaces?: boolean;
  readonly port?: string;
  /** Milliseconds. */
  readonly timeout?: number;
  readonly family?: "4" | "6";
  readonly output?: "json";
}

export function command(): Command {
  return storeOptions(probeCommand());
}

function probeCommand(): Command {
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
    .option(
      "--exec",
      "in a cluster: the agent sends from the pod's own network namespace, and others see what arrives. Needs pods/exec on agents",
    )
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
  if (options.exec) return probeByAgents(from, to, options);
  if (options.kubeconfig !== undefined || options.store !== undefined)
    throw new TrunklineError("cli.usage", { why: "outside of a lab agents send probes: say --exec" });
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

async function probeByAgents(from: string, to: string, options: Options): Promise<void> {
  const access = await accessOf(options);
  if (!access || options.capture)
    throw new TrunklineError("cli.usage", {
      why: "--exec is for clusters: say --kubeconfig FILE (or --store kubernetes:), and no --capture",
    });
  const [{ agentsOf }, { podKind }, { probeInCluster }] = await Promise.all([
    import("../../cluster/agents.ts"),
    import("../../../api/kinds/core.ts"),
    import("../../cluster/probe.ts"),
  ]);
  const result = await withStore(options, async (store) => {
    const { ask, close } = agentsOf(access, (await store.list(podKind)).items);
    try {
      return await probeInCluster(store, ask, {
        from,
        to,
        namespace: options.namespace?.[0] ?? access.namespace ?? defaultNamespace,
        timeoutMs: options.timeout ?? DEFAULT_TIMEOUT_MS,
      });
    } finally {
      close();
    }
  });
  if (options.output === "json") printJson(result);
  else print(clusterSentence(result));
  process.exitCode = result.reachable ? exit.yes : exit.no;
}

function clusterSentence(result: ClusterProbe): string {
  const { from, to, port, arrivedAt, sourceSeen, latencyMs } = result;
  const way = `${from} → ${to}${port === null ? " (ICMP echo)" : ` ${port}`}`;
  const at = arrivedAt === null || arrivedAt === to ? "" : ` at ${arrivedAt}`;
  const seen = sourceSeen === null ? "" : `, seen${at} as ${sourceSeen}`;
  if (result.outcome === "arrived") return `${way}: arrived${seen}; nobody answered`;
  if (!result.reachable) return `${way}: not reachable: ${result.error}${seen}`;
  return `${way}: reachable${seen}, ${latencyMs} ms`;
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
