// v1 Service and discovery.k8s.io/v1 EndpointSlice, as far as an answer reads them. Others write them and others act on
// them (kube-proxy): nothing here does, so they are kept as they come, and may hold anything.
import type { Kind, KubeObject } from "../object.ts";
import type { Protocol } from "./core.ts";

export interface ServicePort {
  readonly name?: string;
  readonly port: number;
  readonly protocol?: Protocol;
  readonly targetPort?: number | string;
  readonly nodePort?: number;
}

export type TrafficPolicy = "Cluster" | "Local";

export interface ServiceSpec {
  readonly type?: "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
  readonly selector?: Readonly<Record<string, string>>;
  readonly ports?: readonly ServicePort[];
  /** `None`: headless. */
  readonly clusterIP?: string;
  readonly clusterIPs?: readonly string[];
  readonly externalIPs?: readonly string[];
  readonly externalName?: string;
  readonly internalTrafficPolicy?: TrafficPolicy;
  readonly externalTrafficPolicy?: TrafficPolicy;
  readonly sessionAffinity?: "None" | "ClientIP";
  readonly publishNotReadyAddresses?: boolean;
  readonly trafficDistribution?: string;
  readonly loadBalancerSourceRanges?: readonly string[];
}

export interface LoadBalancerIngress {
  readonly ip?: string;
  readonly hostname?: string;
  /** Proxy: the balancer has the address, and kube-proxy leaves it alone; absent: VIP. */
  readonly ipMode?: "VIP" | "Proxy";
}

export interface Service extends KubeObject {
  readonly kind: "Service";
  readonly spec?: ServiceSpec;
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly LoadBalancerIngress[] } };
}
export const serviceKind: Kind<Service> = {
  apiVersion: "v1",
  kind: "Service",
  plural: "services",
  shortNames: ["svc"],
  namespaced: true,
  inert: true,
};

/** Of one Service; its name is in the label `kubernetes.io/service-name`. */
export interface EndpointSlice extends KubeObject {
  readonly kind: "EndpointSlice";
  readonly addressType?: "IPv4" | "IPv6" | "FQDN";
  readonly endpoints?: readonly SliceEndpoint[];
  readonly ports?: readonly {
    readonly name?: string;
    readonly port?: number;
    readonly protocol?: Protocol;
  }[];
}

export interface SliceEndpoint {
  /** Only the first counts. */
  readonly addresses: readonly string[];
  readonly conditions?: {
    readonly ready?: boolean;
    readonly serving?: boolean;
    readonly terminating?: boolean;
  };
  readonly nodeName?: string;
  readonly zone?: string;
  readonly hints?: {
    readonly forZones?: readonly { readonly name: string }[];
    readonly forNodes?: readonly { readonly name: string }[];
  };
}
export const endpointSliceKind: Kind<EndpointSlice> = {
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  plural: "endpointslices",
  shortNames: [],
  namespaced: true,
  inert: true,
};

export const serviceNameLabel = "kubernetes.io/service-name";
