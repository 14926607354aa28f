// What calico-node does at its first start where nobody says otherwise (calico/node's reference).
import type { Effective } from "./types.ts";
import { truth } from "./variables.ts";

const isOn = (value: string | undefined) => value !== undefined && !/^(never|off|)$/i.test(value.trim());

/** Returns the defaults that matter, given what is set. */
export function usualSettings(set: Effective): Map<string, string> {
  const usual = new Map<string, string>([
    ["CALICO_NETWORKING_BACKEND", "bird"],
    ["IP_AUTODETECTION_METHOD", "first-found"],
    // Nodes that have IPv6 addresses have no sessions or routes by them then.
    ["IP6", "none"],
  ]);
  if (backendOf(set) === "bird") usual.set("AS", "64512");
  if (truth(set("NO_DEFAULT_POOLS") ?? "") === true) return usual;
  usual.set("CALICO_IPV4POOL_CIDR", "192.168.0.0/16");
  usual.set("CALICO_IPV4POOL_BLOCK_SIZE", "26");
  // Only one of the two may be on.
  usual.set("CALICO_IPV4POOL_IPIP", isOn(set("CALICO_IPV4POOL_VXLAN")) ? "Never" : "Always");
  usual.set("CALICO_IPV4POOL_VXLAN", "Never");
  usual.set("CALICO_IPV4POOL_NAT_OUTGOING", "true");
  usual.set("CALICO_IPV4POOL_NODE_SELECTOR", "all()");
  usual.set("CALICO_IPV4POOL_DISABLE_BGP_EXPORT", "false");
  if (set("CALICO_IPV6POOL_CIDR") === undefined) return usual;
  usual.set("CALICO_IPV6POOL_BLOCK_SIZE", "122");
  usual.set("CALICO_IPV6POOL_VXLAN", "Never");
  usual.set("CALICO_IPV6POOL_NAT_OUTGOING", "false");
  usual.set("CALICO_IPV6POOL_NODE_SELECTOR", "all()");
  usual.set("CALICO_IPV6POOL_DISABLE_BGP_EXPORT", "false");
  return usual;
}

function backendOf(set: Effective): string {
  return set("CALICO_NETWORKING_BACKEND") ?? "bird";
}
