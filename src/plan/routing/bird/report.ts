// One BGP session as it is told to people and machines: what was planned of it, and how it stands.
import type { Session } from "./sessions.ts";

/** `state` is BGP's word; null where only manifests are known. Times are RFC 3339. */
export interface SessionReport {
  readonly node: string;
  readonly protocol: string;
  readonly peer: string;
  readonly port: number;
  readonly peerNode: string | null;
  readonly localAddress: string | null;
  readonly localAS: number;
  readonly peerAS: number;
  readonly object: string;
  readonly state: string | null;
  readonly since: string | null;
  readonly error: SessionError | null;
  readonly password: boolean;
  readonly passive: boolean;
  readonly routeReflectorClient: boolean;
  readonly clusterID: string | null;
  readonly nextHop: "auto" | "self" | "keep";
  readonly ttlSecurity: number | null;
  readonly gracefulRestartTime: string;
  readonly allowedLocalAS: number;
  readonly filters: readonly string[];
  readonly routesIn: number | null;
  readonly routesOut: number | null;
  readonly refused: readonly { readonly prefix: string; readonly why: string }[];
}

export type SessionErrorCode =
  | "wrong-password"
  | "password-not-sent"
  | "password-unexpected"
  | "wrong-as"
  | "no-answer"
  | "connection-refused"
  | "hold-timer-expired"
  | "too-many-prefixes"
  | "secret-missing"
  | "bad-as-number"
  | "no-local-address"
  | "peer-closed"
  | "bird-away";

export interface SessionError {
  readonly code: SessionErrorCode;
  readonly message: string;
}

/** What keeps sessions from standing, or routes from being told, on a node. */
export const ROUTING_CONDITION = "RoutesTold";

/** Returns what to do about a session that does not stand. */
export function adviceFor({ error, object, peer, port, node, peerNode }: SessionReport): string {
  const of = peerNode === null ? "the peer" : `node ${peerNode}`;
  switch (error?.code) {
    case "wrong-password":
    case "password-not-sent":
    case "password-unexpected":
      return `set the same password at both ends: the Secret that ${object} names, and ${of}'s own`;
    case "wrong-as":
      return `let ${object} and ${of} name each other's AS`;
    case "connection-refused":
      return `start the BGP daemon of ${of}, and let it know ${node} as a neighbour`;
    case "too-many-prefixes":
      return `let ${of} take more prefixes, or tell it less by a BGPFilter`;
    case "secret-missing":
      return `create the Secret, in namespace kube-system`;
    case "bad-as-number":
      return `write asNumber and localASNumber of ${object} as numbers, such as 64512 or 1.10`;
    case "no-local-address":
      return `give the address back to the node, or let its agent find another one (RoutingConfiguration, spec.nodeAddress)`;
    case "bird-away":
      return `look at bird/bird.log in the agent's state folder of ${node}, and at the agent's log`;
    default:
      return `see whether ${of} runs BGP, knows ${node} as a neighbour, and is reached at ${peer} on TCP port ${port}`;
  }
}

export interface LiveSession {
  readonly state: string;
  readonly since: string | null;
  readonly error: SessionError | null;
  readonly routesIn: number;
  readonly routesOut: number;
  readonly refused: SessionReport["refused"];
}

/** Returns a session's report; `live`: how it stands, where anybody knows. */
export function sessionReport(session: Session, live?: LiveSession): SessionReport {
  return {
    node: session.node,
    protocol: session.protocol,
    peer: session.peer,
    port: session.port,
    peerNode: session.peerNode ?? null,
    localAddress: session.localAddress ?? null,
    localAS: session.localAS,
    peerAS: session.peerAS,
    object: session.object,
    state: live?.state ?? null,
    since: live?.since ?? null,
    error: live?.error ?? session.held ?? null,
    password: session.signed,
    passive: session.passive,
    routeReflectorClient: session.client,
    clusterID: session.clusterId ?? null,
    nextHop: session.nextHop,
    ttlSecurity: session.ttlSecurity ?? null,
    gracefulRestartTime: `${session.restartTime}s`,
    allowedLocalAS: session.allowedLocalAS,
    filters: session.filters,
    routesIn: live?.routesIn ?? null,
    routesOut: live?.routesOut ?? null,
    refused: live?.refused ?? [],
  };
}
