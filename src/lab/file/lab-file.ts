// What a lab file says, after checking. The schema takes the short forms that people like to write (`address` instead of
// `addresses`, `80` instead of `80/tcp`) and gives the one form that the rest of the lab works with.
import { z } from "zod";
import type { Protocol, Taint } from "../../api/kinds/core.ts";
import { formatIp, parseCidr, tryParseCidr, tryParseIp } from "../../base/ip.ts";
import { cooldownRule, parseCooldown } from "../../plan/addressing/cooldown.ts";

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
  readonly annotations: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
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

export interface LabRouter {
  readonly name: string;
  readonly addresses: readonly string[];
  /**
   * The lab writes a route for every confirmed block of addresses into this router's table, as a cloud does into the
   * route table of its private network. Without it, the router knows only its own networks and `routes`.
   */
  readonly podRoutes: boolean;
  readonly routes: readonly { readonly to: string; readonly via: string }[];
}

/** A subnet that pods' addresses can be taken from (a vSwitch). */
export interface LabSubnet {
  readonly id: string;
  readonly zone: string;
  readonly cidr: string;
}

export interface LabFile {
  readonly name: string;
  readonly description?: string;
  readonly networks: readonly LabNetwork[];
  readonly nodes: readonly LabNode[];
  readonly routers: readonly LabRouter[];
  readonly hosts: readonly LabHost[];
  readonly subnets: readonly LabSubnet[];
  /** Plugins chained behind ours in every node's CNI configuration. */
  readonly chainedPlugins: readonly ("portmap" | "bandwidth")[];
  /** How long a freed address of a pod rests, in milliseconds; absent: as the agent thinks right. */
  readonly addressCooldown?: number;
  /** Files or folders of manifests, relative to the lab file, applied once the lab is up. */
  readonly manifests: readonly string[];
}

const name = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/, {
  error: "must be 1 to 40 small letters, digits or '-', and begin and end with a letter or digit",
});
const address = z
  .string()
  .refine((text) => tryParseIp(text) !== undefined, { error: "must be an IP address" })
  // One way of writing it, so that texts can be compared.
  .transform((text) => {
    const ip = tryParseIp(text);
    return ip ? formatIp(ip) : text;
  });
const cidr = z.string().refine((text) => tryParseCidr(text) !== undefined, {
  error: (issue) => whyNotRange(String(issue.input)),
});

function whyNotRange(text: string): string {
  try {
    parseCidr(text);
    return "";
  } catch (error) {
    return (error as Error).message;
  }
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
const labels = z.record(z.string(), z.string()).default({});

const node = z
  .strictObject({
    name,
    ...addressFields,
    zone: z.string().min(1).optional(),
    labels,
    annotations: labels,
    taints: z.array(taint).default([]),
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

const router = z.strictObject({
  name,
  addresses: z.array(address).min(1),
  type: z
    .enum(["static", "bird", "frr"])
    .default("static")
    .refine((type) => type === "static", {
      error: "routers that run BIRD or FRR are not built yet; 'static' is",
    }),
  podRoutes: z.boolean().default(true),
  routes: z.array(z.strictObject({ to: cidr, via: address })).default([]),
});

const subnet = z.strictObject({ id: z.string().min(1), zone: z.string().min(1), cidr });

const cooldown = z
  .string({ error: cooldownRule })
  .refine((text) => parseCooldown(text) !== undefined, { error: cooldownRule })
  .transform((text) => parseCooldown(text) ?? 0);

export const labFileSchema = z.strictObject({
  name,
  description: z.string().optional(),
  networks: z.array(network).min(1),
  nodes: z.array(node).min(1),
  routers: z.array(router).default([]),
  hosts: z.array(host).default([]),
  subnets: z.array(subnet).default([]),
  chainedPlugins: z.array(z.enum(["portmap", "bandwidth"])).default([]),
  addressCooldown: cooldown.optional(),
  manifests: z.array(z.string().min(1)).default([]),
});
