// What a lab file says of its provider of subnets: vSwitches, groups, machines and manners.
import * as z from "zod";
import { parseGoDuration } from "../../base/go-duration.ts";
import { address, cidr, name } from "./words.ts";

/** A subnet that pods' addresses can be taken from (a vSwitch). */
export interface LabSubnet {
  readonly id: string;
  readonly zone: string;
  readonly cidr: string;
  /** Default: the third-last address. */
  readonly gateway?: string;
  readonly vlan?: number;
}

export interface LabGroupRule {
  /** Ranges and ids of groups. */
  readonly peers: readonly string[];
  /** `80/tcp`; absent: all. */
  readonly ports?: readonly string[];
}

/** A security group; a direction without rules lets everything pass. */
export interface LabSecurityGroup {
  readonly id: string;
  readonly ingress?: readonly LabGroupRule[];
  readonly egress?: readonly LabGroupRule[];
}

export interface LabInstance {
  /** Default: `i-` and the node's name. */
  readonly id?: string;
  readonly adapters: number;
  readonly ipv4PerAdapter: number;
  readonly memberAdapterLimit: number;
}

export interface LabProvider {
  /** Milliseconds. */
  readonly latency: number;
  /** 0: no limit. */
  readonly callsPerSecond: number;
}

const durationRule = "must be a time with its unit, such as 200ms or 5s";
const duration = z
  .string({ error: durationRule })
  .refine((text) => (parseGoDuration(text) ?? -1) >= 0, { error: durationRule })
  .transform((text) => parseGoDuration(text) ?? 0);

export const subnetSchema = z.strictObject({
  id: name,
  zone: z.string().min(1),
  cidr,
  gateway: address.optional(),
  vlan: z.int().min(1).max(4094).optional(),
});

const isPort = (text: string | undefined) => Number(text) >= 1 && Number(text) <= 65_535;

const groupRule = z.strictObject({
  peers: z.array(z.string().min(1)).min(1),
  ports: z
    .array(
      z.string().refine((text) => isPort(/^(\d{1,5})\/(tcp|udp|sctp)$/.exec(text)?.[1]), {
        error: "must be a port such as 80/tcp",
      }),
    )
    .optional(),
});

export const securityGroupSchema = z.strictObject({
  id: name,
  ingress: z.array(groupRule).optional(),
  egress: z.array(groupRule).optional(),
});

export const instanceDefaults = { adapters: 8, ipv4PerAdapter: 30, memberAdapterLimit: 20 } as const;

export const instanceSchema = z.strictObject({
  id: z.string().min(1).optional(),
  adapters: z.int().min(1).max(64).default(instanceDefaults.adapters),
  ipv4PerAdapter: z.int().min(1).max(64).default(instanceDefaults.ipv4PerAdapter),
  memberAdapterLimit: z.int().min(0).max(256).default(instanceDefaults.memberAdapterLimit),
});

export const providerSchema = z.strictObject({
  latency: duration.default(0),
  callsPerSecond: z.int().min(0).default(0),
});

export const minReleaseAfter = duration;

/** Returns the provider's id of a node's machine. */
export function instanceIdOf(node: { readonly name: string; readonly instance?: LabInstance }): string {
  return node.instance?.id ?? `i-${node.name}`;
}
