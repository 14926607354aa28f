// An answer about a Service, and the groups of worlds that it is made of.
import type { World } from "../../plan/foreign/index.ts";
import type { Answer, Explanation } from "../explain.ts";
import type { Told } from "../told.ts";
import type { Access } from "./frontend.ts";

/** The Service that a flow is for. */
export interface ServiceAnswer {
  /** `namespace/name` */
  readonly name: string;
  /** How it is reached. */
  readonly by: Access;
  /** null: headless, its endpoints are asked themselves. */
  readonly address: string | null;
  /** `80/tcp`: what the sender asks for. */
  readonly port: string;
  readonly portName: string | null;
  readonly internalTrafficPolicy: string;
  readonly externalTrafficPolicy: string | null;
  readonly sessionAffinity: string;
  readonly publishNotReadyAddresses: boolean;
  /** What decides which endpoints may be chosen: the nodes' own rules, or what objects make kube-proxy do. */
  readonly from: "rules" | "objects";
  /** In sentences: what has to be known to understand the answer. */
  readonly notes: readonly string[];
}

/** One endpoint, and what becomes of the packets that are sent to it. */
export interface EndpointAnswer {
  /** `pod/default/web-1`, or the address of whom no object names. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly node: string | null;
  readonly zone: string | null;
  /** Zones and nodes that should prefer it. */
  readonly zoneHints: readonly string[];
  readonly nodeHints: readonly string[];
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** It may be chosen for this sender. */
  readonly chosen: boolean;
  /** Why it is not. */
  readonly why?: string;
  /** Of one that may be chosen; the same as in its explanation, which has the rest. */
  readonly answer?: Answer;
  readonly allowed?: boolean | null;
  readonly reachable?: boolean | null;
  readonly expected?: Explanation["expected"];
  readonly sourceSeen?: string | null;
  readonly explanation?: Explanation;
}

export interface ServiceExplanation extends Explanation {
  readonly service: ServiceAnswer;
  readonly endpoints: readonly EndpointAnswer[];
}

/** Packets that end alike: at one endpoint, or (undefined) at none. */
export interface Group {
  readonly endpoint: { readonly address: string; readonly port: number } | undefined;
  readonly worlds: readonly World<Told>[];
}
