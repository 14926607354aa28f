// What is wrong with a cluster, told from its objects alone: what agents would report, found without asking them.
import { checkPools } from "../../api/pools.ts";
import { formatCidr } from "../../base/ip.ts";
import { formatProblem, type Problem } from "../../base/problem.ts";
import { type ClusterFacts, nodeIps } from "../../plan/facts.ts";
import { compilePolicy, readSwitch } from "../../plan/policy/index.ts";
import { ADDRESS_CONDITION, sharedAddresses } from "../../plan/routing/node-address.ts";
import { planRoutes } from "../../plan/routing/plan-routes.ts";
import { lackingIpip } from "../../plan/routing/tunnels.ts";
import { planSnat } from "../../plan/snat/index.ts";
import { readServiceRanges } from "../../plan/snat/ranges.ts";
import { networkReadyCondition } from "../../plan/subnets/demand.ts";
import { REVERSE_PATH_CONDITION } from "../../plan/subnets/reverse-path.ts";
import { declaredPorts } from "../manifests/workloads.ts";
import { answersElsewhere } from "./answers-elsewhere.ts";
import type { Diagnosis } from "./diagnosis.ts";
import { flowTableFindings } from "./flow-tables.ts";
import { securityGroupFindings } from "./security-groups.ts";

export type { Diagnosis };

/** Returns all findings, in the order of the object's kind and name. */
export function diagnose(facts: ClusterFacts): Diagnosis[] {
  return [
    ...nodes(facts),
    ...flowTableFindings(facts),
    ...pools(facts),
    ...policies(facts),
    ...securityGroupFindings(facts),
    ...networks(facts),
    ...filters(facts),
    ...translations(facts),
    ...pods(facts),
  ];
}

function nodes(facts: ClusterFacts): Diagnosis[] {
  const found: Diagnosis[] = [];
  const gone = new Map<string, Set<string>>();
  for (const family of [4, 6] as const)
    for (const [address, [first = "", ...others]] of sharedAddresses(facts, family))
      found.push(
        error(
          "node.address-in-use",
          `Node/${first}`,
          `its address ${address} is also that of ${others.join(", ")}: routes and sessions lead to any of them`,
        ),
      );
  for (const [name, node] of sorted(facts.nodes)) {
    const object = `Node/${name}`;
    if (nodeIps(node).length === 0)
      found.push(error("node.no-address", object, "it has no InternalIP, so no route leads to its pods"));
    for (const { type, status, reason, message } of node.status?.conditions ?? []) {
      if (type === REVERSE_PATH_CONDITION && status === "False")
        found.push(error("interfaces.reverse-path", object, message ?? "rp_filter is on for all links"));
      if (type === ADDRESS_CONDITION && status === "False" && reason === "NotDetected")
        found.push(error("node.address-not-found", object, message ?? "no reason given"));
      if (type === "NetworkConfigReady" && status === "False") {
        const mend = "pods get addresses of subnets there once what it names is there";
        found.push(
          error("node.network-config", object, `${reason}: ${message ?? "no reason given"}; ${mend}`),
        );
      }
      if (type !== "Ready" || status === "True") continue;
      found.push(error("node.not-ready", object, `it is not ready: ${message ?? "no reason given"}`));
    }
    for (const { prefix, node: owner, why } of planRoutes(facts, name).problems) {
      if (why === "node-unknown") gone.set(owner, (gone.get(owner) ?? new Set()).add(prefix));
      else found.push(error(`routing.${why}`, object, `it has no route to ${prefix} of node ${owner}`));
    }
  }
  // Nothing is wrong as yet: findings about addresses tell when its blocks should have been taken back.
  for (const [owner, prefixes] of sorted(gone))
    found.push({
      code: "routing.node-unknown",
      severity: "note",
      object: `Node/${owner}`,
      message: `it does not exist, and no node has a route to what it has left: ${[...prefixes].toSorted().join(", ")}`,
    });
  return found;
}

function pools(facts: ClusterFacts): Diagnosis[] {
  const around = {
    nodes: facts.nodes.values(),
    hosts: facts.hosts.values(),
    serviceRanges: readServiceRanges(facts).map(formatCidr),
    pools: [],
  };
  const tunnels = sorted(facts.pools).flatMap(([name, pool]): Diagnosis[] => {
    const lacking = lackingIpip(facts, pool);
    if (lacking.length === 0) return [];
    const message = `it asks for IP in IP (ipipMode: ${pool.spec.ipipMode}), which the kernels of ${lacking.join(", ")} lack: packets go there and from there without a tunnel; load the module ipip, or set vxlanMode`;
    return [{ code: "tunnel.no-ipip", severity: "warning", object: `IPPool/${name}`, message }];
  });
  const checked = checkPools([...facts.pools.values()], around).map(({ code, severity, pool, message }) => ({
    code,
    severity,
    object: `IPPool/${pool}`,
    message,
  }));
  return [...checked, ...tunnels];
}

/** A session whose filter is not there stands, and nothing passes it: nobody knows what it was to keep out. */
function filters({ bgpPeers, bgpFilters }: ClusterFacts): Diagnosis[] {
  return sorted(bgpPeers).flatMap(([name, { spec }]) => {
    const missing = (spec.filters ?? []).filter((one) => !bgpFilters.has(one));
    if (missing.length === 0) return [];
    const message = `BGPFilter ${missing.join(", ")} does not exist: nothing passes its sessions; apply one of that name, or take it out of spec.filters`;
    return [error("bgp.filter-missing", `BGPPeer/${name}`, message)];
  });
}

