// What admission makes of a new pod: which PodNetworking it belongs to, noted on it, and the zones that hold it where
// that network's vSwitches are. A pure function: a lab runs it before it places a pod, a webhook when one is created.
import type { Namespace, NodeSelectorRequirement, NodeSelectorTerm, Pod } from "../../api/kinds/core.ts";
import type { PodENI } from "../../api/kinds/pod-eni.ts";
import type { PodNetworking } from "../../api/kinds/pod-networking.ts";
import { podEniAnnotation, podNetworkingAnnotation, wantsOwnNetwork } from "./demand.ts";
import { isHeld } from "./pod-eni/words.ts";
import { fixedForNothing, hasFixedName, isLeftAlone, isReady, networksOf } from "./pod-network.ts";

export const zoneLabel = "topology.kubernetes.io/zone";

export interface AdmissionFacts {
  readonly networks: readonly PodNetworking[];
  /** The pod's. */
  readonly namespace: Pick<Namespace, "metadata"> | undefined;
  /** The one of the pod's name, which may be an earlier pod's. */
  readonly podEni: PodENI | undefined;
  /** `custom_stateful_workload_kinds` of eni-config. */
  readonly furtherKinds: readonly string[];
}

/** A fixed network that is no candidate for a pod. */
export interface NotApplicable {
  readonly network: string;
  /** What the pod belongs to: `ReplicaSet web-6d`. */
  readonly owner: string;
}

export type Admission = { readonly notApplicable: readonly NotApplicable[] } & (
  | { readonly verdict: "leave" }
  /** None of the networks that select it is Ready. */
  | { readonly verdict: "wait"; readonly networks: readonly string[]; readonly message: string }
  | { readonly verdict: "admit"; readonly network: string; readonly zones: readonly (readonly string[])[] }
);

/** Returns what becomes of a pod that is created. */
export function admissionOf(pod: Pick<Pod, "metadata" | "spec">, facts: AdmissionFacts): Admission {
  const { networks, namespace, podEni, furtherKinds } = facts;
  const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller === true);
  const notApplicable = fixedForNothing(pod, namespace, networks, furtherKinds).map(({ metadata }) => ({
    network: metadata.name,
    owner: `${owner?.kind ?? ""} ${owner?.name ?? ""}`,
  }));
  if (isLeftAlone(pod)) return { verdict: "leave", notApplicable };
  const selecting = networksOf(pod, namespace, networks, furtherKinds);
  const held = hasFixedName(pod, furtherKinds) ? heldBy(podEni) : undefined;
  const chosen = selecting.find(isReady);
  if (held) {
    const network = held.network ?? chosen?.metadata.name;
    const zones = zonesOf(selecting.find(({ metadata }) => metadata.name === network));
    const own = held.zone === undefined ? [] : [[held.zone]];
    // A fixed address stays where it is, wherever its network's vSwitches are by now.
    const fits = zones.length > 0 && (held.zone === undefined || zones.includes(held.zone));
    if (network !== undefined)
      return { verdict: "admit", network, zones: [...(fits ? [zones] : []), ...own], notApplicable };
  }
  if (chosen) {
    const zones = zonesOf(chosen);
    return {
      verdict: "admit",
      network: chosen.metadata.name,
      zones: zones.length > 0 ? [zones] : [],
      notApplicable,
    };
  }
  if (selecting.length === 0) return { verdict: "leave", notApplicable };
  const names = selecting.map(({ metadata }) => metadata.name);
  return { verdict: "wait", networks: names, message: whyNotReady(selecting), notApplicable };
}

/** Returns why pods of these networks wait, and what would help. */
export function whyNotReady(networks: readonly PodNetworking[]): string {
  const each = networks.map(({ metadata, status }) => {
    const why = status?.message ? `: ${status.message}` : ", it is being looked at";
    return `PodNetworking ${metadata.name} is not Ready${why}`;
  });
  return `it is selected by a network that has no pods yet, and starts on no other one; ${each.join("; ")}`;
}

/** Returns a pod with what admission writes on it; the same pod if it has all of that. */
export function admitted<T extends Pick<Pod, "metadata" | "spec">>(pod: T, admission: Admission): T {
  if (admission.verdict !== "admit") return pod;
  const { network, zones } = admission;
  const annotations = {
    ...pod.metadata.annotations,
    [podNetworkingAnnotation]: network,
    [podEniAnnotation]: "true",
  };
  const metadata = { ...pod.metadata, annotations };
  const isDaemon = pod.metadata.ownerReferences?.some(
    ({ controller, kind }) => controller && kind === "DaemonSet",
  );
  // A daemon's pod is bound to its node: it waits there and says why, where the zone does not fit.
  if (isDaemon === true) return { ...pod, metadata };
  return { ...pod, metadata, spec: zones.reduce(inZones, pod.spec) };
}

/** Returns whether a pod has been through admission. */
export function isAdmitted(pod: Pick<Pod, "metadata">): boolean {
  return wantsOwnNetwork(pod) && pod.metadata.annotations?.[podNetworkingAnnotation] !== undefined;
}

function heldBy(podEni: PodENI | undefined) {
  if (!podEni || podEni.metadata.deletionTimestamp !== undefined || !isHeld(podEni)) return undefined;
  const { zone } = podEni.spec;
  return { zone, network: podEni.metadata.annotations?.[podNetworkingAnnotation] };
}

function zonesOf(network: PodNetworking | undefined): readonly string[] {
  const zones = (network?.status?.vSwitches ?? []).flatMap(({ zone }) => zone ?? []);
  return [...new Set(zones)].toSorted();
}

function inZones(spec: Pod["spec"], zones: readonly string[]): Pod["spec"] {
  const expression: NodeSelectorRequirement = { key: zoneLabel, operator: "In", values: [...zones] };
  const { affinity } = spec;
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const terms = required?.nodeSelectorTerms ?? [];
  const nodeSelectorTerms = (terms.length > 0 ? terms : [{}]).map((term) => withExpression(term, expression));
  return {
    ...spec,
    affinity: {
      ...affinity,
      nodeAffinity: {
        ...affinity?.nodeAffinity,
        requiredDuringSchedulingIgnoredDuringExecution: { ...required, nodeSelectorTerms },
      },
    },
  };
}

function withExpression(term: NodeSelectorTerm, expression: NodeSelectorRequirement): NodeSelectorTerm {
  const expressions = term.matchExpressions ?? [];
  const isThere = expressions.some(
    ({ key, operator, values }) =>
      key === expression.key &&
      operator === expression.operator &&
      JSON.stringify(values) === JSON.stringify(expression.values),
  );
  return isThere ? term : { ...term, matchExpressions: [...expressions, expression] };
}
