// What lint rules look at: policies and what they could select, indexed once for all rules.
import type { LabelSelector } from "../../api/kinds/core.ts";
import { isTerminal, podIps } from "../../api/kinds/core.ts";
import type { IPPool } from "../../api/kinds/ip-pool.ts";
import type {
  NetworkPolicy,
  NetworkPolicyIngressRule,
  NetworkPolicyPeer,
  NetworkPolicyPort,
} from "../../api/kinds/network-policy.ts";
import { matchesSelector } from "../../api/selectors/selectors.ts";
import { type Cidr, cidrCovers, looseCidr } from "../../base/ip.ts";
import type { Path } from "../../base/problem.ts";
import { type ClusterFacts, nodeIps } from "../../plan/facts.ts";
import { type CompiledPolicy, compilePolicy } from "../../plan/policy/index.ts";
import { selects } from "../../plan/policy/selector.ts";
import { leftBlocks } from "../../plan/snat/index.ts";
import { podName } from "../ends.ts";
import { factsOf } from "../manifests/facts-of.ts";
import { declaredPorts } from "../manifests/workloads.ts";
import { nameOf, type Written } from "./written.ts";

/** One rule of a policy, of either direction. */
export interface RuleView {
  readonly direction: "Ingress" | "Egress";
  readonly index: number;
  /** Path of the rule inside its policy. */
  readonly path: Path;
  /** undefined: any peer. */
  readonly peers: readonly NetworkPolicyPeer[] | undefined;
  readonly peersKey: "from" | "to";
  /** undefined: any port. */
  readonly ports: readonly NetworkPolicyPort[] | undefined;
  /** It is in force as it is written: nothing of it, or of what says whom it is for, is invalid. */
  readonly holds: boolean;
}

export interface PolicyView {
  readonly on: Written<NetworkPolicy>;
  readonly namespace: string;
  readonly name: string;
  readonly selector: LabelSelector;
  /** What is enforced of it. */
  readonly compiled: CompiledPolicy;
  /** The directions that it names, with the API's default filled in. */
  readonly types: ReadonlySet<"Ingress" | "Egress">;
  readonly rules: readonly RuleView[];
}

/** A pod, or a workload that stands for its pods. */
export interface Subject {
  /** `pod/NAMESPACE/NAME` or `deployment/NAMESPACE/NAME` */
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly hostNetwork: boolean;
  readonly ports: readonly {
    readonly name?: string;
    readonly containerPort: number;
    readonly protocol: string;
  }[];
  readonly addresses: readonly string[];
}

export interface LintView {
  readonly written: readonly Written[];
  readonly facts: ClusterFacts;
  readonly policies: readonly PolicyView[];
  readonly subjects: readonly Subject[];
  /** Ranges that pods' addresses come from, with the object that says so. */
  readonly podRanges: readonly { readonly cidr: Cidr; readonly source: string }[];
  readonly dualStack: boolean;
  /** Whether another program leads hostPorts to pods; undefined: nobody has looked. */
  readonly hostPorts: boolean | undefined;
  readonly namespaceLabels: (namespace: string) => Readonly<Record<string, string>>;
  readonly subjectsIn: (namespace: string) => readonly Subject[];
  /** Returns the subjects that a policy applies to. */
  readonly selectedBy: (policy: PolicyView) => readonly Subject[];
  /** Returns whether a peer with selectors matches a subject, for a policy of that namespace. */
  readonly peerMatches: (peer: NetworkPolicyPeer, namespace: string, subject: Subject) => boolean;
}

/** What is known beside the objects. */
export interface LintContext {
  /** Where objects without a namespace go. */
  readonly namespace?: string;
  /** See LintView. */
  readonly hostPorts?: boolean;
}