/** What the controller has said of PodNetworkings. */
function networks({ podNetworkings }: ClusterFacts): Diagnosis[] {
  return sorted(podNetworkings).flatMap(([name, { status }]) =>
    status?.status === "Fail"
      ? [
          error(
            "podnetworking.fail",
            `PodNetworking/${name}`,
            `it is not usable, and its pods do not start: ${status.message ?? "no reason given"}; change its vSwitchOptions or securityGroupIDs, or make what they name`,
          ),
        ]
      : [],
  );
}

function policies(facts: ClusterFacts): Diagnosis[] {
  const found: Diagnosis[] = [];
  for (const [key, policy] of sorted(facts.policies)) {
    for (const problem of compilePolicy(policy).problems)
      found.push(error("policy.invalid", `NetworkPolicy/${key}`, formatProblem(problem)));
    if (!facts.namespaces.has(policy.metadata.namespace ?? ""))
      found.push({
        code: "policy.no-namespace",
        severity: "warning",
        object: `NetworkPolicy/${key}`,
        message: "its namespace does not exist",
      });
  }
  const { enforced, problems } = readSwitch(facts);
  const object = "ConfigMap/kube-system/eni-config";
  found.push(...problems.map((problem) => error(problem.code, object, formatProblem(problem))));
  if (!enforced)
    found.push({
      code: "policy.off",
      severity: "note",
      object,
      message: "disable_network_policy is set: no NetworkPolicy is enforced",
    });
  return found;
}

/** The cluster's part is the same on each node; what one node alone knows, its agent tells. */
function translations(facts: ClusterFacts): Diagnosis[] {
  const node = { node: "", addresses: [], uplink: "", endpoints: new Map() };
  const { config, problems } = planSnat(facts, node);
  const worded = (problem: Problem, object: string) => error(problem.code, object, formatProblem(problem));
  return [
    ...config.errors.map((problem) => worded(problem, "ConfigMap/kube-system/ip-masq-agent")),
    ...config.findings.map((problem) => ({
      ...worded(problem, "ConfigMap/kube-system/ip-masq-agent"),
      severity: "warning" as const,
    })),
    ...problems.map((problem) => worded(problem, problem.object)),
    ...answersElsewhere(facts),
  ];
}

/** How many pods are named that wait for the same. */
const NAMED = 5;

function pods(facts: ClusterFacts): Diagnosis[] {
  const found: Diagnosis[] = [];
  /** By what they wait for: an exhausted vSwitch is one finding, however many pods wait for it. */
  const together = new Map<string, string[]>();
  for (const [key, pod] of sorted(facts.pods)) {
    const phase = pod.status?.phase ?? "Pending";
    if (phase !== "Pending" || pod.metadata.deletionTimestamp !== undefined) continue;
    const where =
      pod.spec.nodeName === undefined ? "it is on no node yet" : `it waits on ${pod.spec.nodeName}`;
    const wait = pod.status?.conditions?.find(({ status, message }) => status !== "True" && message);
    const why = wait?.message;
    if (wait?.type === networkReadyCondition) {
      const what = `${wait.reason ?? ""}: ${(why ?? "").replace(/; it waits since \S+$/, "")}`;
      const [name = ""] = key.split("/").slice(-1);
      // What names the pod itself is its own affair.
      if (!what.includes(name)) {
        together.set(what, [...(together.get(what) ?? []), key]);
        continue;
      }
    }
    found.push(pending(`Pod/${key}`, `${where}${why === undefined ? "" : `: ${why}`}`));
  }
  for (const [what, keys] of together) {
    const [first = ""] = keys;
    const more = keys.length > NAMED ? `, and ${keys.length - NAMED} more` : "";
    const names = `${keys.slice(0, NAMED).join(", ")}${more}`;
    if (keys.length === 1)
      found.push(pending(`Pod/${first}`, `it waits on ${facts.pods.get(first)?.spec.nodeName}: ${what}`));
    else found.push(pending("Pods", `${keys.length} pods wait (${names}): ${what}`));
  }
  return found;
}

function pending(object: string, message: string): Diagnosis {
  return { code: "pod.pending", severity: "warning", object, message };
}

/** Returns the pods that ask for host ports in a cluster where nothing leads these to them: one finding for all. */
export function unledHostPorts(facts: ClusterFacts): Diagnosis[] {
  const asking = sorted(facts.pods).flatMap(([key, { spec, status }]) => {
    if (spec.hostNetwork === true || status?.phase === "Succeeded" || status?.phase === "Failed") return [];
    const ports = declaredPorts(spec).flatMap(({ hostPort }) => hostPort ?? []);
    return ports.length === 0 ? [] : [`${key} (${ports.join(", ")})`];
  });
  if (asking.length === 0) return [];
  const message = `they ask for hostPorts, and the portmap plugin, which leads them to pods, is not chained: ${asking.join("; ")}; in a lab: chainedPlugins: [portmap]`;
  return [{ code: "pod.host-port", severity: "warning", object: "Pods", message }];
}

function error(code: string, object: string, message: string): Diagnosis {
  return { code, severity: "error", object, message };
}

function sorted<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));
}
