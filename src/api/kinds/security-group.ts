// A security group whose rules Trunkline itself enforces, at pods' interfaces, where the provider of subnets does not (the
// lab's, VLANs). Its name is the group's id. Groups of a provider that filters by itself have no such object.
import type { Kind, KubeObject } from "../object.ts";

export interface SecurityGroupRule {
  /** IPv4 ranges, and ids of groups: then the addresses of their interfaces. */
  readonly peers: readonly string[];
  /** `80/tcp`; absent: every protocol and port. */
  readonly ports?: readonly string[];
}

export interface SecurityGroup extends KubeObject {
  readonly kind: "SecurityGroup";
  /** A direction that is absent lets everything pass; an empty list nothing. */
  readonly spec: {
    readonly ingress?: readonly SecurityGroupRule[];
    readonly egress?: readonly SecurityGroupRule[];
  };
}
export const securityGroupKind: Kind<SecurityGroup> = {
  apiVersion: "trunkline.dev/v1alpha1",
  kind: "SecurityGroup",
  plural: "securitygroups",
  shortNames: [],
  namespaced: false,
};
