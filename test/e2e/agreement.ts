// Asks the plans and the packets the same questions, and tells where they differ. Past the executable, as there are
// thousands of them.
import { setTimeout as sleep } from "node:timers/promises";
import { podIps } from "../../src/api/kinds/core.ts";
import { formatIp, nthIp, parseCidr, tryParseCidr } from "../../src/base/ip.ts";
import { knowledgeOf } from "../../src/cli/facts/node-knowledge.ts";
import { exit, exitCodeOf } from "../../src/cli/output.ts";
import { findEnd, nodeOf } from "../../src/explain/ends.ts";
import { type Explanation, explain, verdictOf } from "../../src/explain/explain.ts";
import type { Ground } from "../../src/explain/ground/ground.ts";
import type { Judges } from "../../src/explain/judges/judge.ts";
import { judgesOf } from "../../src/explain/judges/plans.ts";
import { parsePort } from "../../src/explain/ports.ts";
import { parseEnd } from "../../src/explain/target.ts";
import { askLab, errorOf } from "../../src/lab/control/client.ts";
import type { WireError } from "../../src/lab/control/server.ts";
import type { MachineKnowledge } from "../../src/lab/now/machine-knowledge.ts";
import type { ProbeAnswer, ProbeRequest } from "../../src/lab/probe/prober.ts";
import { collectFacts } from "../../src/plan/collect.ts";
import type { ClusterFacts } from "../../src/plan/facts.ts";
import { openSqliteStore } from "../../src/store/sqlite/store.ts";
import type { Commands } from "./trunkline.ts";

export interface Question {
  readonly from: string;
  readonly to: string;
  /** `80/tcp`; none: whatever the target declares. */
  readonly port: string | undefined;
}

/** Everybody in a lab, and addresses that nobody has. */
export interface Everybody {
  readonly facts: ClusterFacts;
  readonly judges: Judges;
  /** By name: pods, workloads, nodes, hosts and routers. */
  readonly names: readonly string[];
  /** The same by their addresses. */
  readonly addresses: readonly string[];
  /** In blocks, in pools, on networks, outside, link-local, a service's, loopback. */
  readonly nobodys: readonly string[];
}

/** So many are in one request to the lab, and so many of those under way. */
const IN_ONE = 150;
const AT_A_TIME = 4;
const OUTSIDE = ["8.8.8.8", "10.96.0.1", "169.254.1.1", "169.254.169.254", "127.0.0.1"];
const OUTSIDE6 = ["2001:db8::53", "fe80::1", "::1"];

/** Looks who is there. */
export async function everybodyOf(commands: Commands): Promise<Everybody> {
  const { paths } = commands.entry();
  const ground = await askLab<Ground>(commands.entry(), "ground", {});
  const machinesNow = await askLab<Record<string, MachineKnowledge>>(commands.entry(), "machines", {});
  const store = openSqliteStore(paths.store);
  const facts = await collectFacts(store);
  await store.close();
  const { nodes, hosts, pods, pools, blocks } = facts;
  const owners = [...pods.values()].flatMap((pod) =>
    (pod.metadata.ownerReferences ?? []).map(
      ({ kind, name }) => `${kind.toLowerCase()}/${pod.metadata.namespace}/${name}`,
    ),
  );
  const machines = ground.machines.flatMap(({ links }) =>
    links.flatMap(({ network, addresses }) => (network === undefined ? [] : addresses)),
  );
  const own = [...machines.map((text) => text.split("/")[0] ?? ""), ...[...pods.values()].flatMap(podIps)];
  const ranges = [
    ...[...pools.values(), ...blocks.values()].map(({ spec }) => spec.cidr),
    ...machines.map((text) => networkOf(text)),
  ];
  const free = ranges.flatMap((text) => {
    const range = tryParseCidr(text);
    // Near the end, which the longest-free order of addresses reaches last.
    return range
      ? [formatIp(nthIp(range, range.family === 4 ? (1n << BigInt(32 - range.length)) - 3n : 0xfffn))]
      : [];
  });
  const six = own.some((address) => address.includes(":"));
  return {
    facts,
    judges: judgesOf(facts, knowledgeOf(machinesNow), ground),
    names: [
      ...[...pods.keys()].map((key) => `pod/${key}`),
      ...new Set(owners),
      ...[...nodes.keys()].map((name) => `node/${name}`),
      ...[...hosts.keys()].map((name) => `host/${name}`),
    ],
    addresses: [...new Set(own)],
    nobodys: [...new Set([...free, ...OUTSIDE, ...(six ? OUTSIDE6 : [])])].filter(
      (one) => !own.includes(one),
    ),
  };
}

function networkOf(text: string): string {
  const [address = "", length = "32"] = text.split("/");
  const bits = BigInt((address.includes(":") ? 128 : 32) - Number(length));
  const { base, family } = parseCidr(`${address}/${address.includes(":") ? 128 : 32}`);
  return `${formatIp({ family, value: (base >> bits) << bits })}/${length}`;
}

