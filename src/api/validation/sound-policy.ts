// For readers that put a policy into words: what they get is shaped as the API's types say, whatever is stored.
import type { LabelRequirement, LabelSelector } from "../kinds/core.ts";
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from "../kinds/network-policy.ts";

type Spec = NetworkPolicy["spec"];
type Json = Readonly<Record<string, unknown>>;

/** Means nothing in the API, which is what a part of the wrong shape shall mean. */
const noPeer: NetworkPolicyPeer = {};
const noPort: NetworkPolicyPort = { port: 0 };
const noSelector: LabelSelector = { matchExpressions: [{ key: "", operator: "In", values: [] }] };

/**
 * Returns a policy's spec with lists where lists belong. An object can be older than its validation, or come from a store
 * that has none: a part of the wrong shape keeps its place and matches nothing, as where policies are enforced.
 */
export function soundSpec({ spec }: { readonly spec?: unknown }): Spec {
  if (spec != null && !isObject(spec)) return { podSelector: noSelector };
  const written: Json = spec ?? {};
  const types = listOf(written["policyTypes"]).map(textOf) as NonNullable<Spec["policyTypes"]>;
  return {
    podSelector: selectorOf(written["podSelector"]),
    ...(types.length > 0 && { policyTypes: types }),
    ingress: listOf(written["ingress"]).map((rule) => ruleOf(rule, "from")),
    egress: listOf(written["egress"]).map((rule) => ruleOf(rule, "to")),
  };
}

function ruleOf(rule: unknown, side: "from" | "to") {
  if (!isObject(rule)) return { [side]: [noPeer] };
  return {
    ...(rule[side] != null && { [side]: partsOf(rule[side], peerOf, noPeer) }),
    ...(rule["ports"] != null && { ports: partsOf(rule["ports"], portOf, noPort) }),
  };
}

function partsOf<T>(value: unknown, read: (part: Json) => T, nothing: T): T[] {
  if (!Array.isArray(value)) return [nothing];
  return value.map((part: unknown) => (isObject(part) ? read(part) : nothing));
}

function peerOf({ podSelector, namespaceSelector, ipBlock }: Json): NetworkPolicyPeer {
  return {
    ...(podSelector != null && { podSelector: selectorOf(podSelector) }),
    ...(namespaceSelector != null && { namespaceSelector: selectorOf(namespaceSelector) }),
    ...(ipBlock != null && { ipBlock: blockOf(isObject(ipBlock) ? ipBlock : {}) }),
  };
}

function blockOf({ cidr, except }: Json): NonNullable<NetworkPolicyPeer["ipBlock"]> {
  return { cidr: textOf(cidr), ...(except != null && { except: listOf(except).map(textOf) }) };
}

function portOf({ port, endPort, protocol }: Json): NetworkPolicyPort {
  return {
    ...(port != null && { port: typeof port === "number" ? port : textOf(port) }),
    ...(typeof endPort === "number" && { endPort }),
    ...(protocol != null && { protocol: textOf(protocol) as NonNullable<NetworkPolicyPort["protocol"]> }),
  };
}

function selectorOf(value: unknown): LabelSelector {
  if (value == null) return {};
  if (!isObject(value)) return noSelector;
  const { matchLabels, matchExpressions } = value;
  if (matchLabels != null && !isObject(matchLabels)) return noSelector;
  if (matchExpressions != null && !Array.isArray(matchExpressions)) return noSelector;
  const labels = Object.entries(matchLabels ?? {}).map(([key, text]) => [key, textOf(text)]);
  return {
    matchLabels: Object.fromEntries(labels) as Record<string, string>,
    matchExpressions: listOf(matchExpressions).map((one) => requirementOf(isObject(one) ? one : {})),
  };
}

function requirementOf({ key, operator, values }: Json): LabelRequirement {
  return {
    key: textOf(key),
    operator: textOf(operator) as LabelRequirement["operator"],
    values: listOf(values).map(textOf),
  };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
