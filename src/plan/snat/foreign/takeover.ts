// The plan of a takeover: each rule with its owner, what it does, and what becomes of it; and what must be edited first.
import { isTerminal, type Pod, type PodSpec } from "../../../api/kinds/core.ts";
import type { DaemonSet } from "../../../api/kinds/workloads.ts";
import { keyOf } from "../../../api/object.ts";
import { type Cidr, tryParseCidr } from "../../../base/ip.ts";
import type { ClusterFacts } from "../../facts.ts";
import { readPodRanges } from "../ranges.ts";
import type { SnatPlan } from "../types.ts";
import { describeRule } from "./describe.ts";
import { type Exit, rulesInTheWay } from "./in-the-way.ts";
import { type Owner, type OwnerHints, ownersOf } from "./owner.ts";
import type { ForeignRule, ForeignRules } from "./types.ts";

export interface JudgedRule {
  readonly rule: ForeignRule;
  readonly owner: Owner;
  /** What it does to pods' packets, worded. */
  readonly effect: string;
  /** Changes what the far side sees, against our plan; now, or once the rules to delete are gone. null: cannot tell. */
  readonly inTheWay: boolean | null;
  /** delete: by `snat clean`; keep: not ours to touch. */
  readonly verdict: "delete" | "keep";
  /** Why that verdict. */
  readonly reason: string;
}

/** What runs on the node or is set to run, as far as it would put rules back. */
export interface Running {
  /** Command lines of flanneld processes in the node's namespace. */
  readonly flanneld: readonly (readonly string[])[];
  readonly daemonSets: readonly DaemonSet[];
  /** Pods of this node. */
  readonly pods: readonly Pod[];
}

export interface Takeover {
  readonly rules: readonly JudgedRule[];
  /** Why `clean` refuses, worded; empty: it does not. */
  readonly blockers: readonly string[];
  /** Worth knowing before. */
  readonly warnings: readonly string[];
}

/**
 * Returns what a takeover of source translation from flannel would do on a node. Pure.
 * @param exits the node's routes, where they are known: some rules ask by which link a packet leaves
 */
export function planTakeover(
  facts: ClusterFacts,
  plan: SnatPlan,
  foreign: ForeignRules,
  running: Running,
  exits?: readonly Exit[],
): Takeover {
  const hints = ownerHints(facts);
  const now = rulesInTheWay(plan, foreign, exits);
  const judged = foreign.chains.flatMap((chain) => {
    const owners = ownersOf(chain, hints);
    return chain.rules.map((rule, at) => judge(rule, owners[at] as Owner, hints, answerOf(now, rule)));
  });
  // What stands behind rules that go is asked only then.
  const later = rulesInTheWay(plan, withoutDeleted(foreign, judged), exits);
  const rules = judged.map((one) => ({ ...one, inTheWay: either(one.inTheWay, answerOf(later, one.rule)) }));
  return { rules, blockers: blockersOf(rules, running), warnings: warningsOf(facts, rules, foreign) };
}

function answerOf(found: ReadonlyMap<ForeignRule, true | null>, rule: ForeignRule): boolean | null {
  return found.has(rule) ? (found.get(rule) ?? null) : false;
}

/** One yes is enough; and what cannot be told is not a no. */
function either(a: boolean | null, b: boolean | null): boolean | null {
  return a === true || b === true ? true : a === null || b === null ? null : false;
}

function withoutDeleted(foreign: ForeignRules, judged: readonly JudgedRule[]): ForeignRules {
  const deleted = new Set(judged.filter(({ verdict }) => verdict === "delete").map(({ rule }) => rule));
  const chains = foreign.chains.map((chain) => ({
    ...chain,
    rules: chain.rules.filter((rule) => !deleted.has(rule)),
  }));
  return { ...foreign, chains };
}

/** Returns what the objects tell about other programs' settings. */
export function ownerHints(facts: ClusterFacts): OwnerHints {
  const flannelNetwork = flannelNetworkOf(facts);
  return {
    ...(flannelNetwork && { flannelNetwork }),
    podRanges: readPodRanges(facts).map(({ cidr }) => cidr),
  };
}

/** Returns `Network` of kube-flannel-cfg's net-conf.json. */
export function flannelNetworkOf(facts: ClusterFacts): Cidr | undefined {
  const text = facts.configMaps.get("kube-system/kube-flannel-cfg")?.data?.["net-conf.json"];
  const found = /"Network"\s*:\s*"([^"]*)"/.exec(text ?? "")?.[1];
  return found === undefined ? undefined : tryParseCidr(found);
}

