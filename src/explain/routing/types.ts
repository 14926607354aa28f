// What nodes tell of their routes, and the rows that people ask for.
import type { BirdRoute } from "../../bird/read/routes.ts";
import type { Route } from "../../kernel/kernel.ts";
import type { RoutingFinding } from "../../plan/routing/bird/findings.ts";
import type { NodeLink } from "../../plan/routing/bird/plan-bird.ts";
import type { SessionReport } from "../../plan/routing/bird/report.ts";
import type { Through, Ways } from "./ways.ts";

/** What a node's agent tells of its routes. */
export interface NodeRouting {
  readonly node: string;
  readonly running: boolean;
  readonly error: string | null;
  readonly sessions: readonly SessionReport[];
  readonly ripNeighbours: readonly {
    readonly node: string;
    readonly interface: string;
    readonly address: string;
  }[];
  readonly findings: readonly RoutingFinding[];
  /** BIRD's. */
  readonly routes: readonly BirdRoute[];
  readonly refused: readonly {
    readonly prefix: string;
    readonly peer: string;
    readonly through: "bgp" | "rip";
    readonly why: string;
  }[];
  /** Prefixes that go out, by the peer's address. */
  readonly exports: Readonly<Record<string, readonly string[]>>;
  /** The main table. */
  readonly kernel: readonly Route[];
  readonly links: readonly (NodeLink & { readonly index: number; readonly mtu: number })[];
}

export interface ClusterRow {
  readonly prefix: string;
  /** A node, or the address outside that it came from. */
  readonly announcedBy: string;
  readonly via: string | null;
  readonly through: Through;
  readonly peer: string | null;
  readonly pool: string | null;
  readonly why: string;
  readonly accepted: boolean;
  readonly outside: boolean;
  /** BIRD of its node tells somebody of it; null: it is none of BIRD's, or nobody knows. */
  readonly announced?: boolean | null;
  /** How other nodes send to it, where that is not the same for all of them. */
  readonly ways?: readonly Ways[];
}
