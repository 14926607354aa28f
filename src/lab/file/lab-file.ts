// What a lab file says, after checking. The schema takes the short forms that people like to write (`address` instead of
// `addresses`, `80` instead of `80/tcp`) and gives the one form that the rest of the lab works with.
import * as z from "zod";
import type { Protocol, Taint } from "../../api/kinds/core.ts";
import { cooldownRule, parseCooldown } from "../../plan/addressing/cooldown.ts";
import { type LabRouter, router } from "./router.ts";
import {
  instanceSchema,
  type LabInstance,
  type LabProvider,
  type LabSecurityGroup,
  type LabSubnet,
  minReleaseAfter,
  providerSchema,
  securityGroupSchema,
  subnetSchema,
} from "./subnets.ts";
import { address, cidr, name } from "./words.ts";

export interface LabNetwork {
  readonly name: string;
  readonly cidrs: readonly string[];
  /** Bytes. */
  readonly mtu: number;
}

export interface LabNode {
  readonly name: string;
  /** At most one a network and family; the first one is the node's InternalIP. */
  readonly addresses: readonly string[];
  readonly zone?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Of the Node object, beside those that the lab itself writes. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  /** What its machine may have, by the lab's provider. */
  readonly instance?: LabInstance;
}

export interface LabPort {
  readonly port: number;
  readonly protocol: Protocol;
}

export interface LabHost {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly ports: readonly LabPort[];
  /** Ranges whose connections it takes; absent: everyone's. */
  readonly admit?: readonly string[];
}

export interface LabFile {
  readonly name: string;
  readonly description?: string;
  readonly networks: readonly LabNetwork[];
  readonly nodes: readonly LabNode[];
  readonly routers: readonly LabRouter[];
  readonly hosts: readonly LabHost[];
  readonly subnets: readonly LabSubnet[];
  readonly securityGroups: readonly LabSecurityGroup[];
  readonly provider: LabProvider;
  /** The least time for which PodNetworkings may keep addresses, in milliseconds; absent: five minutes. */
  readonly minReleaseAfter?: number;
  /** Plugins chained behind ours in every node's CNI configuration. */
  readonly chainedPlugins: readonly ("portmap" | "bandwidth")[];
  /** How long a freed address of a pod rests, in milliseconds; absent: as the agent thinks right. */
  readonly addressCooldown?: number;
  /** Files or folders of manifests, relative to the lab file, applied once the lab is up. */
  readonly manifests: readonly string[];
}

/** `one: x` or `many: [x, y]`, but exactly one of the two keys. */
function oneOrMany<T>(short: T | undefined, long: T[] | undefined): T[] {
  return long ?? (short === undefined ? [] : [short]);
}
const exactlyOne = (a: string, b: string) => ({
  check: (value: Record<string, unknown>) => (value[a] === undefined) !== (value[b] === undefined),
  error: `needs either '${a}' or '${b}'`,
});
const oneAddress = exactlyOne("address", "addresses");
const oneCidr = exactlyOne("cidr", "cidrs");
const addressFields = { address: address.optional(), addresses: z.array(address).min(1).optional() };

const network = z
  .strictObject({
    name,
    cidr: cidr.optional(),
    cidrs: z.array(cidr).min(1).optional(),
    mtu: z.int().min(1280).max(9216).default(1500),
  })
  .refine(oneCidr.check, { error: oneCidr.error })
  .transform((value) => ({ name: value.name, mtu: value.mtu, cidrs: oneOrMany(value.cidr, value.cidrs) }));

const taint = z.strictObject({
  key: z.string().min(1),
  value: z.string().optional(),
  effect: z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"]),
});
const texts = z.record(z.string(), z.string()).default({});

/** One node, as a lab file writes it. */
export const nodeSchema = z
  .strictObject({
    name,
    ...addressFields,
    zone: z.string().min(1).optional(),
    labels: texts,
    annotations: texts,
    taints: z.array(taint).default([]),
    instance: instanceSchema.optional(),
  })
  .refine(oneAddress.check, { error: oneAddress.error })
  .transform(({ address: short, addresses, ...rest }) => ({
    ...rest,
    addresses: oneOrMany(short, addresses),
  }));

const port = z
  .union([z.int(), z.string()], { error: "must be a port such as 80, 80/tcp, 53/udp or 9/sctp" })
  .transform((value, context): LabPort => {
    const found = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/i.exec(String(value));
    const number = Number(found?.[1]);
    if (!found || number < 1 || number > 65535) {
      context.issues.push({
        code: "custom",
        message: "must be a port such as 80, 80/tcp, 53/udp or 9/sctp",
        input: value,
      });
      return z.NEVER;
    }
    return { port: number, protocol: (found[2] ?? "tcp").toUpperCase() as Protocol };
  });

const host = z
  .strictObject({
    name,
    ...addressFields,
    ports: z.array(port).default([]),
    admit: z.array(cidr).optional(),
  })
  .refine(oneAddress.check, { error: oneAddress.error })
  .transform(({ address: short, addresses, ...rest }) => ({
    ...rest,
    addresses: oneOrMany(short, addresses),
  }));

const cooldown = z
  .string({ error: cooldownRule })
  .refine((text) => parseCooldown(text) !== undefined, { error: cooldownRule })
  .transform((text) => parseCooldown(text) ?? 0);

export const labFileSchema = z.strictObject({
  name,
  description: z.string().optional(),
  networks: z.array(network).min(1),
  nodes: z.array(nodeSchema).min(1),
  routers: z.array(router).default([]),
  hosts: z.array(host).default([]),
  subnets: z.array(subnetSchema).default([]),
  securityGroups: z.array(securityGroupSchema).default([]),
  provider: providerSchema.default({ latency: 0, callsPerSecond: 0 }),
  minReleaseAfter: minReleaseAfter.optional(),
  chainedPlugins: z.array(z.enum(["portmap", "bandwidth"])).default([]),
  addressCooldown: cooldown.optional(),
  manifests: z.array(z.string().min(1)).default([]),
});
