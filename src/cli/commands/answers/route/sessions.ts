// trunkline route sessions: the BGP sessions that the objects ask for, and how they stand.
import { Command, Option } from "commander";
import { TrunklineError } from "../../../../base/errors.ts";
import { nearest } from "../../../../base/suggest.ts";
import type { NodeRouting } from "../../../../explain/routing/types.ts";
import { collectFacts } from "../../../../plan/collect.ts";
import type { ClusterFacts } from "../../../../plan/facts.ts";
import { routingFindings } from "../../../../plan/routing/bird/findings.ts";
import { type SessionReport, sessionReport } from "../../../../plan/routing/bird/report.ts";
import { allSessions } from "../../../../plan/routing/bird/sessions.ts";
import { type StoreOptions, storeOptions, withStore } from "../../../context.ts";
import { readFacts } from "../../../facts/manifest-facts.ts";
import { askRouting } from "../../../facts/node-routing.ts";
import { ago, exit, print, printJson, say, table } from "../../../output.ts";

interface Options extends StoreOptions {
  readonly node?: string;
  readonly filename?: readonly string[];
  readonly output: "table" | "json";
}

export function command(): Command {
  const sessions = new Command("sessions")
    .description("print the BGP sessions, and what keeps them from standing")
    .option("--node <name>", "the sessions of that node")
    .option("-f, --filename <path...>", "as planned from manifests alone, without a lab")
    .addOption(
      new Option("-o, --output <form>", "form of the output").choices(["table", "json"]).default("table"),
    )
    .action((options: Options) => run(options));
  return storeOptions(sessions);
}

async function run(options: Options): Promise<void> {
  const offline = options.filename !== undefined;
  const facts = offline ? await readFacts(options.filename ?? []) : await withStore(options, collectFacts);
  if (!facts) {
    process.exitCode = exit.usage;
    return;
  }
  const { node } = options;
  if (node !== undefined && !facts.nodes.has(node)) {
    const suggestion = nearest(node, facts.nodes.keys());
    throw new TrunklineError("explain.unknown-end", { name: `node/${node}`, suggestion });
  }
  const nodes = node === undefined ? [...facts.nodes.keys()].toSorted() : [node];
  const live = offline ? new Map<string, NodeRouting>() : await askRouting(options, nodes);
  const answer = answerOf(facts, nodes, live);
  if (options.output === "json") printJson(answer);
  else show(answer);
  const stands = offline || answer.sessions.every(({ state }) => state === "Established");
  if (!stands || (offline && answer.findings.length > 0)) process.exitCode = exit.no;
}

function answerOf(facts: ClusterFacts, nodes: readonly string[], live: ReadonlyMap<string, NodeRouting>) {
  const wanted = new Set(nodes);
  // What an agent has told is of the plan that it has; where it has not heard of an object yet, the plan counts.
  const reports = new Map(
    [...live.values()].flatMap(({ sessions }) => sessions.map((one) => [`${one.node} ${one.protocol}`, one])),
  );
  const sessions = allSessions(facts)
    .filter((session) => wanted.has(session.node))
    .map((session): SessionReport => {
      const report = sessionReport(session);
      const known = reports.get(`${session.node} ${session.protocol}`);
      if (!known) return report;
      const { state, since, error, routesIn, routesOut, refused } = known;
      const isAway = session.peerNode !== undefined && live.get(session.peerNode)?.running === false;
      const because =
        isAway && error?.code !== "bird-away" ? `; BIRD of ${session.peerNode} does not run` : "";
      const told = error && { ...error, message: `${error.message}${because}` };
      return { ...report, state, since, error: told, routesIn, routesOut, refused };
    });
  const findings = nodes.flatMap((node) => live.get(node)?.findings ?? routingFindings(facts, node));
  return { sessions, ripNeighbours: [...live.values()].flatMap((one) => one.ripNeighbours), findings };
}

function show({ sessions, ripNeighbours, findings }: ReturnType<typeof answerOf>): void {
  if (sessions.length === 0) say("No BGP sessions are asked for");
  const rows = sessions.map((one) => [
    one.node,
    one.peerNode === null ? one.peer : `${one.peer} (${one.peerNode})`,
    `${one.localAS}`,
    `${one.peerAS}`,
    one.state ?? "-",
    one.since === null ? "-" : ago(one.since),
    one.routesIn === null ? "-" : `${one.routesIn}/${one.routesOut}`,
    one.object,
    one.error ? `${one.error.code}: ${one.error.message}` : "",
  ]);
  const heading = ["NODE", "PEER", "AS", "PEER AS", "STATE", "SINCE", "IN/OUT", "OBJECT", "ERROR"];
  if (rows.length > 0) print(table([heading, ...rows]));
  for (const { node, interface: link, address } of ripNeighbours)
    print(`${node} hears RIP of ${address} on ${link}`);
  for (const { code, object, node, message } of findings)
    say(`warning: ${code}: ${object} on ${node}: ${message}`);
}
