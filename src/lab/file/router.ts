// The routers of a lab file: plain forwarders, or BIRD and FRR as data centres run them.
import * as z from "zod";
import { parseGoDuration } from "../../base/go-duration.ts";
import { address, cidr, name } from "./words.ts";

export type RouterType = "static" | "bird" | "frr";

export interface LabRouter {
  readonly name: string;
  readonly addresses: readonly string[];
  /** `static`: the kernel alone; else the daemon that runs in the router's namespace. */
  readonly type: RouterType;
  /**
   * The lab writes a route for every confirmed block of addresses into this router's table, as a cloud does into the
   * route table of its private network. Without it, the router knows its own networks, `routes` and what its daemon hears.
   */
  readonly podRoutes: boolean;
  readonly routes: readonly { readonly to: string; readonly via: string }[];
  /** The daemon's own configuration, a path relative to the lab file; excludes what follows. */
  readonly config?: string;
  /** Its AS; absent: it speaks no BGP. */
  readonly as?: number;
  readonly peers: readonly LabPeer[];
  /** Prefixes that it originates; absent: its networks on which no node stands. */
  readonly announce?: readonly string[];
  readonly rip?: LabRip;
}

/** Whom a router speaks BGP with: exactly one of `address`, `range` and `nodes` is there. */
export interface LabPeer {
  readonly address?: string;
  /** Whoever connects from it is taken. */
  readonly range?: string;
  /** Each node's address on a network that the router is on, too. */
  readonly nodes?: true;
  readonly as: number;
  /** TCP MD5 (RFC 2385). */
  readonly password?: string;
  readonly passive: boolean;
  readonly multihop: boolean;
}

/** RIP version 2 (RFC 2453), and ng (RFC 2080) on networks with IPv6. Times in seconds. */
export interface LabRip {
  readonly networks: readonly string[];
  readonly update: number;
  readonly timeout: number;
  readonly garbage: number;
}

const asNumber = z.int().min(1).max(4_294_967_295);

const peer = z
  .strictObject({
    address: address.optional(),
    range: cidr.optional(),
    nodes: z.literal(true).optional(),
    as: asNumber,
    // What stands in a daemon's quotes needs no escape in either of them.
    password: z
      .string()
      .regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,80}$/, {
        error: "must be 1 to 80 printable ASCII characters without spaces, quotes and backslashes",
      })
      .optional(),
    passive: z.boolean().default(false),
    multihop: z.boolean().default(false),
  })
  .refine((one) => [one.address, one.range, one.nodes].filter((part) => part !== undefined).length === 1, {
    error: "needs exactly one of 'address', 'range' and 'nodes'",
  });

const seconds = z
  .string()
  .transform((text) => (parseGoDuration(text) ?? 0) / 1000)
  .refine((value) => Number.isInteger(value) && value >= 1 && value <= 65_535, {
    error: "must be whole seconds from 1s to 65535s, such as 5s",
  });

const rip = z.strictObject({
  networks: z.array(name).min(1),
  update: seconds.default(5),
  timeout: seconds.default(15),
  garbage: seconds.default(10),
});

export const router = z
  .strictObject({
    name,
    addresses: z.array(address).min(1),
    type: z.enum(["static", "bird", "frr"]).default("static"),
    podRoutes: z.boolean().optional(),
    routes: z.array(z.strictObject({ to: cidr, via: address })).default([]),
    config: z.string().min(1).optional(),
    as: asNumber.optional(),
    peers: z.array(peer).default([]),
    announce: z.array(cidr).optional(),
    rip: rip.optional(),
  })
  // A daemon learns routes; what the lab wrote beside it would hide whether it does.
  .transform((value) => ({ ...value, podRoutes: value.podRoutes ?? value.type === "static" }));
