// A host or router outside the cluster, as a lab declares it: it has no agent, only addresses and open ports.
import type { Kind, KubeObject } from "../object.ts";
import type { Protocol } from "./core.ts";

export interface Host extends KubeObject {
  readonly kind: "Host";
  readonly spec: {
    readonly addresses: readonly string[];
    readonly ports?: readonly { readonly port: number; readonly protocol?: Protocol }[];
    /** Ranges whose connections it serves; all others it refuses. Absent: everyone. */
    readonly admit?: readonly string[];
    readonly role?: "host" | "router";
  };
}
export const hostKind: Kind<Host> = {
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "Host",
  plural: "hosts",
  shortNames: [],
  namespaced: false,
};
