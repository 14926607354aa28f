// The schema of every kind. Loads the validation library: import this only where objects are checked.
import * as z from "zod";
import type { Kind } from "../../object.ts";
import { fields, metadata } from "../../schema.ts";
import { bgpConfigurationSchema, bgpPeerSchema } from "../routing/bgp.schema.ts";
import { bgpFilterSchema } from "../routing/bgp-filter.schema.ts";
import { routingConfigurationSchema } from "../routing/routing.schema.ts";
import { addressListSchema } from "./address-list.ts";
import * as core from "./core.ts";
import { ipPoolSchema } from "./ip-pool.ts";
import { networkPolicySchema } from "./network-policy.ts";
import { addressBlockSchema, hostSchema, sourceNatSchema } from "./own.ts";
import {
  nodeConfigSchema,
  podEniSchema,
  podNetworkingSchema,
  securityGroupSchema,
  subnetLedgerSchema,
  subnetSchema,
} from "./subnets.ts";
import * as workloads from "./workloads.ts";

const schemas: Readonly<Record<string, z.ZodType>> = {
  Node: core.nodeSchema,
  Namespace: core.namespaceSchema,
  Pod: core.podSchema,
  ConfigMap: core.configMapSchema,
  Event: core.eventSchema,
  ReplicationController: workloads.replicationControllerSchema,
  ReplicaSet: workloads.replicaSetSchema,
  Deployment: workloads.deploymentSchema,
  StatefulSet: workloads.statefulSetSchema,
  DaemonSet: workloads.daemonSetSchema,
  Job: workloads.jobSchema,
  CronJob: workloads.cronJobSchema,
  NetworkPolicy: networkPolicySchema,
  IPPool: ipPoolSchema,
  AddressBlock: addressBlockSchema,
  SourceNAT: sourceNatSchema,
  AddressList: addressListSchema,
  Host: hostSchema,
  Subnet: subnetSchema,
  SubnetLedger: subnetLedgerSchema,
  SecurityGroup: securityGroupSchema,
  NodeConfig: nodeConfigSchema,
  PodNetworking: podNetworkingSchema,
  PodENI: podEniSchema,
  Secret: core.secretSchema,
  BGPConfiguration: bgpConfigurationSchema,
  BGPPeer: bgpPeerSchema,
  BGPFilter: bgpFilterSchema,
  RoutingConfiguration: routingConfigurationSchema,
};

// Names of roles may hold colons, and what these kinds hold beyond metadata is nobody's business here.
const opaque = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: metadata(z.string().min(1)),
});
const plain = fields({ apiVersion: z.string(), kind: z.string(), metadata: metadata() }, "spec status");

/** Returns the schema of a kind; that of an inert kind looks at metadata only. */
export function schemaFor(kind: Kind): z.ZodType {
  return schemas[kind.kind] ?? (kind.inert ? opaque : plain);
}

/** Returns whether fields that the schema does not name are to be reported. */
export function knowsFields(kind: Kind): boolean {
  return schemas[kind.kind] !== undefined;
}
