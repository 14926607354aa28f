// Services for tests, beside the cluster of cluster.suite.ts.
import type { ConfigMap } from "../../api/kinds/core.ts";
import {
  type EndpointSlice,
  type Service,
  type ServiceSpec,
  serviceNameLabel,
} from "../../api/kinds/service.ts";
import type { ServiceObjects } from "../../plan/services.ts";

const meta = (name: string, namespace = "default") => ({
  name,
  namespace,
  uid: name,
  resourceVersion: "1",
  creationTimestamp: "",
});

export function service(
  name: string,
  clusterIP: string,
  spec: ServiceSpec = {},
  status: Service["status"] = {},
): Service {
  const ports = [{ name: "http", port: 80, protocol: "TCP" as const, targetPort: 8080 }];
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: meta(name),
    spec: { type: "ClusterIP", clusterIP, ports, ...spec },
    status,
  };
}

export interface EndpointSketch {
  readonly node?: string;
  readonly ready?: boolean;
  readonly serving?: boolean;
  readonly terminating?: boolean;
  readonly hints?: { readonly forZones: { readonly name: string }[] };
}

export function slice(
  name: string,
  endpoints: Readonly<Record<string, EndpointSketch>>,
  port = 8080,
): EndpointSlice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { ...meta(`${name}-1`), labels: { [serviceNameLabel]: name } },
    addressType: "IPv4",
    ports: [{ name: "http", port, protocol: "TCP" }],
    endpoints: Object.entries(endpoints).map(([address, { node, hints, ...conditions }]) => ({
      addresses: [address],
      conditions,
      ...(node !== undefined && { nodeName: node }),
      ...(hints && { hints }),
    })),
  };
}

export function objectsOf(...all: readonly (Service | EndpointSlice)[]): ServiceObjects {
  const services = all.filter((one): one is Service => one.kind === "Service");
  return {
    services: new Map(services.map((one) => [`${one.metadata.namespace}/${one.metadata.name}`, one])),
    slices: all.filter((one): one is EndpointSlice => one.kind === "EndpointSlice"),
  };
}

/** How kube-proxy is set, where kubeadm writes it. */
export function proxyConfig(config: Readonly<Record<string, unknown>>): ConfigMap {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: meta("kube-proxy", "kube-system"),
    data: { "config.conf": JSON.stringify(config) },
  };
}
