// trunkline denied: the packets that the nodes' rules refused, with names, reasons, and what would let them in.
import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import type { BookedRefusal } from "../../../agent/denied/refusal-book.ts";
import type { DeniedAnswer, PodCount } from "../../../agent/denied/refusal-log.ts";
import { podKind } from "../../../api/kinds/core.ts";
import { keyOf } from "../../../api/object.ts";
import { TrunklineError, textOf } from "../../../base/errors.ts";
import { nearest } from "../../../base/suggest.ts";
import { findLab, nodePaths } from "../../../lab/life/state.ts";
import { defaultNamespace, withStore } from "../../context.ts";
import { askAgent } from "../../facts/ask-agent.ts";
import { answerOption } from "../../options.ts";
import { exit, print, printJson, say } from "../../output.ts";

interface Options {
  readonly lab?: string;
  readonly socket?: string;
  readonly watch?: boolean;
  readonly would?: boolean;
  readonly pod?: string;
  readonly node?: string;
  readonly namespace?: string;
  readonly output: "text" | "json";
}

interface Place {
  readonly name: string;
  readonly socket: string;
}

/** How soon a packet is shown after the agent knows of it. */
const LOOK_MS = 300;

export function command(): Command {
  return new Command("denied")
    .description(
      "show the packets that the nodes' rules refused: both ends, by what, and what would let them in",
    )
    .option("-w, --watch", "go on, and show each as it is refused")
    .option("--would", "what passed, and what staged policies (trunkline.dev/stage) would have refused")
    .option("--pod <name>", "those from or to that pod: NAME or NAMESPACE/NAME")
    .option("--node <name>", "those that this node's rules refused")
    .option("-n, --namespace <name>", `namespace of --pod; default: ${defaultNamespace}`)
    .option("--lab <name>", "the lab; default: the one that runs")
    .option("--socket <path>", "ask the agent with this health socket instead of a lab's")
    .addOption(answerOption())
    .addHelpText(
      "after",
      "\nOne line a flow and minute. The kernel tells of some of many (10 a second and pod), and counts them all." +
        "\nExit codes: 0 nothing was refused; 1 something was; 2 wrong use; 3 an agent does not answer, or cannot hear.",
    )
    .action((options: Options) => run(options));
}

async function run(options: Options): Promise<void> {
  const places = placesOf(options);
  if (options.watch === true) return watch(places, options);
  const found = await Promise.all(places.map(async (place) => ask(place, queryOf(options, "counts=1"))));
  const answers = found.filter((answer) => answer !== undefined);
  const isMeant = chooser(options);
  const refusals = answers.flatMap((answer) => answer.refusals.filter(isMeant)).toSorted(byTime);
  const counts = answers.flatMap(({ counts: list = [] }) =>
    list.filter((count) => isCounted(count, options)),
  );
  // One that is gone may have been refused before; of one that never was nothing can have been.
  if (refusals.length === 0 && counts.length === 0) await checkPod(options);
  if (options.output === "json") printJson({ refusals, counts, nodes: answers.map(stateOf) });
  else {
    for (const refusal of refusals) print(lineOf(refusal));
    showCounts(refusals, counts, options.would === true ? "would be refused" : "refused");
  }
  for (const { node, deaf } of answers)
    if (deaf !== null) say(`warning: ${node} only counts what it refuses: ${deaf}`);
  const sure = answers.length === places.length && answers.every(({ deaf }) => deaf === null);
  const any = refusals.length > 0 || counts.length > 0;
  process.exitCode = any ? exit.no : sure ? exit.yes : exit.unknown;
}

/** Shows what is refused from now on, until the process is ended. */
async function watch(places: readonly Place[], options: Options): Promise<void> {
  const isMeant = chooser(options);
  const seen = new Map<string, { started: string; last: number }>();
  const silent = new Set<string>();
  for (;;) {
    for (const place of places) {
      const before = seen.get(place.name);
      const answer = await ask(place, queryOf(options, `after=${before?.last ?? 0}`), silent);
      if (!answer) continue;
      const { started, last } = answer;
      seen.set(place.name, { started, last });
      if (before === undefined) {
        if (answer.deaf !== null) say(`warning: ${place.name} only counts what it refuses: ${answer.deaf}`);
        continue;
      }
      // The agent began anew, and with it the numbers.
      const fresh =
        started === before.started ? answer : await ask(place, queryOf(options, "after=0"), silent);
      for (const refusal of (fresh?.refusals ?? []).filter(isMeant))
        print(options.output === "json" ? JSON.stringify(refusal) : lineOf(refusal));
    }
    await sleep(LOOK_MS);
  }
}

