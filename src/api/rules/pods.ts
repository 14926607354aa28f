// The API server's rules about pods as a whole, and where they may run (Kubernetes 1.37, pkg/apis/core/validation).
import { isMapped, tryParseIp } from "../../base/ip.ts";
import { whyNotLabel, whyNotLabelValue, whyNotQualifiedName, whyNotSubdomain } from "../words.ts";
import { checkContainer, checkResources } from "./containers.ts";
import {
  exactlyOne,
  type Json,
  must,
  number,
  part,
  parts,
  type Rules,
  type Say,
  text,
  texts,
  unique,
} from "./rule.ts";

export const podRules: Rules = {
  PodSpec(spec, say) {
    for (const [field, why] of names) must(spec, field, why, say);
    containersOf(spec, say);
    hostPorts(spec, say);
    volumes(spec, say);
    dns(spec, say);
    userNamespace(spec, say);
    if (spec["shareProcessNamespace"] === true && spec["hostPID"] === true)
      say(["shareProcessNamespace"], "may not be true beside `hostPID`");
    if (spec["hostnameOverride"] !== undefined) hostnameOverride(spec, say);
    spread(spec, say);
    checkResources({ limits: spec["overhead"] }, (path, message) =>
      say(["overhead", ...path.slice(1)], message),
    );
    unique(
      parts(spec, "schedulingGates").map((gate) => text(gate, "name")),
      (at) => ["schedulingGates", at, "name"],
      say,
    );
  },
  HostAlias(alias, say) {
    must(alias, "ip", whyNotAddress, say);
    for (const [at, name] of texts(alias, "hostnames").entries()) {
      const why = whyNotSubdomain(name);
      if (why !== undefined) say(["hostnames", at], why);
    }
  },
  Toleration: toleration,
  NodeSelector(selector, say) {
    if (parts(selector, "nodeSelectorTerms").length === 0)
      say(["nodeSelectorTerms"], "must have at least one term; an empty list selects no node");
  },
  NodeSelectorTerm(term, say) {
    for (const [at, one] of parts(term, "matchExpressions").entries())
      nodeRequirement(one, (path, message) => say(["matchExpressions", at, ...path], message));
    for (const [at, one] of parts(term, "matchFields").entries())
      nodeField(one, (path, message) => say(["matchFields", at, ...path], message));
  },
  PreferredSchedulingTerm(term, say) {
    if (number(term, "weight") === undefined)
      say(["weight"], "must be between 1 and 100, inclusive; it is missing");
  },
  WeightedPodAffinityTerm(term, say) {
    if (number(term, "weight") === undefined)
      say(["weight"], "must be between 1 and 100, inclusive; it is missing");
  },
  PodAffinityTerm(term, say) {
    must(term, "topologyKey", qualified, say);
    for (const [at, name] of texts(term, "namespaces").entries()) {
      const why = whyNotLabel(name);
      if (why !== undefined) say(["namespaces", at], why);
    }
    labelKeys(term, say);
  },
  LabelSelector(selector, say) {
    labelsOf(selector, "matchLabels", say);
    for (const [at, one] of parts(selector, "matchExpressions").entries())
      requirement(one, (path, message) => say(["matchExpressions", at, ...path], message));
  },
  PodSchedulingGate(gate, say) {
    const why = qualified(text(gate, "name"));
    if (why !== undefined) say(["name"], why);
  },
  PodReadinessGate(gate, say) {
    const why = qualified(text(gate, "conditionType"));
    if (why !== undefined) say(["conditionType"], why);
  },
  PodResourceClaim(claim, say) {
    must(claim, "name", whyNotLabel, say);
    exactlyOne(claim, ["resourceClaimName", "resourceClaimTemplateName"], "a claim", say);
    must(claim, "resourceClaimName", whyNotSubdomain, say);
    must(claim, "resourceClaimTemplateName", whyNotSubdomain, say);
  },
  Sysctl(sysctl, say) {
    const name = text(sysctl, "name");
    if (
      name.length > 253 ||
      !/^[a-z0-9]([-_a-z0-9]*[a-z0-9])?([./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*$/.test(name)
    )
      say(["name"], `'${name}' is not the name of a sysctl`);
  },
  PodSecurityContext(context, say) {
    const groups = context["supplementalGroups"];
    for (const [at, group] of (Array.isArray(groups) ? (groups as number[]) : []).entries())
      if (group < 0 || group > 2 ** 31 - 1)
        say(["supplementalGroups", at], "must be between 0 and 2147483647");
    const seen = new Set<string>();
    for (const [at, sysctl] of parts(context, "sysctls").entries()) {
      if (seen.has(text(sysctl, "name"))) say(["sysctls", at, "name"], "stands there already");
      seen.add(text(sysctl, "name"));
    }
  },
};

const names: readonly (readonly [string, (value: string) => string | undefined])[] = [
  ["serviceAccountName", whyNotSubdomain],
  ["serviceAccount", whyNotSubdomain],
  ["nodeName", whyNotSubdomain],
  ["hostname", whyNotLabel],
  ["subdomain", whyNotLabel],
  ["priorityClassName", whyNotSubdomain],
  ["runtimeClassName", whyNotSubdomain],
];

const qualified = (key: string) => whyNotQualifiedName(key);

function whyNotAddress(address: string): string | undefined {
  const ip = tryParseIp(address);
  if (!ip) return `'${address}' is not an IP address`;
  return isMapped(ip) ? `'${address}' is an IPv4 address written as an IPv6 one` : undefined;
}

function containersOf(spec: Json, say: Say): void {
  for (const field of ["containers", "initContainers"] as const)
    for (const [at, container] of parts(spec, field).entries())
      checkContainer(container, field, spec, (path, message) => say([field, at, ...path], message));
  const regular = new Set(parts(spec, "containers").map((one) => text(one, "name")));
  for (const [at, one] of parts(spec, "initContainers").entries())
    if (regular.has(text(one, "name")))
      say(["initContainers", at, "name"], `there is a container '${text(one, "name")}' already`);
}

/** Two containers that run at once cannot both take a port of the node; each init container runs by itself. */
function hostPorts(spec: Json, say: Say): void {
  const onNode = spec["hostNetwork"] === true;
  const taken = new Set<string>();
  for (const field of ["containers", "initContainers"])
    for (const [at, container] of parts(spec, field).entries()) {
      if (field === "initContainers") taken.clear();
      for (const [index, port] of parts(container, "ports").entries()) {
        const path = [field, at, "ports", index, "hostPort"];
        const host = number(port, "hostPort");
        if (host === undefined) continue;
        const key = `${text(port, "protocol") || "TCP"}/${text(port, "hostIP")}/${host}`;
        if (taken.has(key)) say(path, `${key} is taken by another port of this pod`);
        taken.add(key);
        if (onNode && field === "containers" && host !== port["containerPort"])
          say(path, "must be the same as `containerPort` where `hostNetwork` is true");
      }
    }
}

function volumes(spec: Json, say: Say): void {
  const seen = new Set<string>();
  for (const [at, volume] of parts(spec, "volumes").entries()) {
    const name = text(volume, "name");
    const why = name === "" ? undefined : whyNotLabel(name);
    if (why !== undefined) say(["volumes", at, "name"], why);
    if (seen.has(name)) say(["volumes", at, "name"], `there is a volume '${name}' already`);
    seen.add(name);
    const sources = Object.keys(volume).filter((field) => field !== "name");
    for (const field of sources.slice(1))
      say(["volumes", at, field], `may not stand beside \`${sources[0]}\``);
  }
}

function dns(spec: Json, say: Say): void {
  const config = part(spec, "dnsConfig");
  const servers = texts(config, "nameservers");
  if (spec["dnsPolicy"] === "None" && servers.length === 0)
    say(["dnsConfig", "nameservers"], "must have a server where `dnsPolicy` is None");
  if (servers.length > 3) say(["dnsConfig", "nameservers"], "must not have more than 3 servers");
  for (const [at, server] of servers.entries()) {
    const why = whyNotAddress(server);
    if (why !== undefined) say(["dnsConfig", "nameservers", at], why);
  }
  const searches = texts(config, "searches");
  if (searches.length > 32) say(["dnsConfig", "searches"], "must not have more than 32 entries");
  for (const [at, search] of searches.entries()) {
    const why = search === "." ? undefined : whyNotSubdomain(search.replace(/\.$/, "").replaceAll("_", "x"));
    if (why !== undefined) say(["dnsConfig", "searches", at], why);
  }
}

function userNamespace(spec: Json, say: Say): void {
  if (spec["hostUsers"] !== false) return;
  for (const field of ["hostNetwork", "hostPID", "hostIPC"])
    if (spec[field] === true) say([field], "may not be true where `hostUsers` is false");
}

function hostnameOverride(spec: Json, say: Say): void {
  const name = text(spec, "hostnameOverride");
  const here = (message: string) => say(["hostnameOverride"], message);
  if (spec["setHostnameAsFQDN"] === true) here("may not stand beside `setHostnameAsFQDN`");
  if (spec["hostNetwork"] === true) here("may not stand beside `hostNetwork`");
  const why = name.length > 64 ? "is longer than 64 characters" : whyNotSubdomain(name);
  if (why !== undefined) here(why);
}

function toleration(one: Json, say: Say): void {
  const [key, operator, value] = [text(one, "key"), text(one, "operator"), text(one, "value")];
  const why = key === "" ? undefined : whyNotQualifiedName(key);
  if (why !== undefined) say(["key"], why);
  if (key === "" && operator !== "Exists")
    say(["operator"], "must be Exists where `key` is empty: it tolerates every taint");
  if (one["tolerationSeconds"] !== undefined && one["effect"] !== "NoExecute")
    say(["effect"], "must be NoExecute where `tolerationSeconds` is set");
  const badValue = operator === "Exists" ? undefined : whyNotLabelValue(value);
  if (badValue !== undefined) say(["value"], badValue);
  if (operator === "Exists" && value !== "") say(["value"], "must be empty for Exists");
}

function nodeRequirement(one: Json, say: Say): void {
  const values = texts(one, "values");
  const operator = text(one, "operator");
  const why = whyNotQualifiedName(text(one, "key"));
  if (why !== undefined) say(["key"], why);
  if (["In", "NotIn"].includes(operator) && values.length === 0)
    say(["values"], `must have a value for ${operator}`);
  if (["Exists", "DoesNotExist"].includes(operator) && values.length > 0)
    say(["values"], `must be empty for ${operator}`);
  if (["Gt", "Lt"].includes(operator) && values.length !== 1)
    say(["values"], `must have one value for ${operator}`);
  for (const [at, value] of values.entries()) {
    const bad = whyNotLabelValue(value);
    if (bad !== undefined) say(["values", at], bad);
  }
}

function nodeField(one: Json, say: Say): void {
  if (text(one, "key") !== "metadata.name")
    say(["key"], "must be metadata.name, the only field that a node is selected by");
  if (!["In", "NotIn"].includes(text(one, "operator"))) say(["operator"], "must be In or NotIn for a field");
  if (texts(one, "values").length !== 1) say(["values"], "must have one value");
  for (const [at, value] of texts(one, "values").entries()) {
    const why = whyNotSubdomain(value);
    if (why !== undefined) say(["values", at], why);
  }
}

function labelsOf(holder: Json, field: string, say: Say): void {
  for (const [key, value] of Object.entries(part(holder, field))) {
    const why = whyNotQualifiedName(key) ?? (typeof value === "string" ? whyNotLabelValue(value) : undefined);
    if (why !== undefined) say([field, key], why);
  }
}

function requirement(one: Json, say: Say): void {
  const values = texts(one, "values");
  const operator = text(one, "operator");
  const why = whyNotQualifiedName(text(one, "key"));
  if (why !== undefined) say(["key"], why);
  if (["In", "NotIn"].includes(operator)) {
    if (values.length === 0) say(["values"], `must have a value for ${operator}`);
  } else if (!["Exists", "DoesNotExist"].includes(operator))
    say(["operator"], "must be one of In, NotIn, Exists, DoesNotExist");
  else if (values.length > 0) say(["values"], `must be empty for ${operator}`);
  for (const [at, value] of values.entries()) {
    const bad = whyNotLabelValue(value);
    if (bad !== undefined) say(["values", at], bad);
  }
}

function labelKeys(holder: Json, say: Say): void {
  const keys = texts(holder, "matchLabelKeys");
  if (keys.length > 0 && holder["labelSelector"] === undefined)
    say(["matchLabelKeys"], "needs a `labelSelector`");
  for (const field of ["matchLabelKeys", "mismatchLabelKeys"])
    for (const [at, key] of texts(holder, field).entries()) {
      const why = whyNotQualifiedName(key);
      if (why !== undefined) say([field, at], why);
    }
}

function spread(spec: Json, say: Say): void {
  const seen = new Set<string>();
  for (const [at, one] of parts(spec, "topologySpreadConstraints").entries()) {
    const here = (field: string, message: string) => say(["topologySpreadConstraints", at, field], message);
    if (number(one, "maxSkew") === undefined) here("maxSkew", "is missing");
    const key = `${text(one, "topologyKey")} ${text(one, "whenUnsatisfiable")}`;
    if (seen.has(key)) here("topologyKey", "stands there already with the same whenUnsatisfiable");
    seen.add(key);
    if (one["minDomains"] !== undefined && one["whenUnsatisfiable"] !== "DoNotSchedule")
      here("minDomains", "is for whenUnsatisfiable DoNotSchedule only");
    labelKeys(one, (path, message) => say(["topologySpreadConstraints", at, ...path], message));
  }
}