interface Answer {
  readonly code: number;
  readonly reachable: boolean | null;
  readonly outcome: string | null;
  readonly sourceSeen: string | null;
  readonly why: string;
  /** Of explain: it says that it cannot tell, and these are what it hangs on. */
  readonly doubts?: readonly string[];
}

/** A question with both answers. */
interface Asked {
  readonly question: Question;
  readonly said: Answer;
  readonly found: Answer;
}

export interface Findings {
  /** A line for each question that the two answer differently. */
  readonly differences: readonly string[];
  /** How many questions packets have an answer to. */
  readonly asked: number;
  /** How many of them explain cannot tell, by what they hang on: the first thing, or one that was meant to be. */
  readonly unknown: ReadonlyMap<string, number>;
}

/** Returns a line for each question that the two answer differently. */
export async function disagreements(
  commands: Commands,
  everybody: Everybody,
  questions: readonly Question[],
): Promise<readonly string[]> {
  return (await compareAnswers(commands, everybody, questions)).differences;
}

/**
 * Asks both all questions.
 * @param isMeant whether somebody meant that explain cannot tell something
 */
export async function compareAnswers(
  commands: Commands,
  everybody: Everybody,
  questions: readonly Question[],
  isMeant: (doubt: string) => boolean = () => false,
): Promise<Findings> {
  const answers = questions.map((question) => ({ question, said: explained(everybody, question) }));
  const all = await askedAll(commands, answers, 400);
  const errors = await errorsDiffer(commands, everybody, all);
  // Hundreds asked at once, on a machine that others use, too: whose answer came late asks again in quiet.
  const again = await inParallel(all.filter(differenceOf), 16, async (one): Promise<Asked> => {
    const found = await probed(commands, one.question, 2000);
    // One packet that gets lost among others is no difference; who hears nothing twice is not answered.
    const isSilent = found.outcome === "filtered" && differenceOf({ ...one, found }) !== undefined;
    return { ...one, found: isSilent ? await probed(commands, one.question, 5000) : found };
  });
  const differences = again.flatMap((asked) => {
    const difference = differenceOf(asked);
    return difference === undefined ? [] : [lineOf(asked, difference)];
  });
  const answerable = all.filter(({ found }) => found.why !== NOT_A_SENDER);
  const unknown = new Map<string, number>();
  for (const { said } of answerable) {
    if (!said.doubts) continue;
    const what = said.doubts.find(isMeant) ?? said.doubts[0] ?? "";
    unknown.set(what, (unknown.get(what) ?? 0) + 1);
  }
  return { differences: [...differences, ...errors].toSorted(), asked: answerable.length, unknown };
}

async function askedAll(
  commands: Commands,
  answers: readonly Omit<Asked, "found">[],
  timeoutMs: number,
): Promise<Asked[]> {
  const parcels = Array.from({ length: Math.ceil(answers.length / IN_ONE) }, (_, at) =>
    answers.slice(at * IN_ONE, (at + 1) * IN_ONE),
  );
  const entry = commands.entry();
  const asked = await inParallel(parcels, AT_A_TIME, async (parcel) => {
    const requests = parcel.map(({ question }) => requestOf(question, timeoutMs));
    const found = await askLab<{ answers: (ProbeAnswer | WireError)[] }>(entry, "probes", { requests });
    return parcel.map((one, at): Asked => ({ ...one, found: foundOf(found.answers[at]!) }));
  });
  return asked.flat();
}

function foundOf(answer: ProbeAnswer | WireError): Answer {
  if ("message" in answer) return refused(errorOf("", answer));
  const { reachable, sourceSeen, outcome, error } = answer;
  return { code: reachable ? 0 : 1, reachable, sourceSeen, outcome, why: error ?? "" };
}

const NOT_A_SENDER = "lab.not-a-sender";

function lineOf({ question: { from, to, port = "" }, said, found }: Asked, difference: string): string {
  return `${from} → ${to} ${port}: ${difference}: ${show(found)} | explain: ${show(said)}`;
}

/** Of each machine's senders, questions of each kind. */
const ERRORS_ASKED = 4;
/** A kernel that finds no way tells each sender so once a second, and no more. */
const ERROR_MS = 1100;
/** An error that comes while the sender's kernel is busy with that very socket is passed over: who hears nothing asks again. */
const ERROR_TRIES = 4;
/**
 * A kernel looks for a neighbour for three seconds, which is longer than a probe waits, and says then that there is none:
 * to that probe nothing, but to one that begins in the meantime.
 */
const NEIGHBOUR_MS = 4000;

/**
 * Whether who is told that there is no way is really told, and nobody else: asked of a few of each machine, one at a time,
 * since kernels are slow to say so. Those come first that heard an error among all others although they should not.
 */
