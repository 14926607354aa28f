// CNI CHECK: whether a pod's wire is as ADD left it.
import { isError } from "../../base/errors.ts";
import {
  type Kernel,
  type Link,
  type Machine,
  POD_LINK_GROUP,
  ROUTE_PROTOCOL,
  type Route,
} from "../../kernel/kernel.ts";
import { type Families, ownRules, podRoutes, podRules, sameRule } from "./pod-routes.ts";
import { hostRoute, podAddresses, type WireSpec } from "./wire.ts";
import { differingSettings } from "./wire-mend.ts";

/**
 * Returns what of the wire is not as ADD left it, in words; empty if all is.
 * @param main families whose default route in the pod ADD gave to this wire
 */
export function checkWire(machine: Machine, kernel: Kernel, spec: WireSpec, main: Families): string[] {
  const faults: string[] = [];
  const host = kernel.links.get(spec.hostInterface);
  if (host === undefined) return [`the node has no interface ${spec.hostInterface}`];
  if (!host.up) faults.push(`the node's interface ${spec.hostInterface} is down`);
  if (host.group !== POD_LINK_GROUP)
    faults.push(`the node's interface ${spec.hostInterface} is not in the group of pods' interfaces`);
  for (const { name, value, is } of differingSettings(kernel, spec))
    faults.push(`the setting ${name} of ${spec.hostInterface} is ${is} and not ${value}`);
  const hostRoutes = kernel.routes.list({ protocol: ROUTE_PROTOCOL });
  for (const ip of spec.ips) {
    const wanted = hostRoute(ip, host.index);
    if (!hostRoutes.some((route) => leadsAlike(route, wanted)))
      faults.push(`the node has no route to ${ip} through ${spec.hostInterface}`);
  }
  try {
    const pod = machine.open({ path: spec.netns });
    try {
      faults.push(...checkPodEnd(pod, spec, host, main));
    } finally {
      pod.close();
    }
  } catch (error) {
    if (!isError(error, "kernel.no-netns")) throw error;
    faults.push(`there is no namespace ${spec.netns}`);
  }
  return faults;
}

function checkPodEnd(pod: Kernel, spec: WireSpec, host: Link, main: Families): string[] {
  const link = pod.links.get(spec.ifName);
  if (link === undefined) return [`the pod has no interface ${spec.ifName}`];
  const faults: string[] = [];
  if (host.lower !== link.index) faults.push(`${spec.ifName} is not the other end of ${spec.hostInterface}`);
  if (!link.up) faults.push(`the pod's interface ${spec.ifName} is down`);
  const addresses = new Set(pod.addresses.list(link.index).map((entry) => entry.address));
  for (const { address } of podAddresses(spec.ips, link.index))
    if (!addresses.has(address))
      faults.push(`the pod's interface ${spec.ifName} lacks the address ${address}`);
  const tables = new Map<number, Route[]>();
  for (const wanted of podRoutes(spec.ips, link.index, main)) {
    const routes = tables.get(wanted.table) ?? pod.routes.list({ table: wanted.table });
    tables.set(wanted.table, routes);
    if (!routes.some((route) => leadsAlike(route, wanted)))
      faults.push(
        `the pod lacks the route to ${wanted.destination}${wanted.via ? ` via ${wanted.via}` : ""}`,
      );
  }
  const rules = podRules(spec.ips, link.index, main);
  const present = rules.length === 0 ? [] : ownRules(pod, spec.ips);
  for (const rule of rules)
    if (!present.some((one) => sameRule(one, rule)))
      faults.push(`the pod lacks the rule that leads what is sent from ${rule.from} out by ${spec.ifName}`);
  return faults;
}

// Later plugins and the pod itself may add to a route (a metric, an MTU); where it leads is what counts.
function leadsAlike(a: Route, b: Route): boolean {
  return a.destination === b.destination && a.linkIndex === b.linkIndex && a.via === b.via;
}