/** Indexes objects for the rules. */
export function lintView(
  written: readonly Written[],
  { namespace = "default", hostPorts }: LintContext = {},
): LintView {
  const facts = factsOf(
    written.map((item) => item.object),
    namespace,
  );
  const policies = written.filter(isPolicy).map((on) => policyView(on, namespace));
  const subjects = [...facts.pods.values()]
    .filter((pod) => !isTerminal(pod))
    .map((pod) => {
      const space = pod.metadata.namespace ?? namespace;
      return {
        name: podName(pod),
        namespace: space,
        labels: pod.metadata.labels ?? {},
        hostNetwork: pod.spec.hostNetwork ?? false,
        ports: declaredPorts(pod.spec),
        addresses: podIps(pod),
      };
    });
  const bySpace = Map.groupBy(subjects, (subject) => subject.namespace);
  const namespaceLabels = (name: string) =>
    facts.namespaces.get(name)?.metadata.labels ?? { "kubernetes.io/metadata.name": name };
  const podRanges = rangesOf(facts);
  return {
    written,
    facts,
    policies,
    subjects,
    podRanges,
    dualStack: isDualStack(facts, podRanges),
    hostPorts,
    namespaceLabels,
    subjectsIn: (name) => bySpace.get(name) ?? [],
    selectedBy: (policy) =>
      (bySpace.get(policy.namespace) ?? []).filter(
        (subject) => !subject.hostNetwork && selects(policy.compiled.subject, subject.labels),
      ),
    peerMatches: (peer, home, subject) =>
      (peer.namespaceSelector
        ? matchesSelector(peer.namespaceSelector, namespaceLabels(subject.namespace))
        : subject.namespace === home) && matchesSelector(peer.podSelector ?? {}, subject.labels),
  };
}

function isPolicy(item: Written): item is Written<NetworkPolicy> {
  return item.object.kind === "NetworkPolicy" && Reflect.has(item.object, "spec");
}

function policyView(on: Written<NetworkPolicy>, namespace: string): PolicyView {
  const { spec, metadata } = on.object;
  const declared = spec.policyTypes ?? [];
  const compiled = compilePolicy(on.object);
  const implied = (spec.egress ?? []).length > 0 ? (["Ingress", "Egress"] as const) : (["Ingress"] as const);
  return {
    on,
    namespace: metadata.namespace ?? namespace,
    name: metadata.name,
    selector: spec.podSelector ?? {},
    compiled,
    types: new Set(declared.length > 0 ? declared : implied),
    rules: [...ruleViews("Ingress", spec.ingress, compiled), ...ruleViews("Egress", spec.egress, compiled)],
  };
}

function ruleViews(
  direction: RuleView["direction"],
  rules: NetworkPolicy["spec"]["ingress"] | NetworkPolicy["spec"]["egress"],
  { problems, ...compiled }: CompiledPolicy,
): RuleView[] {
  const peersKey = direction === "Ingress" ? "from" : "to";
  const field = direction === "Ingress" ? "ingress" : "egress";
  return (rules ?? []).map(
    (rule: NetworkPolicyIngressRule & { to?: readonly NetworkPolicyPeer[] }, index) => ({
      direction,
      index,
      path: ["spec", field, index],
      peers: filled(rule?.[peersKey]),
      peersKey,
      ports: filled(rule?.ports),
      holds:
        compiled[field]?.[index] !== undefined &&
        !problems.some(({ path = "" }) => `${path}.`.startsWith(`spec.${field}[${index}].`)),
    }),
  );
}

/** The API reads an empty list like an absent one: no constraint. */
function filled<T>(list: readonly T[] | undefined | null): readonly T[] | undefined {
  return list && list.length > 0 ? list : undefined;
}

function rangesOf(facts: ClusterFacts): { cidr: Cidr; source: string }[] {
  const pools = [...facts.pools.values()].map((pool: IPPool) => ({
    text: pool.spec.cidr,
    source: nameOf(pool),
  }));
  const nodes = [...facts.nodes.values()].flatMap((node) =>
    (node.spec?.podCIDRs ?? []).map((text) => ({ text, source: nameOf(node) })),
  );
  const named = [...pools, ...nodes].flatMap(({ text, source }) => {
    const cidr = range(text);
    return cidr ? [{ cidr, source }] : [];
  });
  return [...named, ...leftBlocks(facts).map(({ cidr, object }) => ({ cidr, source: object }))];
}

function isDualStack(facts: ClusterFacts, podRanges: LintView["podRanges"]): boolean {
  const families = new Set(podRanges.map((entry) => entry.cidr.family));
  for (const pod of facts.pods.values()) {
    for (const ip of podIps(pod)) families.add(ip.includes(":") ? 6 : 4);
  }
  for (const node of facts.nodes.values()) {
    const kinds = new Set(nodeIps(node).map((ip) => ip.includes(":")));
    if (kinds.size === 2) return true;
  }
  return families.size === 2;
}

/** Returns the range that a text names, as policies are enforced; undefined for anything that is not one. */
export function range(text: unknown): Cidr | undefined {
  return looseCidr(text);
}

/** Returns whether `outer` holds all of `inner`; false when either is no range. */
export function rangeCovers(outer: string, inner: string): boolean {
  const a = range(outer);
  const b = range(inner);
  return a !== undefined && b !== undefined && cidrCovers(a, b);
}
