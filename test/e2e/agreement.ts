// Asks the plans and the packets the same questions, and tells where they differ. Past the executable, as there are
// thousands of them.
import { setTimeout as sleep } from "node:timers/promises";
import { podIps } from "../../src/api/kinds/core.ts";
import { formatIp, nthIp, parseCidr, tryParseCidr } from "../../src/base/ip.ts";
import { knowledgeOf } from "../../src/cli/facts/node-knowledge.ts";
import { exit, exitCodeOf } from "../../src/cli/output.ts";
import { findEnd } from "../../src/explain/ends.ts";
import { type Explanation, explain, verdictOf } from "../../src/explain/explain.ts";
import type { Ground } from "../../src/explain/ground/ground.ts";
import type { Judges } from "../../src/explain/judge.ts";
import { judgesOf } from "../../src/explain/plans.ts";
import { parsePort } from "../../src/explain/ports.ts";
import { parseEnd } from "../../src/explain/target.ts";
import { askLab } from "../../src/lab/control/client.ts";
import type { ProbeAnswer, ProbeRequest } from "../../src/lab/lab.ts";
import type { MachineKnowledge } from "../../src/lab/machine-knowledge.ts";
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

const AT_A_TIME = 200;
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
  /** Of explain: it says that it cannot tell. */
  readonly isUnknown?: true;
}

/** Returns a line for each question that the two answer differently. */
export async function disagreements(
  commands: Commands,
  everybody: Everybody,
  questions: readonly Question[],
): Promise<string[]> {
  const ask = async (question: Question, timeoutMs: number) => {
    const said = explained(everybody, question);
    const found = await probed(commands, question, timeoutMs);
    const difference = differenceOf(question, found, said);
    const { from, to, port = "" } = question;
    return difference === undefined
      ? []
      : [
          {
            question,
            line: `${from} → ${to} ${port}: ${difference}: ${show(found)} | explain: ${show(said)}`,
          },
        ];
  };
  const doubtful = await inParallel(questions, AT_A_TIME, (question) => ask(question, 400));
  const errors = await errorsDiffer(commands, everybody, questions);
  // Hundreds asked at once, on a machine that others use, too: whose answer came late asks again in quiet.
  const again = await inParallel(doubtful.flat(), 8, ({ question }) => ask(question, 2000));
  return [...again.flat().map(({ line }) => line), ...errors].toSorted();
}

const ERRORS_ASKED = 8;
/** A kernel that finds no way tells each sender so once a second, and no more. */
const ERROR_MS = 1100;
/** An error that comes while the sender's kernel is busy with that very socket is passed over: who hears nothing asks again. */
const ERROR_TRIES = 2;
/**
 * A kernel looks for a neighbour for three seconds, which is longer than a probe waits, and says then that there is none:
 * to that probe nothing, but to one that begins in the meantime.
 */
const NEIGHBOUR_MS = 4000;

/**
 * Whether who is told that there is no way is really told, and nobody else: asked of a few, one at a time, since kernels
 * are slow to say so.
 */
async function errorsDiffer(
  commands: Commands,
  everybody: Everybody,
  questions: readonly Question[],
): Promise<string[]> {
  const lost = questions
    .map((question) => ({ question, said: explained(everybody, question) }))
    .filter(({ question: { port }, said: { outcome } }) => {
      const isLost = outcome === "unreachable" || outcome === "filtered";
      return isLost && port?.endsWith("/sctp") !== true;
    });
  const lines: string[] = [];
  for (const outcome of ["unreachable", "filtered"]) {
    const these = lost.filter(({ said }) => said.outcome === outcome);
    for (let at = 0; at < Math.min(ERRORS_ASKED, these.length); at++) {
      const { question, said } = these[Math.floor(at * Math.max(1, these.length / ERRORS_ASKED))]!;
      await sleep(ERROR_MS);
      let found = await probed(commands, question, 1900);
      if (found.why === "lab.not-a-sender") continue;
      for (let left = ERROR_TRIES; found.outcome !== said.outcome && left > 0; left--) {
        await sleep(found.outcome === "unreachable" ? NEIGHBOUR_MS : ERROR_MS);
        found = await probed(commands, question, 1900);
      }
      if (found.outcome === said.outcome) continue;
      const { from, to, port = "" } = question;
      lines.push(`${from} → ${to} ${port}: error: ${show(found)} | explain: ${show(said)}`);
    }
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

function differenceOf({ port }: Question, found: Answer, said: Answer): string | undefined {
  // Nobody can send from an address that nobody has; what policies say of it is an answer all the same.
  if (found.why === "lab.not-a-sender") return said.reachable === true ? "reachable" : undefined;
  // A sure answer must be right; how many there are without one is another question.
  if (said.isUnknown) return undefined;
  if (found.code !== said.code) return "exit code";
  if (found.reachable !== said.reachable) return "reachable";
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

async function probed(commands: Commands, { from, to, port }: Question, timeoutMs: number): Promise<Answer> {
  const request: ProbeRequest = {
    from,
    to,
    timeoutMs,
    ...(port !== undefined && { port: parsePort(port) }),
  };
  try {
    const { reachable, sourceSeen, outcome, error } = await askLab<ProbeAnswer>(
      commands.entry(),
      "probe",
      request,
    );
    return { code: reachable ? 0 : 1, reachable, sourceSeen, outcome, why: error ?? "" };
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
      ...(unknown && { isUnknown: true }),
    };
  } catch (error) {
    return refused(error);
  }
}

function refused(error: unknown): Answer {
  const { code } = error as { code: string };
  return { code: exitCodeOf(error), reachable: null, outcome: null, sourceSeen: null, why: code };
}
