// What kube-proxy 1.37 makes of a packet to a Service: which endpoints it chooses among on a node (topology.go), and
// whether it puts the node's address in the place of the sender's (nftables/proxier.go; iptables writes the same).
import type { Service } from "../../api/kinds/service.ts";
import { cidrContains, parseIp, rangeHolds } from "../../base/ip.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import type { Access } from "./frontend.ts";
import type { ReadEndpoint } from "./read.ts";
import type { ProxySettings } from "./settings.ts";

/** Why there is no endpoint to choose: it refuses, or it drops. */
export interface NoEndpoint {
  readonly as: "refused" | "dropped";
  readonly why: string;
}

/** A packet as it comes to kube-proxy's rules on a node. */
export interface Coming {
  readonly node: string;
  /** The sender's address as it is there. */
  readonly source: string;
  readonly by: Exclude<Access, "Headless">;
  /** It is from one of the node's own pods, by the pod's link. */
  readonly fromOwnPod: boolean;
  /** It is from the node itself. */
  readonly fromNode: boolean;
}

/** Returns whether kube-proxy takes a sender for one of the cluster's own; undefined: it has no means to tell. */
export function isClusterSource(
  facts: ClusterFacts,
  { local }: Pick<ProxySettings, "local">,
  { node, source, fromOwnPod }: Coming,
): boolean | undefined {
  const ip = parseIp(source);
  switch (local.by) {
    case "ClusterCIDR": {
      // Of each family the first alone counts.
      const own = local.cidrs.find(({ family }) => family === ip.family);
      return own && cidrContains(own, ip);
    }
    case "NodeCIDR": {
      const own = facts.nodes
        .get(node)
        ?.spec?.podCIDRs?.find((text) => text.includes(":") === (ip.family === 6));
      return own === undefined ? undefined : rangeHolds(own, source);
    }
    case "BridgeInterface":
      // Pods of ours come by links of their own.
      return false;
    case "InterfaceNamePrefix":
      // Links to pods are named `tl…`.
      return fromOwnPod && "tl".startsWith(local.prefix);
  }
}

/**
 * Returns whether a packet becomes the node's own on its way to any endpoint. That to the sender itself always does (a
 * hairpin).
 */
export function isMasqueraded(
  service: Service,
  coming: Coming,
  clusterSource: boolean | undefined,
  masqueradeAll: boolean,
): boolean {
  if (coming.by === "ClusterIP") return masqueradeAll || clusterSource === false;
  if (service.spec?.externalTrafficPolicy !== "Local") return true;
  return clusterSource !== true && coming.fromNode;
}

/** Returns the endpoints that kube-proxy of a node chooses among, or why there are none. */
export function endpointsFor(
  service: Service,
  endpoints: readonly ReadEndpoint[],
  coming: Coming,
  clusterSource: boolean | undefined,
): readonly ReadEndpoint[] | NoEndpoint {
  const { internalTrafficPolicy, externalTrafficPolicy } = service.spec ?? {};
  const isInternal = coming.by === "ClusterIP";
  // What comes from within is sent on as if it had been sent to the balancer, and came back.
  const short = !isInternal && (clusterSource === true || coming.fromNode);
  const isLocal = isInternal
    ? internalTrafficPolicy === "Local"
    : externalTrafficPolicy === "Local" && !short;
  const usable = readyOf(endpoints);
  if (usable.length === 0) return { as: "refused", why: "it has no endpoints that are ready" };
  if (!isLocal) return usable;
  const own = readyOf(endpoints.filter(({ node }) => node === coming.node));
  if (own.length > 0) return own;
  const policy = isInternal ? "internalTrafficPolicy" : "externalTrafficPolicy";
  return {
    as: "dropped",
    why: `${policy} is Local, and node ${coming.node} has none of its endpoints that is ready`,
  };
}

/** Returns whether a Service has endpoints at all, wherever they are. */
export function hasUsable(endpoints: readonly ReadEndpoint[]): boolean {
  return readyOf(endpoints).length > 0;
}

/** Ready ones; where there are none, those that are ending and still serve. */
function readyOf(endpoints: readonly ReadEndpoint[]): readonly ReadEndpoint[] {
  const ready = endpoints.filter((one) => one.ready);
  return ready.length > 0 ? ready : endpoints.filter((one) => one.serving && one.terminating);
}
