// The rules that hold for one pod: every policy that selects it, rule by rule, with what each lets through.

import { isTerminal, type Pod, podIps } from "../../api/kinds/core.ts";
import {
  isStaged,
  type NetworkPolicy,
  type NetworkPolicyIngressRule,
  type NetworkPolicyPeer,
  type NetworkPolicyPort,
} from "../../api/kinds/network-policy.ts";
import { matchesSelector } from "../../api/selectors/selectors.ts";
import { soundSpec } from "../../api/validation/sound-policy.ts";
import type { IpRange } from "../../base/ip.ts";
import { formatProblem } from "../../base/problem.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { type CompiledPolicy, compilePolicy } from "../../plan/policy/index.ts";
import { selects } from "../../plan/policy/selector.ts";
import { podName } from "../ends.ts";
import { formatSelector } from "./selectors.ts";

/** What the kernel counted: the first packets of connections with a rule's peers, on whatever port. */
export interface Counter {
  readonly packets: number;
  readonly bytes: number;
  /** How many pods were counted together, where it is more than this one: those that the same policies isolate. */
  readonly pods?: number;
}

export interface EffectiveRule {
  /** `NAMESPACE/NAME` */
  readonly policy: string;
  /** `spec.ingress[0]` */
  readonly rule: string;
  /** In words; one for each peer, or `anyone`. */
  readonly peers: readonly string[];
  /** `80/tcp`, `8000-8999/tcp`, `http/tcp`, or `any port`. */
  readonly ports: readonly string[];
  /** How many pods the peers mean now; addresses outside are not counted. */
  readonly pods: number;
  /** Parts of the rule that match nothing, because the API would not take them. */
  readonly invalid?: readonly string[];
  readonly counter?: Counter;
}

export interface EffectiveDirection {
  /** At least one policy governs this direction; if none does, all is allowed. */
  readonly isolated: boolean;
  /** All policies that govern it, also those that allow nothing. */
  readonly policies: readonly string[];
  readonly rules: readonly EffectiveRule[];
  /** What is wrong with these policies as a whole, such as a podSelector that cannot be read: `NAMESPACE/NAME: …`. */
  readonly invalid?: readonly string[];
}

export interface EffectiveRules {
  readonly pod: string;
  /** Why no policy holds for it at all. */
  readonly exempt?: string;
  readonly ingress: EffectiveDirection;
  readonly egress: EffectiveDirection;
}

/** A rule's peers: addresses of pods that its selectors match, and ranges of addresses. */
export interface CountedPeers {
  readonly addresses: readonly string[];
  readonly ranges: readonly IpRange[];
}

/** Looks up what the kernel counted for this pod and these peers; undefined where nothing counts. */
export type Counters = (direction: "ingress" | "egress", peers: CountedPeers) => Counter | undefined;

/** Returns the rules that hold for a pod; `counters`, where somebody has them, adds what each saw. */
export function effectiveRules(
  facts: ClusterFacts,
  pod: Pod,
  counters: Counters = () => undefined,
): EffectiveRules {
  const exempt =
    pod.spec.hostNetwork === true
      ? "hostNetwork: the pod's traffic is its node's, and policies do not apply to it"
      : isTerminal(pod)
        ? `the pod has ended (${pod.status?.phase})`
        : undefined;
  const policies = exempt === undefined ? policiesOf(facts, pod) : [];
  return {
    pod: podName(pod),
    ...(exempt === undefined ? {} : { exempt }),
    ingress: direction("ingress", facts, policies, counters),
    egress: direction("egress", facts, policies, counters),
  };
}

interface Governing {
  readonly compiled: CompiledPolicy;
  readonly spec: NetworkPolicy["spec"];
}

function policiesOf(facts: ClusterFacts, pod: Pod): Governing[] {
  return [...facts.policies.values()]
    .filter((policy) => policy.metadata.namespace === pod.metadata.namespace && !isStaged(policy))
    .map((policy) => ({ compiled: compilePolicy(policy), spec: soundSpec(policy) }))
    .filter(({ compiled }) => selects(compiled.subject, pod.metadata.labels))
    .toSorted((a, b) => (a.compiled.key < b.compiled.key ? -1 : 1));
}

function direction(
  name: "ingress" | "egress",
  facts: ClusterFacts,
  policies: readonly Governing[],
  counters: Counters,
): EffectiveDirection {
  const governing = policies.filter(({ compiled }) => compiled[name] !== undefined);
  const inRule = new RegExp(`^spec\\.${name}\\[`);
  const elsewhere = new RegExp(`^spec\\.${name === "ingress" ? "egress" : "ingress"}(\\[|$)`);
  const invalid = governing.flatMap(({ compiled: { key, problems } }) =>
    problems
      .filter(({ path = "" }) => !inRule.test(path) && !elsewhere.test(path))
      .map((problem) => `${key}: ${formatProblem(problem)}`),
  );
  return {
    isolated: governing.length > 0,
    policies: governing.map(({ compiled }) => compiled.key),
    rules: governing.flatMap((one) => rulesOf(one, name, facts, counters)),
    ...(invalid.length > 0 ? { invalid } : {}),
  };
}