async function errorsDiffer(
  commands: Commands,
  everybody: Everybody,
  all: readonly Asked[],
): Promise<string[]> {
  const lost = all.filter(({ question: { port }, said, found }) => {
    const isLost = said.outcome === "unreachable" || said.outcome === "filtered";
    return isLost && !said.doubts && port?.endsWith("/sctp") !== true && found.why !== NOT_A_SENDER;
  });
  const lanes = Map.groupBy(lost, ({ question }) => homeOf(everybody, question.from));
  // Two who look for the same neighbour would hear each other's errors.
  const taken = new Set<string>();
  const chosen = [...lanes.values()].map((lane) => {
    const silent = lane.filter(({ said }) => said.outcome === "filtered");
    const told = lane.filter(({ said }) => said.outcome === "unreachable");
    const differ = silent.filter(({ found }) => found.outcome === "unreachable");
    const apart = silent.filter(({ found }) => found.outcome !== "unreachable");
    return [told, differ, apart].flatMap((list) => spread(list, ERRORS_ASKED, taken));
  });
  const lines = await Promise.all(chosen.map((lane) => errorsOfLane(commands, lane)));
  return lines.flat();
}

/** The machine that a sender is on: what it is told counts together. */
function homeOf({ facts }: Everybody, from: string): string {
  const end = findEnd(facts, parseEnd(from), "default");
  return nodeOf(end) ?? end.name;
}

/** Returns some of a list from all over it, no two about the same target; `taken` are those that others ask. */
function spread(list: readonly Asked[], count: number, taken: Set<string>): Asked[] {
  const some: Asked[] = [];
  const step = Math.max(1, Math.floor(list.length / (count * 2)));
  for (let at = 0; at < list.length && some.length < count; at += step) {
    const { to } = list[at]!.question;
    if (list[at]!.said.outcome === "filtered" && taken.has(to)) continue;
    taken.add(to);
    some.push(list[at]!);
  }
  return some;
}

async function errorsOfLane(commands: Commands, lane: readonly Asked[]): Promise<string[]> {
  const lines: string[] = [];
  for (const { question, said } of lane) {
    const isTold = said.outcome === "unreachable";
    const ask = () => probed(commands, question, isTold ? 1900 : 700);
    if (isTold) await sleep(ERROR_MS);
    let found = await ask();
    for (let left = ERROR_TRIES; found.outcome !== said.outcome && left > 0; left--) {
      await sleep(found.outcome === "unreachable" ? NEIGHBOUR_MS : ERROR_MS);
      found = await ask();
    }
    if (found.outcome !== said.outcome) lines.push(lineOf({ question, said, found }, "error"));
  }
  return lines;
}

async function inParallel<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < items.length; at = next++) results[at] = await work(items[at]!);
  };
  await Promise.all(Array.from({ length: width }, worker));
  return results;
}

function differenceOf({ question: { port }, found, said }: Asked): string | undefined {
  // Nobody can send from an address that nobody has; what policies say of it is an answer all the same.
  if (found.why === NOT_A_SENDER) return said.reachable === true ? "reachable" : undefined;
  // Of an answer that cannot be told what is said all the same must be right; how many there are is another question.
  if (said.doubts) {
    if (said.reachable !== null && found.reachable !== said.reachable) return "reachable";
    if (said.sourceSeen === null) return undefined;
  } else {
    if (found.code !== said.code) return "exit code";
    if (found.reachable !== said.reachable) return "reachable";
  }
  // Refused here or there, by what is not known.
  const isSure = said.outcome !== null;
  if (isSure && kindOf(found) !== kindOf(said) && port?.endsWith("/sctp") !== true) return "outcome";
  return found.sourceSeen !== null && found.sourceSeen !== said.sourceSeen ? "source" : undefined;
}

/**
 * How a probe fails, as far as it can be told while hundreds ask. A kernel that finds no route says so to each sender only once a second: many probes at once wait in vain. (Of SCTP nothing is compared: two that ask each other at the same
 * time take each other's packets, so neither kernel refuses anything.)
 */
function kindOf({ outcome }: Answer): string | null {
  return outcome === "unreachable" ? "filtered" : outcome;
}

const show = ({ code, reachable, outcome, sourceSeen, why }: Answer) =>
  `${code} ${reachable} ${outcome} ${sourceSeen} (${why})`;

function requestOf({ from, to, port }: Question, timeoutMs: number): ProbeRequest {
  return { from, to, timeoutMs, ...(port !== undefined && { port: parsePort(port) }) };
}

async function probed(commands: Commands, question: Question, timeoutMs: number): Promise<Answer> {
  try {
    return foundOf(await askLab<ProbeAnswer>(commands.entry(), "probe", requestOf(question, timeoutMs)));
  } catch (error) {
    return refused(error);
  }
}

function explained({ facts, judges }: Everybody, { from, to, port }: Question): Answer {
  try {
    const [start, end] = [from, to].map((text) => findEnd(facts, parseEnd(text), "default"));
    const answer: Explanation = explain(
      facts,
      judges,
      start!,
      end!,
      port === undefined ? undefined : parsePort(port),
    );
    const { reachable, sourceSeen, expected, reasons, unknown } = answer;
    return {
      code: exit[verdictOf(answer)],
      reachable,
      sourceSeen,
      outcome: expected,
      why: reasons[0] ?? "",
      ...(unknown && { doubts: unknown }),
    };
  } catch (error) {
    return refused(error);
  }
}

function refused(error: unknown): Answer {
  const { code } = error as { code: string };
  return { code: exitCodeOf(error), reachable: null, outcome: null, sourceSeen: null, why: code };
}
