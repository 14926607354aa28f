// trunkline policy matrix: every workload against every workload, from a lab's plans or from manifests alone.
import { Command, Option } from "commander";
import { TrunklineError } from "../../../../base/errors.ts";
import type { End } from "../../../../explain/ends.ts";
import { judgesOf } from "../../../../explain/judges/plans.ts";
import { factsOf } from "../../../../explain/manifests/facts-of.ts";
import { formatMatrix, type MatrixFormat, matrixFormats } from "../../../../explain/matrix/formats.ts";
import {
  clusterEnds,
  declaredBy,
  type MatrixQuestion,
  matrixCells,
  policyPorts,
} from "../../../../explain/matrix/matrix.ts";
import { rangeEnds } from "../../../../explain/matrix/ranges.ts";
import { matrixText } from "../../../../explain/matrix/text.ts";
import { type Port, parsePorts } from "../../../../explain/ports.ts";
import { liveColumns, manifestColumns } from "../../../../explain/services/columns.ts";
import { collectFacts } from "../../../../plan/collect.ts";
import type { ClusterFacts } from "../../../../plan/facts.ts";
import { collectServices, noServices, type ServiceObjects, servicesOf } from "../../../../plan/services.ts";
import { type StoreOptions, storeOptions, withStore } from "../../../context.ts";
import { readObjects } from "../../../facts/manifest-facts.ts";
import { groundOf, lookAtMachines } from "../../../facts/node-knowledge.ts";
import { familyOption } from "../../../options.ts";
import { exit, say } from "../../../output.ts";

interface Options extends StoreOptions {
  readonly filename?: readonly string[];
  readonly port?: string;
  readonly namespace?: readonly string[];
  readonly allNamespaces?: boolean;
  readonly output: MatrixFormat;
  readonly why?: boolean;
  readonly family?: "4" | "6";
  readonly ranges?: boolean;
  readonly services?: boolean;
}

export function matrixCommand(): Command {
  const matrix = new Command("matrix")
    .description("every workload against every workload; with -f from manifests alone, without a lab")
    .option("-f, --filename <path...>", "files, folders, or - for standard input")
    .option("--port <list>", "ports such as 80/tcp,81/udp; default: all that are declared")
    .addOption(new Option("-n, --namespace <name...>", "only these namespaces").conflicts("allNamespaces"))
    .option("-A, --all-namespaces", "all namespaces (default)")
    .addOption(
      new Option("-o, --output <form>", "form of the output").choices([...matrixFormats]).default("text"),
    )
    .addOption(familyOption())
    .option("--why", "a line for every refusal, with the policy or default that decides")
    .option("--ranges", "the ranges that policies name as rows and columns, also without -f")
    .option("--services", "Services as columns, too, with their own ports")
    .action((options: Options) => run(options));
  return storeOptions(matrix);
}

async function run(options: Options): Promise<void> {
  const ports = options.port === undefined ? undefined : parsePorts(options.port);
  const read = await readCluster(options);
  if (!read) {
    process.exitCode = exit.usage;
    return;
  }
  const { facts, objects } = read;
  const asked = questionOf(facts, options, ports);
  if (asked.ports.length === 0 && objects.services.size === 0)
    say("No ports are declared: name some with --port");
  const isLive = asked.view === "live";
  const [known, ground] = isLive
    ? await Promise.all([lookAtMachines(options), groundOf(options)])
    : [undefined, undefined];
  const judges = judgesOf(facts, known, ground);
  const namespaces = options.namespace && new Set(options.namespace);
  const scope = { facts, objects, namespaces, ports };
  const question = { ...asked, services: isLive ? liveColumns(scope, judges) : manifestColumns(scope) };
  await write(
    options.output === "text"
      ? matrixText(facts, judges, question, options.why)
      : formatMatrix(matrixCells(facts, judges, question), options.output),
  );
}

async function readCluster(
  options: Options,
): Promise<{ facts: ClusterFacts; objects: ServiceObjects } | undefined> {
  if (options.filename) {
    const all = await readObjects(options.filename);
    return all && { facts: factsOf(all), objects: options.services ? servicesOf(all) : noServices };
  }
  return withStore(options, async (store) => {
    const objects = options.services ? await collectServices(store) : noServices;
    if (objects.unread !== undefined)
      throw new TrunklineError("explain.no-services", { why: objects.unread });
    return { facts: await collectFacts(store), objects };
  });
}

/** Writes pieces in chunks of some size, and waits where a pipe is full: a large cluster's matrix exceeds memory. */
async function write(pieces: Iterable<string>): Promise<void> {
  let chunk = "";
  const flush = async () => {
    if (!process.stdout.write(chunk)) await new Promise((resolve) => process.stdout.once("drain", resolve));
    chunk = "";
  };
  for (const piece of pieces) {
    chunk += piece;
    if (chunk.length > 65_536) await flush();
  }
  await flush();
}

function questionOf(
  facts: ClusterFacts,
  options: Options,
  ports: readonly Port[] | undefined,
): MatrixQuestion {
  const offline = options.filename !== undefined;
  const all = clusterEnds(facts, options.namespace && new Set(options.namespace));
  // A probe asks those that have an address; manifests have none yet.
  const pods = offline ? all : all.filter((end) => end.addresses.length > 0);
  const everybody: End[] = offline || options.ranges ? [...pods, ...rangeEnds(facts)] : pods;
  const ends = options.family ? everybody.flatMap((end) => ofFamily(end, options.family)) : everybody;
  const chosen = ports ?? (offline ? offlinePorts(facts, pods) : "declared");
  return { ends, ports: chosen, view: offline ? "policies" : "live" };
}

/** Manifests often declare no ports: then those that policies name tell most. */
function offlinePorts(facts: ClusterFacts, pods: readonly End[]): readonly Port[] {
  const declared = declaredBy(pods);
  return declared.length > 0 ? declared : policyPorts(facts);
}

/** An end with its addresses of a family, if it has any; in manifests alone nobody has one yet. */
function ofFamily(end: End, family: Options["family"]): End[] {
  const addresses = end.addresses.filter((address) => address.includes(":") === (family === "6"));
  const only = family === "6" ? 6 : 4;
  return addresses.length > 0 || end.addresses.length === 0 ? [{ ...end, addresses, family: only }] : [];
}