function rulesOf(
  { compiled, spec }: Governing,
  name: "ingress" | "egress",
  facts: ClusterFacts,
  counters: Counters,
): EffectiveRule[] {
  const written = spec[name] ?? [];
  // Rules that are written but open nothing, as nobody can tell whom they are for, are left out.
  return (compiled[name] ?? []).map(({ index, path, peers: read }) => {
    const rule: NetworkPolicyIngressRule & { to?: readonly NetworkPolicyPeer[] } = written[index] ?? {};
    const peers = (name === "ingress" ? rule.from : rule.to) ?? [];
    const pods = podsOf(facts, peers, compiled.namespace);
    const invalid = compiled.problems.filter((one) => one.path === path || one.path?.startsWith(`${path}.`));
    const ranges =
      read === "any" ? [] : read.flatMap((peer) => (peer.kind === "block" ? [...peer.ranges] : []));
    // Who may be anyone is in no class of peers that the kernel counts.
    const counter =
      peers.length === 0 ? undefined : counters(name, { addresses: pods.flatMap(podIps), ranges });
    return {
      policy: compiled.key,
      rule: path,
      peers: peers.length === 0 ? ["anyone"] : peers.map((peer) => peerText(peer, compiled.namespace)),
      ports: (rule.ports ?? []).length === 0 ? ["any port"] : (rule.ports ?? []).map(portText),
      pods: pods.length,
      ...(invalid.length > 0 ? { invalid: invalid.map(formatProblem) } : {}),
      ...(counter ? { counter } : {}),
    };
  });
}

function peerText({ podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer, namespace: string): string {
  if (!ipBlock && !podSelector && !namespaceSelector) return "nobody";
  if (ipBlock) {
    const except = ipBlock.except ?? [];
    return `addresses ${ipBlock.cidr}${except.length > 0 ? ` except ${except.join(", ")}` : ""}`;
  }
  const pods =
    podSelector && formatSelector(podSelector) !== "{}" ? `pods ${formatSelector(podSelector)}` : "all pods";
  if (!namespaceSelector) return `${pods} in namespace ${namespace}`;
  const spaces = formatSelector(namespaceSelector);
  return spaces === "{}" ? `${pods} in all namespaces` : `${pods} in namespaces ${spaces}`;
}

function portText({ port, endPort, protocol = "TCP" }: NetworkPolicyPort): string {
  const range = port === undefined ? "any" : endPort === undefined ? String(port) : `${port}-${endPort}`;
  return `${range}/${protocol.toLowerCase()}`;
}

function podsOf(facts: ClusterFacts, peers: readonly NetworkPolicyPeer[], namespace: string): Pod[] {
  return [...facts.pods.values()].filter((pod) => {
    if (isTerminal(pod) || pod.spec.hostNetwork) return false;
    const space = pod.metadata.namespace ?? "";
    const labels = facts.namespaces.get(space)?.metadata.labels ?? { "kubernetes.io/metadata.name": space };
    return (
      peers.length === 0 ||
      peers.some(
        ({ podSelector, namespaceSelector, ipBlock }) =>
          !ipBlock &&
          (podSelector ?? namespaceSelector) &&
          (namespaceSelector ? matchesSelector(namespaceSelector, labels) : space === namespace) &&
          matchesSelector(podSelector ?? {}, pod.metadata.labels),
      )
    );
  });
}

/** Returns the rules as text, for people. */
export function effectiveText(rules: EffectiveRules): string {
  const head = rules.exempt === undefined ? rules.pod : `${rules.pod}: ${rules.exempt}`;
  return `${head}\n${directionText("ingress", rules.ingress)}${directionText("egress", rules.egress)}`;
}

function directionText(
  name: "ingress" | "egress",
  { isolated, policies, rules, invalid: whole = [] }: EffectiveDirection,
): string {
  if (!isolated) return `  ${name}: all allowed, because no policy selects it for ${name}\n`;
  const word = name === "ingress" ? "from" : "to";
  const lines = rules.map(({ policy, rule, peers, ports, pods, counter, invalid = [] }) => {
    const shared = counter?.pods === undefined ? "" : `, of ${counter.pods} pods alike`;
    const counted = counter ? `; ${counter.packets} first packets counted${shared}` : "";
    return `    ${policy} ${rule}: ${word} ${peers.join(" or ")} on ${ports.join(", ")} (${pods} ${pods === 1 ? "pod" : "pods"} now${counted})\n${invalid.map((text) => `      invalid: ${text}\n`).join("")}`;
  });
  const none = rules.length === 0 ? "    nothing is allowed\n" : "";
  const wrong = whole.map((text) => `    invalid: ${text}\n`).join("");
  return `  ${name}: isolated by ${policies.join(", ")}; only this is allowed:\n${lines.join("")}${none}${wrong}`;
}
