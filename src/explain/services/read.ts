// What Services and EndpointSlices say, as kube-proxy reads them (pkg/proxy: serviceport.go, endpointslicecache.go). They
// are others' objects and come as they are: what is not of the form that the API gives it is passed over.
import type { Protocol } from "../../api/kinds/core.ts";
import { type EndpointSlice, type Service, serviceNameLabel } from "../../api/kinds/service.ts";
import { type Family, formatIp, tryParseIp } from "../../base/ip.ts";
import type { ServiceObjects } from "../../plan/services.ts";
import type { Port } from "../ports.ts";

/** A Service's port. */
export interface ReadPort extends Port {
  /** Empty where it has none. */
  readonly name: string;
  readonly nodePort?: number;
  readonly targetPort?: number | string;
}

export interface ReadEndpoint {
  readonly address: string;
  readonly port: number;
  readonly node?: string;
  readonly zone?: string;
  readonly zoneHints: readonly string[];
  readonly nodeHints: readonly string[];
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
}

export function keyOfService({ metadata }: Service): string {
  return `${metadata.namespace ?? "default"}/${metadata.name}`;
}

/** Returns a Service's ports. */
export function portsOfService({ spec }: Service): ReadPort[] {
  return list(spec?.ports).flatMap((port) => {
    if (!isPort(port.port)) return [];
    const { nodePort, targetPort } = port;
    return {
      name: typeof port.name === "string" ? port.name : "",
      port: port.port,
      protocol: protocolOf(port.protocol),
      ...(isPort(nodePort) && { nodePort }),
      ...((typeof targetPort === "number" || typeof targetPort === "string") && { targetPort }),
    };
  });
}

/** Returns a Service's ClusterIPs, the primary one first; none where it is headless, or has none yet. */
export function clusterIpsOf({ spec }: Service): string[] {
  return addresses([spec?.clusterIP, ...list(spec?.clusterIPs)]);
}

export function isHeadless({ spec }: Service): boolean {
  return spec?.clusterIP === "None";
}

export function externalIpsOf({ spec }: Service): string[] {
  return addresses(list(spec?.externalIPs));
}

/** Returns the load balancer's addresses that kube-proxy takes for its own: not those that the balancer itself translates. */
export function balancerIpsOf({ status }: Service): string[] {
  const ingress = list(status?.loadBalancer?.ingress);
  return addresses(ingress.filter(({ ipMode }) => ipMode !== "Proxy").map(({ ip }) => ip));
}

/** Returns the slices of a Service. */
export function slicesOf({ slices }: ServiceObjects, service: Service): EndpointSlice[] {
  const { name, namespace = "default" } = service.metadata;
  return slices.filter(
    ({ metadata }) =>
      (metadata.namespace ?? "default") === namespace && metadata.labels?.[serviceNameLabel] === name,
  );
}

/**
 * Returns the endpoints of a Service's port of one family, each once, by address and port.
 * @param port undefined: whatever port they have
 */
export function endpointsOf(
  objects: ServiceObjects,
  service: Service,
  port: ReadPort | undefined,
  family: Family,
): ReadEndpoint[] {
  const found = new Map<string, ReadEndpoint>();
  for (const slice of slicesOf(objects, service)) {
    if (slice.addressType !== (family === 4 ? "IPv4" : "IPv6")) continue;
    const own = list(slice.ports).filter(
      (one) => !port || ((one.name ?? "") === port.name && protocolOf(one.protocol) === port.protocol),
    );
    for (const { port: number } of own) {
      if (!isPort(number)) continue;
      for (const endpoint of list(slice.endpoints)) {
        const [address] = addresses(list(endpoint.addresses).slice(0, 1));
        if (address === undefined || address.includes(":") !== (family === 6)) continue;
        const { conditions, nodeName, zone, hints } = endpoint;
        const key = `${address} ${number}`;
        const terminating = conditions?.terminating ?? false;
        // A pod that runs counts, and not the one before it that is ending and had the same address.
        if (terminating && found.has(key)) continue;
        found.set(key, {
          address,
          port: number,
          ...(typeof nodeName === "string" && { node: nodeName }),
          ...(typeof zone === "string" && { zone }),
          zoneHints: list(hints?.forZones).map(({ name }) => name),
          nodeHints: list(hints?.forNodes).map(({ name }) => name),
          ready: conditions?.ready ?? true,
          serving: conditions?.serving ?? true,
          terminating,
        });
      }
    }
  }
  return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
}

/** Returns the addresses in a list of whatever kind, each once, written as we write them. */
function addresses(texts: readonly unknown[]): string[] {
  const found = texts.flatMap((text) => {
    const ip = typeof text === "string" ? tryParseIp(text) : undefined;
    return ip ? [formatIp(ip)] : [];
  });
  return [...new Set(found)];
}

function list<T>(value: readonly T[] | undefined | null): readonly T[] {
  return Array.isArray(value) ? value.filter((one) => one !== null && one !== undefined) : [];
}

function isPort(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value <= 65_535;
}

function protocolOf(value: unknown): Protocol {
  return value === "UDP" || value === "SCTP" ? value : "TCP";
}
