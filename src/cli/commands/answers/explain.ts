// trunkline explain: what will happen to a flow, and which objects decide it, without sending a packet.
import { Command } from "commander";
import { TrunklineError } from "../../../base/errors.ts";
import { explainAsked } from "../../../explain/asked.ts";
import { type End, endAt, findEnd, nodeOf } from "../../../explain/ends.ts";
import { type Explanation, verdictOf } from "../../../explain/explain.ts";
import { explanationText } from "../../../explain/explain-text.ts";
import { nodeName } from "../../../explain/ground/ground.ts";
import type { Judges } from "../../../explain/judges/judge.ts";
import { judgesOf } from "../../../explain/judges/plans.ts";
import { parsePorts } from "../../../explain/ports.ts";
import { serviceText } from "../../../explain/services/service-text.ts";
import { isService, parseEnd, parseTarget } from "../../../explain/target.ts";
import { type TracedStop, traceStops, traceText } from "../../../explain/trace/stops.ts";
import { collectFacts } from "../../../plan/collect.ts";
import type { ClusterFacts } from "../../../plan/facts.ts";
import { collectServices } from "../../../plan/services.ts";
import { type ClusterOptions, clusterOptions, defaultNamespace, withStore } from "../../context.ts";
import { staleEgress } from "../../facts/egress-leases.ts";
import { groundOf, lookAtMachines } from "../../facts/node-knowledge.ts";
import { checkWorkloads } from "../../facts/workload-ends.ts";
import { answerOption } from "../../options.ts";
import { exit, printJson, printText } from "../../output.ts";

interface Options extends ClusterOptions {
  readonly output: "text" | "json";
  readonly trace?: boolean;
}

export function command(): Command {
  const explainCommand = new Command("explain")
    .description("say from the plans whether a flow passes, which way, which source address is seen, and why")
    .argument("<from>", "pod/NAME, KIND/NAME, node/NAME, host/NAME, router/NAME or an address")
    .argument(
      "<to>",
      "the same or svc/NAME, with an optional port: TO[:PORT[/PROTOCOL]], svc/NAME:PORTNAME, or TO/icmp for an echo",
    )
    .addOption(answerOption())
    .option("--trace", "the rules of the nodes on the way one by one, in a lab with their counters")
    .addHelpText(
      "after",
      "\nExit codes: 0 allowed, and nothing known stands in the way; 1 denied, or not reachable; 2 wrong use; 3 cannot tell.",
    )
    .action((from: string, to: string, options: Options) => run(from, to, options));
  return clusterOptions(explainCommand, "one");
}

async function run(from: string, to: string, options: Options): Promise<void> {
  const start = parseEnd(from);
  const target = parseTarget(to);
  if (isService(start)) throw new TrunklineError("explain.service-from", { name: from });
  const namespace = options.namespace ?? defaultNamespace;
  const ground = await groundOf(options);
  const { facts, objects, stale } = await withStore(options, async (store) => {
    await checkWorkloads(store, isService(target.end) ? [start] : [start, target.end], namespace);
    const collected = await collectFacts(store);
    // In a lab a look at the nodes tells more than leases do.
    return {
      facts: collected,
      objects: await collectServices(store),
      stale: ground ? undefined : await staleEgress(store, collected),
    };
  });
  const sender = findEnd(facts, start, namespace);
  const judges = judgesOf(facts, { ...(await lookAtMachines(options)), ...(stale && { stale }) }, ground);
  const asked = explainAsked(facts, judges, objects, sender, target, namespace, ground !== undefined);
  const stops = options.trace
    ? await traced(options, judges, facts, sender, asked.answer, asked.end)
    : undefined;
  const text = asked.service ? serviceText(asked.service) : explanationText(asked.answer);
  tell(options, asked.answer, text, stops);
}

function tell(options: Options, answer: Explanation, text: string, stops: TracedStop[] | undefined): void {
  if (options.output === "json") printJson({ ...answer, ...(stops && { trace: stops }) });
  else printText(`${text}${stops ? traceText(stops) : ""}`);
  process.exitCode = exit[verdictOf(answer)];
}

/** Walks the packet of the answer through the rules of the nodes on its way. */
async function traced(
  options: Options,
  { network }: Judges,
  facts: ClusterFacts,
  from: End,
  answer: Explanation,
  to: End = endAt(facts, answer.to.address),
): Promise<TracedStop[]> {
  const { nodeRules } = await import("../../facts/node-rules.ts");
  // Other programs' rules may send it to nodes that the question does not name.
  const passed = answer.route.flatMap(({ at, to: next }) => [at, next].map((name) => nodeName(name)));
  const named = [nodeOf(from), nodeOf(to), answer.snat.by, ...passed];
  const nodes = [...new Set(named.flatMap((name) => name ?? []))];
  const rules = await nodeRules(options, facts, nodes);
  const [port] = answer.port === null ? [] : parsePorts(answer.port);
  const flow = { from, to, source: answer.from.address, destination: answer.to.address, port };
  return traceStops(facts, flow, answer, (node) => {
    const own = rules.get(node);
    const others = network?.rulesOf(`node/${node}`);
    const addresses = new Set(network?.planOf(node).nodeAddresses);
    return own && { ...own, ...(others && { others }), isLocal: (address) => addresses.has(address) };
  });
}
