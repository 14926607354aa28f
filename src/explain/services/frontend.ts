// Which Service somebody asks for: by name, or by an address and port that lead to one.
import type { Service } from "../../api/kinds/service.ts";
import { TrunklineError } from "../../base/errors.ts";
import type { Family } from "../../base/ip.ts";
import { nearest } from "../../base/suggest.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { nodeIps } from "../../plan/facts.ts";
import type { ServiceObjects } from "../../plan/services.ts";
import { formatPort, type Port } from "../ports.ts";
import {
  balancerIpsOf,
  clusterIpsOf,
  externalIpsOf,
  isHeadless,
  keyOfService,
  portsOfService,
  type ReadPort,
} from "./read.ts";

/** How a Service is reached. */
export type Access = "ClusterIP" | "NodePort" | "ExternalIP" | "LoadBalancer" | "Headless";

export interface Frontend {
  readonly service: Service;
  /** `namespace/name` */
  readonly key: string;
  readonly by: Access;
  /** What the sender asks for; of a headless Service nothing but its endpoints' own. */
  readonly address?: string;
  readonly asked: Port;
  /** The Service's port that this is; undefined: it has no such port. */
  readonly port?: ReadPort;
  /** NodePort: whose port it is. */
  readonly node?: string;
}

/**
 * Returns the way into a Service that is asked for by name.
 * @param port number, or its name; undefined: the first
 * @param families of the sender's addresses, in the order of its preference
 * @throws TrunklineError `explain.unknown-end`, `explain.no-address`, `explain.family`, `explain.service-port`,
 *   `explain.external-name`
 */
export function namedFrontend(
  { services }: ServiceObjects,
  name: string,
  namespace: string,
  port: Port | string | undefined,
  families: readonly Family[],
): Frontend {
  const key = `${namespace}/${name}`;
  const service = services.get(key);
  if (!service) {
    const known = [...services.keys()].map((one) => `service/${one}`);
    throw new TrunklineError("explain.unknown-end", {
      name: `service/${key}`,
      suggestion: nearest(`service/${key}`, known),
    });
  }
  if (service.spec?.type === "ExternalName")
    throw new TrunklineError("explain.external-name", { key, name: service.spec.externalName ?? "" });
  const { asked, found } = portOf(service, key, port);
  if (isHeadless(service)) {
    // Nobody translates a number that was typed.
    const own = typeof port === "object" ? undefined : found;
    return { service, key, by: "Headless", asked, ...(own && { port: own }) };
  }
  const own = clusterIpsOf(service);
  if (own.length === 0)
    throw new TrunklineError("explain.no-address", {
      name: `service/${key}`,
      why: "it has no ClusterIP; a cluster's API server gives it one, in a lab its manifest has to (spec.clusterIP)",
    });
  const address = own.find((one) => families.includes(one.includes(":") ? 6 : 4));
  if (address === undefined)
    throw new TrunklineError("explain.family", { from: "the sender", to: `service/${key}` });
  return { service, key, by: "ClusterIP", address, asked, ...(found && { port: found }) };
}

function portOf(
  service: Service,
  key: string,
  port: Port | string | undefined,
): { asked: Port; found: ReadPort | undefined } {
  const ports = portsOfService(service);
  const names = ports.map((one) => `${formatPort(one)}${one.name === "" ? "" : ` (${one.name})`}`);
  if (typeof port === "object")
    return { asked: port, found: ports.find((one) => formatPort(one) === formatPort(port)) };
  const found = port === undefined ? ports[0] : ports.find(({ name }) => name === port);
  if (!found) throw new TrunklineError("explain.service-port", { key, port, known: names });
  return { asked: { port: found.port, protocol: found.protocol }, found };
}

/**
 * Returns the way into a Service that an address and port are; undefined: they are none that any object tells of.
 * @param asked undefined: the first port of whose address it is
 */
export function frontendAt(
  facts: ClusterFacts,
  { services }: ServiceObjects,
  address: string,
  asked: Port | undefined,
): Frontend | undefined {
  const places: readonly [Access, (service: Service) => string[]][] = [
    ["ClusterIP", clusterIpsOf],
    ["ExternalIP", externalIpsOf],
    ["LoadBalancer", balancerIpsOf],
  ];
  const text = asked && formatPort(asked);
  let portless: Frontend | undefined;
  for (const service of services.values()) {
    const key = keyOfService(service);
    for (const [by, of] of places) {
      if (!of(service).includes(address)) continue;
      const port = portsOfService(service).find((one) => text === undefined || formatPort(one) === text);
      const own = port && { port: port.port, protocol: port.protocol };
      if (port && own) return { service, key, by, address, asked: asked ?? own, port };
      if (asked) portless ??= { service, key, by, address, asked };
    }
  }
  if (!asked) return undefined;
  const node = [...facts.nodes].find(([, one]) => nodeIps(one).includes(address))?.[0];
  if (node === undefined) return portless;
  for (const service of services.values()) {
    const port = portsOfService(service).find(
      ({ nodePort, protocol }) => nodePort === asked.port && protocol === asked.protocol,
    );
    if (port) return { service, key: keyOfService(service), by: "NodePort", address, asked, port, node };
  }
  return portless;
}