function queryOf({ would }: Options, query: string): string {
  return would === true ? `${query}&would=1` : query;
}

function placesOf({ lab, socket, node }: Options): readonly Place[] {
  if (socket !== undefined) return [{ name: node ?? socket, socket }];
  const { record, paths } = findLab(lab);
  const nodes = record.members.filter((one) => one.role === "node").map(({ name }) => name);
  if (node !== undefined && !nodes.includes(node))
    throw new TrunklineError("lab.no-member", { word: node, known: nodes });
  return nodes
    .filter((name) => node === undefined || name === node)
    .map((name) => ({ name, socket: nodePaths(paths, name).healthSocket }));
}

/** @param silent names of those that have been said not to answer; default: it is said */
async function ask({ name, socket }: Place, query: string, silent?: Set<string>) {
  try {
    const answer = JSON.parse(await askAgent(socket, `/denied?${query}`)) as DeniedAnswer;
    silent?.delete(name);
    return answer;
  } catch (error) {
    if (silent?.has(name) !== true) say(`warning: the agent of ${name} does not answer: ${textOf(error)}`);
    silent?.add(name);
    return undefined;
  }
}

function chooser(options: Options): (refusal: BookedRefusal) => boolean {
  const pod = podKey(options);
  if (pod === undefined) return () => true;
  return ({ from, to }) => from.name === `pod/${pod}` || to.name === `pod/${pod}`;
}

function isCounted({ pod }: PodCount, options: Options): boolean {
  const wanted = podKey(options);
  return wanted === undefined || pod === wanted;
}

/** @throws `explain.unknown-end` where the lab's objects know no pod of that name */
async function checkPod(options: Options): Promise<void> {
  const key = podKey(options);
  if (key === undefined || options.socket !== undefined) return;
  const pods = await withStore(options.lab === undefined ? {} : { lab: options.lab }, async (store) =>
    (await store.list(podKind)).items.map((pod) => keyOf(pod)),
  );
  if (pods.includes(key)) return;
  const suggestion = nearest(key, pods);
  throw new TrunklineError("explain.unknown-end", {
    name: `pod/${key}`,
    suggestion: suggestion === undefined ? undefined : `pod/${suggestion}`,
  });
}

function podKey({ pod, namespace = defaultNamespace }: Options): string | undefined {
  const name = pod?.replace(/^pod\//, "");
  return name === undefined || name.includes("/") ? name : `${namespace}/${name}`;
}

function stateOf({ node, deaf, lost }: DeniedAnswer) {
  return { node, deaf, lost };
}

function byTime(a: BookedRefusal, b: BookedRefusal): number {
  return a.first < b.first ? -1 : a.first > b.first ? 1 : 0;
}

/** `14:03:22 ingress pod/default/b (10.1.0.2) -> pod/default/a (10.1.0.1):80/tcp refused by …; would help: …` */
function lineOf({ first, packets, direction, from, to, port, by, reason, help }: BookedRefusal): string {
  const isPolicy = by.kind === "policy" || by.kind === "staged";
  const who = isPolicy ? by.policies.join(", ") || "policy" : `${by.kind} (${by.site})`;
  const verb = by.kind === "staged" ? "would be refused by" : "refused by";
  const many = packets > 1 ? ` (${packets} packets)` : "";
  const why = isPolicy && by.policies.length > 0 ? "" : `: ${reason}`;
  return (
    `${first.slice(11, 19)} ${direction} ${endText(from)} -> ${endText(to)}:${port} ${verb} ${who}${why}${many}` +
    `${help === null ? "" : `; would help: ${help}`}`
  );
}

function endText({ name, address }: BookedRefusal["from"]): string {
  return name === null ? address : `${name} (${address})`;
}

function showCounts(refusals: readonly BookedRefusal[], counts: readonly PodCount[], verb: string): void {
  if (refusals.length === 0 && counts.length === 0) {
    say(`nothing ${verb === "refused" ? "was" : "would have been"} refused`);
    return;
  }
  for (const { pod, by, packets, bytes } of counts)
    say(`${pod}: ${packets} packets (${bytes} bytes) ${verb}, ${by === "guard" ? "by guards" : by}`);
}
