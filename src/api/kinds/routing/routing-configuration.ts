// How nodes come to know each other's routes, and how a node finds its own address.
import type { Kind, KubeObject } from "../../object.ts";
import type { SecretReference } from "./bgp.ts";

export type RoutingProtocol = "bgp" | "rip";

/** Auto: where the kernel has them and nothing speaks against it. Enabled: the same, and where not it is a fault of the node. */
export const flowTablesValues = ["Auto", "Enabled", "Disabled"] as const;
export type FlowTables = (typeof flowTablesValues)[number];

export interface RoutingConfiguration extends KubeObject {
  readonly kind: "RoutingConfiguration";
  readonly spec: {
    /** `[]`: direct routes only. Absent: `[bgp]` while a BGPConfiguration `default` or any BGPPeer exists, else `[]`. */
    readonly protocols?: readonly RoutingProtocol[];
    readonly rip?: {
      /** Regular expressions over names of interfaces; absent: those that hold the node's addresses. */
      readonly interfaces?: readonly string[];
      /** Go durations; 5s, 15s, 10s. */
      readonly updateTime?: string;
      readonly timeoutTime?: string;
      readonly garbageTime?: string;
      readonly password?: SecretReference;
    };
    readonly nodeAddress?: {
      /** `first-found`, `interface=REGEX`, …; default `kubernetes-internal-ip`. */
      readonly ipv4?: string;
      readonly ipv6?: string;
    };
    /** Bytes; 0 or absent: found by itself. */
    readonly mtu?: { readonly pod?: number; readonly ipip?: number; readonly vxlan?: number };
    /** Go duration; default 120s. */
    readonly gracefulRestartTime?: string;
    /** Whether nodes hand open connections to the kernel's flow tables; default Auto. */
    readonly flowTables?: FlowTables;
  };
}
export const routingConfigurationKind: Kind<RoutingConfiguration> = {
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "RoutingConfiguration",
  plural: "routingconfigurations",
  shortNames: ["routingconfig"],
  namespaced: false,
};

/** Bounds of an MTU that is set, in bytes. */
export const leastMtu = 576;
export const mostMtu = 65_535;

/** The one name that these objects, and BGPConfigurations for all nodes, may have. */
export const DEFAULT_NAME = "default";
