// The policies of a whole cluster as one immutable program, and the look-ups that the evaluator needs.
import { isTerminal, type Namespace, type Pod } from "../../api/kinds/core.ts";
import { isStaged } from "../../api/kinds/network-policy.ts";
import { formatIp, type Ip, tryParseIp } from "../../base/ip.ts";
import type { Problem } from "../../base/problem.ts";
import { type ClusterFacts, nodeIps } from "../facts.ts";
import { compilePolicy } from "./compile.ts";
import { getOrMake } from "./node/selector-index.ts";
import { addressesOf, isPolicyPod, owner } from "./pods.ts";
import { selects } from "./selector.ts";
import type { CompiledPolicy, Tier } from "./types.ts";

export class PolicyProgram {
  /** Asked in this order. */
  readonly tiers: readonly Tier[];
  readonly pods: ReadonlyMap<string, Pod>;
  readonly namespaces: ReadonlyMap<string, Namespace>;
  /** Problems of stored policies, by `namespace/name`; valid ones are absent. */
  readonly problems: ReadonlyMap<string, readonly Problem[]>;
  readonly #podByIp = new Map<string, Pod>();
  readonly #nodeByIp = new Map<string, string>();
  readonly #selecting = new WeakMap<Pod, ReadonlyMap<Tier, readonly CompiledPolicy[]>>();

  constructor(facts: Pick<ClusterFacts, "pods" | "policies" | "namespaces" | "nodes">) {
    this.pods = facts.pods;
    this.namespaces = facts.namespaces;
    const byNamespace = new Map<string, CompiledPolicy[]>();
    const problems = new Map<string, readonly Problem[]>();
    for (const policy of facts.policies.values()) {
      if (isStaged(policy)) continue;
      const compiled = compilePolicy(policy);
      getOrMake(byNamespace, compiled.namespace, () => []).push(compiled);
      if (compiled.problems.length > 0) problems.set(compiled.key, compiled.problems);
    }
    // Sorted, so that of several rules that allow a flow the same one is named every time.
    for (const list of byNamespace.values()) list.sort((a, b) => (a.name < b.name ? -1 : 1));
    this.problems = problems;
    this.tiers = [{ name: "NetworkPolicy", mode: "union", policies: byNamespace }];
    for (const node of facts.nodes.values())
      for (const text of nodeIps(node)) this.#noteNode(text, node.metadata.name);
    for (const pod of facts.pods.values()) this.#notePod(pod);
  }

  /** Returns the pod that has the address; pods on the host's network have none of their own. */
  podAt(ip: Ip): Pod | undefined {
    return this.#podByIp.get(formatIp(ip));
  }

  /** Returns the name of the node that has the address. */
  nodeAt(ip: Ip): string | undefined {
    return this.#nodeByIp.get(formatIp(ip));
  }

  /** Returns the tier's policies that select the pod, by name. */
  selecting(tier: Tier, pod: Pod): readonly CompiledPolicy[] {
    const known = this.#selecting.get(pod)?.get(tier);
    if (known !== undefined) return known;
    const list = isPolicyPod(pod) ? (tier.policies.get(pod.metadata.namespace ?? "default") ?? []) : [];
    const found = list.filter(({ subject }) => selects(subject, pod.metadata.labels));
    this.#selecting.set(pod, new Map([...(this.#selecting.get(pod) ?? []), [tier, found]]));
    return found;
  }

  #noteNode(text: string, name: string): void {
    const ip = tryParseIp(text);
    if (ip !== undefined) this.#nodeByIp.set(formatIp(ip), name);
  }

  #notePod(pod: Pod): void {
    if (pod.spec.hostNetwork === true) {
      const { nodeName } = pod.spec;
      if (nodeName === undefined || isTerminal(pod)) return;
      for (const ip of addressesOf(pod))
        if (!this.#nodeByIp.has(formatIp(ip))) this.#nodeByIp.set(formatIp(ip), nodeName);
      return;
    }
    if (!isPolicyPod(pod)) return;
    for (const ip of addressesOf(pod)) {
      const text = formatIp(ip);
      const other = this.#podByIp.get(text);
      this.#podByIp.set(text, other === undefined ? pod : owner(other, pod));
    }
  }
}

/** Compiles every policy of the cluster. Never throws: what is invalid is in `problems` and allows nothing. */
export function compilePolicies(
  facts: Pick<ClusterFacts, "pods" | "policies" | "namespaces" | "nodes">,
): PolicyProgram {
  return new PolicyProgram(facts);
}