function judge(rule: ForeignRule, owner: Owner, hints: OwnerHints, inTheWay: boolean | null): JudgedRule {
  const ranges = hints.flannelNetwork ? [...hints.podRanges, hints.flannelNetwork] : hints.podRanges;
  const { text } = describeRule(rule, ranges);
  const flannel = owner.name.startsWith("flannel");
  const deletable = flannel && (owner.sure === "certain" || owner.sure === "likely");
  const reason = deletable
    ? `left by ${owner.name}, whose work Trunkline takes over`
    : flannel
      ? "looks like flannel's, but that is not sure enough to delete it"
      : owner.name === "unknown"
        ? "of unknown origin: untouched"
        : `not ours to touch: it belongs to ${owner.name}`;
  return {
    rule,
    owner,
    effect: text,
    inTheWay,
    verdict: deletable ? "delete" : "keep",
    reason,
  };
}

function blockersOf(rules: readonly JudgedRule[], running: Running): string[] {
  if (!rules.some(({ verdict }) => verdict === "delete")) return [];
  const out: string[] = [];
  for (const set of running.daemonSets) {
    if (!daemonSetMasquerades(set)) continue;
    const { namespace = "", name } = set.metadata;
    out.push(
      `DaemonSet ${namespace}/${name} still starts flanneld with --ip-masq, which would put the rules back`,
    );
  }
  for (const pod of running.pods) {
    if (isTerminal(pod) || !masquerades(pod.spec)) continue;
    out.push(`Pod ${keyOf(pod)} still runs flanneld with --ip-masq on the node`);
  }
  for (const command of running.flanneld) {
    if (processIsHarmless(command)) continue;
    out.push(`flanneld still runs on the node (${command.join(" ")}) and would put the rules back`);
  }
  return out;
}

function warningsOf(facts: ClusterFacts, rules: readonly JudgedRule[], foreign: ForeignRules): string[] {
  const out = foreign.unreadable.map((what) => `not read: ${what}`);
  const config = facts.configMaps.get("kube-system/kube-flannel-cfg")?.data?.["cni-conf.json"];
  if (config !== undefined && (config.match(/"ipMasq"\s*:\s*false/g) ?? []).length < 2)
    out.push(
      "kube-flannel-cfg does not say ipMasq: false, so flannel's CNI plugin lets new pods be masqueraded; apply the edits of `snat plan`",
    );
  for (const { rule, owner, inTheWay, verdict } of rules) {
    if (inTheWay === false || verdict !== "keep") continue;
    const what = inTheWay ? "changes" : "may change";
    out.push(
      `rule ${rule.index} of ${rule.chain} (${owner.name}) ${what} pods' source addresses and stays: it is not ours to touch`,
    );
  }
  return out;
}

/** Returns whether a DaemonSet starts flanneld with --ip-masq. */
export function daemonSetMasquerades(set: DaemonSet): boolean {
  return masquerades(set.spec.template.spec);
}

function masquerades(spec: PodSpec): boolean {
  return flannelContainers(spec).some(
    (container) =>
      [...(container.command ?? []), ...(container.args ?? [])].some((word) => asksForMasquerade(word)) ||
      (container.env ?? []).some(setsMasquerade),
  );
}

interface FlannelContainer {
  readonly name: string;
  readonly image?: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly FlannelVariable[];
}

interface FlannelVariable {
  readonly name: string;
  readonly value?: string;
}

/** Returns whether a variable is flanneld's other way to say --ip-masq; one from elsewhere may say anything. */
export function setsMasquerade({ name, value }: FlannelVariable): boolean {
  return name === "FLANNELD_IP_MASQ" && !/^(false|f|0)$/i.test(value ?? "");
}

/** Containers that run flannel, by image, name or command. */
function flannelContainers(spec: PodSpec): FlannelContainer[] {
  const containers = (spec.containers ?? []) as readonly FlannelContainer[];
  return containers.filter((container) =>
    [container.name, container.image ?? "", ...(container.command ?? [])].some((word) =>
      word.includes("flannel"),
    ),
  );
}

/** Returns whether the word switches masquerading on; Go's flags take one or two dashes. */
export function asksForMasquerade(word: string): boolean {
  return /(^|\s)--?ip-masq(=(?!false|0|f\b)\S*)?(\s|$)/i.test(word);
}

/** A flanneld that says that it does not masquerade, or that shows its flags without saying that it does. */
function processIsHarmless(command: readonly string[]): boolean {
  if (command.some((word) => asksForMasquerade(word))) return false;
  // Without any flag its settings come from the environment, which nobody can see from here.
  return command.slice(1).some((word) => word.startsWith("-"));
}
