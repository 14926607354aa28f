// Whether a flow is for a Service: by its name, or by an address and port that are one's.
import { TrunklineError } from "../../base/errors.ts";
import { cidrContains, formatCidr, parseIp } from "../../base/ip.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import type { ServiceObjects } from "../../plan/services.ts";
import { readServiceRanges } from "../../plan/snat/ranges.ts";
import { type End, findEnd } from "../ends.ts";
import type { Port } from "../ports.ts";
import { isService, type Target } from "../target.ts";
import { type Frontend, frontendAt, namedFrontend } from "./frontend.ts";

/**
 * Returns the way into a Service that a target is; undefined: it is none.
 * @throws TrunklineError `explain.no-services`, and those of `namedFrontend`
 */
export function serviceTarget(
  facts: ClusterFacts,
  objects: ServiceObjects,
  from: End,
  { end, port, portName }: Target,
  namespace: string,
): Frontend | undefined {
  if (isService(end)) {
    if (objects.unread !== undefined)
      throw new TrunklineError("explain.no-services", { why: objects.unread });
    // No kube-proxy answers an echo for a Service.
    if (port === "icmp") throw new TrunklineError("explain.port", { text: "icmp" });
    const families = from.addresses.map((address) => (address.includes(":") ? (6 as const) : (4 as const)));
    return namedFrontend(objects, end.name, end.namespace ?? namespace, port ?? portName, families);
  }
  if (port === "icmp") return undefined;
  return addressTarget(facts, objects, end, port, namespace);
}

/** Node ports are asked of nodes, by address or by name. */
function addressTarget(
  facts: ClusterFacts,
  objects: ServiceObjects,
  end: Target["end"],
  port: Port | undefined,
  namespace: string,
): Frontend | undefined {
  if (end.type === "address") return frontendAt(facts, objects, end.address, port);
  if (end.kind !== "node" && end.kind !== "nodes" && end.kind !== "no") return undefined;
  const [address] = findEnd(facts, end, namespace).addresses;
  const found = address === undefined ? undefined : frontendAt(facts, objects, address, port);
  return found?.by === "NodePort" ? found : undefined;
}

/**
 * Makes sure that an address which no Service has is none of theirs either: where nobody has looked at rules, what becomes
 * of it hangs on kube-proxy.
 * @throws TrunklineError `explain.no-services`, `explain.nobodys-service`
 */
export function checkNobodys(facts: ClusterFacts, { unread }: ServiceObjects, { end }: Target): void {
  if (end.type !== "address") return;
  const ip = parseIp(end.address);
  const range = readServiceRanges(facts).find((cidr) => cidrContains(cidr, ip));
  if (!range) return;
  if (unread !== undefined) throw new TrunklineError("explain.no-services", { why: unread });
  throw new TrunklineError("explain.nobodys-service", { address: end.address, range: formatCidr(range) });
}
