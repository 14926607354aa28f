// Which BGP sessions a node has. Both ends come to the same answer, because each computes what the other one will choose:
// of several objects that ask for one session the first by name counts, and the mesh last.
import { isDeepStrictEqual } from "node:util";

import { mostAs, parseAsNumber } from "../../../api/as-number.ts";
import { mostHops, mostOwnAs, type PeerAddress, parsePeerAddress } from "../../../api/bgp-words.ts";
import type { Node } from "../../../api/kinds/core.ts";
import type { AsNumber, BGPPeer } from "../../../api/kinds/routing/bgp.ts";
import { DEFAULT_NAME } from "../../../api/kinds/routing/routing-configuration.ts";
import { calicoSelector, type LabelTest } from "../../../api/selectors/calico-selector.ts";
import { isError } from "../../../base/errors.ts";
import { type Family, parseIp } from "../../../base/ip.ts";
import { isWhole } from "../../../base/whole.ts";
import type { ClusterFacts } from "../../facts.ts";
import { nodeAddress } from "../node-address.ts";
import {
  bgpSettings,
  clusterId,
  nodeAs,
  nodePort,
  passwordOf,
  restartSeconds,
  routingProtocols,
} from "./settings.ts";

const FAMILIES: readonly Family[] = [4, 6];
const USUAL_PORT = 179;

export interface Session {
  readonly node: string;
  /** BIRD's name of it. */
  readonly protocol: string;
  readonly family: Family;
  readonly peer: string;
  readonly port: number;
  /** Undefined: outside the cluster. */
  readonly peerNode: string | undefined;
  /** Undefined: the kernel chooses. */
  readonly localAddress: string | undefined;
  readonly localPort: number;
  readonly localAS: number;
  readonly peerAS: number;
  /** `BGPPeer/NAME` or `BGPConfiguration/default` */
  readonly object: string;
  /** It signs; the text is undefined while `held`. */
  readonly signed: boolean;
  readonly password: string | undefined;
  /** Why it is not configured. */
  readonly held: { readonly code: "secret-missing" | "bad-as-number"; readonly message: string } | undefined;
  readonly passive: boolean;
  readonly client: boolean;
  readonly clusterId: string | undefined;
  readonly nextHop: "auto" | "self" | "keep";
  readonly ttlSecurity: number | undefined;
  /** Seconds. */
  readonly restartTime: number;
  readonly allowedLocalAS: number;
  /** Names of BGPFilters. */
  readonly filters: readonly string[];
  readonly reachableBy: string | undefined;
  /** What makes the other end begin the session anew when it changes there, and is not seen on this end. */
  readonly farEnd: string;
}

/** Returns the sessions of one node, by peer's address; none unless BGP is among the protocols. */
export function sessionsOf(facts: ClusterFacts, node: string): readonly Session[] {
  return new SessionPlanner(facts).of(node);
}

/** Returns the sessions of all nodes. */
export function allSessions(facts: ClusterFacts): readonly Session[] {
  const planner = new SessionPlanner(facts);
  return [...facts.nodes.keys()].toSorted().flatMap((node) => planner.of(node));
}

/**
 * Returns the sessions of one node once those other nodes have come, changed or gone, and nothing else since `before` was made;
 * `before` itself where that is the same.
 */
export function sessionsAfter(
  facts: ClusterFacts,
  node: string,
  before: readonly Session[],
  others: ReadonlySet<string>,
): readonly Session[] {
  const after = new SessionPlanner(facts).after(node, before, others);
  return isDeepStrictEqual(after, before) ? before : after;
}

/** A BGPPeer, with what its selectors mean. */
interface Peering {
  readonly object: BGPPeer;
  readonly isLocal: (node: Node) => boolean;
  /** Undefined where the peer is said by address. */
  readonly isTarget: ((node: Node) => boolean) | undefined;
  readonly address: PeerAddress | undefined;
}

/** What asks for a session: a BGPPeer, or the mesh. */
type Cause = Peering | "mesh";

class SessionPlanner {
  readonly #facts: ClusterFacts;
  readonly #peerings: readonly Peering[];
  readonly #mesh: boolean;

  constructor(facts: ClusterFacts) {
    const bgp = routingProtocols(facts).has("bgp");
    this.#facts = facts;
    this.#mesh = bgp && bgpSettings(facts).nodeToNodeMeshEnabled !== false;
    this.#peerings = bgp
      ? [...facts.bgpPeers.values()]
          .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
          .flatMap(readPeering)
      : [];
  }

  of(name: string): Session[] {
    const node = this.#facts.nodes.get(name);
    if (!node) return [];
    return sorted([...this.#withNodes(node, this.#facts.nodes.values()), ...this.#outside(node)]);
  }

  /** Returns the same from an earlier answer, of which only what hangs on those others may have changed. */
  after(name: string, before: readonly Session[], others: ReadonlySet<string>): Session[] {
    const node = this.#facts.nodes.get(name);
    if (!node) return [];
    const kept = before.filter(({ peerNode }) => peerNode !== undefined && !others.has(peerNode));
    const changed = [...others].flatMap((other) => this.#facts.nodes.get(other) ?? []);
    // Who is outside is who has no node's address.
    return sorted([...kept, ...this.#withNodes(node, changed), ...this.#outside(node)]);
  }

  *#withNodes(node: Node, others: Iterable<Node>): Generator<Session> {
    const own = FAMILIES.flatMap((family) => {
      const found = nodeAddress(this.#facts, node, family);
      return found ? [{ family, address: found.address }] : [];
    });
    for (const other of others) {
      if (other.metadata.name === node.metadata.name) continue;
      for (const { family, address } of own) {
        const theirs = nodeAddress(this.#facts, other, family)?.address;
        if (theirs === undefined || address === theirs) continue;
        const cause = this.#cause(node, other, family);
        if (cause !== undefined) yield this.#nodeSession(node, other, family, cause);
      }
    }
  }

  /** Returns why `node` has a session with another node, if it has one. */
  #cause(node: Node, other: Node, family: Family): Cause | undefined {
    for (const peering of this.#peerings) {
      if (this.#names(peering, node, other, family)) return peering;
      const back = peering.object.spec.reversePeering !== "Manual";
      if (back && this.#names(peering, other, node, family)) return peering;
    }
    const meshed = this.#mesh && clusterId(node) === undefined && clusterId(other) === undefined;
    return meshed ? "mesh" : undefined;
  }

  #names({ isLocal, isTarget, address }: Peering, node: Node, other: Node, family: Family): boolean {
    if (!isLocal(node)) return false;
    if (isTarget) return isTarget(other);
    if (address?.ip.family !== family) return false;
    return nodeAddress(this.#facts, other, family)?.address === address.address;
  }

  #nodeSession(node: Node, other: Node, family: Family, cause: Cause): Session {
    const facts = this.#facts;
    const peer = nodeAddress(this.#facts, other, family)!.address;
    const own = nodeAddress(this.#facts, node, family)!.address;
    const back = this.#cause(other, node, family);
    const localAS = this.#asFor(node, cause);
    const peerAS = back === undefined ? nodeAs(facts, other) : this.#asFor(other, back);
    const id = clusterId(node);
    const port = nodePort(facts, other.metadata.name);
    return {
      ...this.#common(node, peer, port, family, cause),
      ...heldByAs(localAsOf(node, cause), back && localAsOf(other, back)),
      peerNode: other.metadata.name,
      localAS,
      peerAS,
      // Where both open the connection, one of the two is thrown away, and with it what a restart was to keep.
      passive: back !== undefined && parseIp(own).value < parseIp(peer).value,
      client: id !== undefined && localAS === peerAS && clusterId(other) !== id,
      clusterId: id,
      reachableBy: undefined,
      farEnd: `${clusterId(other) ?? ""} ${clusterId(other) !== undefined && clusterId(other) !== id}`,
    };
  }

  *#outside(node: Node): Generator<Session> {
    const taken = new Set<string>();
    for (const peering of this.#peerings) {
      const { address, object, isLocal } = peering;
      if (!address || !isLocal(node) || this.#nodeAt(address)) continue;
      const { family } = address.ip;
      const port = address.port ?? USUAL_PORT;
      const key = `${address.address} ${port}`;
      if (nodeAddress(this.#facts, node, family) === undefined || taken.has(key)) continue;
      taken.add(key);
      const localAS = this.#asFor(node, peering);
      const peerAS = parseAsNumber(object.spec.asNumber ?? 0) ?? localAS;
      const id = clusterId(node);
      yield {
        ...this.#common(node, address.address, port, family, peering),
        ...heldByAs(object.spec.asNumber, localAsOf(node, peering)),
        peerNode: undefined,
        localAS,
        peerAS,
        passive: false,
        client: false,
        clusterId: id,
        reachableBy: object.spec.reachableBy,
        farEnd: "",
      };
    }
  }

  #nodeAt({ address, ip }: PeerAddress): Node | undefined {
    for (const node of this.#facts.nodes.values())
      if (nodeAddress(this.#facts, node, ip.family)?.address === address) return node;
    return undefined;
  }

  #asFor(node: Node, cause: Cause): number {
    const local = localAsOf(node, cause);
    return (local === undefined ? undefined : parseAsNumber(local)) ?? nodeAs(this.#facts, node);
  }

  #common(node: Node, peer: string, port: number, family: Family, cause: Cause) {
    const facts = this.#facts;
    const settings = bgpSettings(facts);
    const spec = cause === "mesh" ? undefined : cause.object.spec;
    const password = passwordOf(facts, spec ? spec.password : settings.nodeMeshPassword);
    const keeps = spec?.nextHopMode === "Keep" || spec?.keepOriginalNextHop === true;
    // What is out of bounds counts as absent: BIRD would refuse all that it is told.
    const { ttlSecurity: hops, numAllowedLocalASNumbers: allowed } = spec ?? {};
    return {
      node: node.metadata.name,
      protocol: protocolName(peer, port),
      family,
      peer,
      port,
      localAddress:
        spec?.sourceAddress === "None" ? undefined : nodeAddress(this.#facts, node, family)?.address,
      localPort: nodePort(facts, node.metadata.name),
      object: cause === "mesh" ? `BGPConfiguration/${DEFAULT_NAME}` : `BGPPeer/${cause.object.metadata.name}`,
      signed: password.state !== "none",
      password: password.state === "known" ? password.text : undefined,
      held:
        password.state === "missing"
          ? ({
              code: "secret-missing",
              message: `${password.why}; without the password there is no session`,
            } as const)
          : undefined,
      nextHop: spec?.nextHopMode === "Self" ? "self" : keeps ? "keep" : "auto",
      ttlSecurity: isWhole(hops, 1, mostHops) ? hops : undefined,
      restartTime: restartSeconds(
        facts,
        spec ? spec.maxRestartTime : undefined,
        settings.nodeMeshMaxRestartTime,
      ),
      allowedLocalAS: isWhole(allowed, 0, mostOwnAs) ? allowed : 0,
      filters: spec?.filters ?? [],
    } as const;
  }
}

/** An object's localASNumber is of those nodes that it names as its own side. */
function localAsOf(node: Node, cause: Cause): AsNumber | undefined {
  return cause !== "mesh" && cause.isLocal(node) ? cause.object.spec.localASNumber : undefined;
}

/** The node's own number in place of one that cannot be read would make a session of another kind, with other rules. */
function heldByAs(...told: readonly (AsNumber | undefined)[]): Partial<Pick<Session, "held" | "password">> {
  const bad = told.find((one) => one !== undefined && parseAsNumber(one) === undefined);
  if (bad === undefined) return {};
  return {
    held: {
      code: "bad-as-number",
      message: `'${bad}' is no AS number (1 to ${mostAs}): without it there is no session`,
    },
    password: undefined,
  };
}

function sorted(sessions: readonly Session[]): Session[] {
  return sessions.toSorted((a, b) => (a.protocol < b.protocol ? -1 : a.protocol > b.protocol ? 1 : 0));
}

/** The same for whatever object asks for it: a session whose settings stay the same stays up. */
function protocolName(peer: string, port: number): string {
  const name = `bgp_${peer.replaceAll(/[.:]/g, "_")}`;
  return port === USUAL_PORT ? name : `${name}_p${port}`;
}

/** By object, which is replaced and never written to: what it says, and what that means for each node. */
const readings = new WeakMap<BGPPeer, readonly Peering[]>();

function readPeering(object: BGPPeer): readonly Peering[] {
  const known = readings.get(object) ?? read(object);
  readings.set(object, known);
  return known;
}

/** Selectors are asked about every pair of nodes. */
function remembered(test: (node: Node) => boolean): (node: Node) => boolean {
  const known = new WeakMap<Node, boolean>();
  return (node) => {
    let answer = known.get(node);
    if (answer === undefined) {
      answer = test(node);
      known.set(node, answer);
    }
    return answer;
  };
}

function read(object: BGPPeer): Peering[] {
  const { node, nodeSelector, peerIP = "", peerSelector = "" } = object.spec;
  const selects = tryParse(nodeSelector ?? "");
  const isTarget = peerSelector === "" ? undefined : tryParse(peerSelector);
  // The schema reports what cannot be read; here it counts as absent.
  if (!selects || (peerSelector !== "" && !isTarget)) return [];
  const named = node !== undefined && node !== "";
  return [
    {
      object,
      isLocal: named
        ? (one) => one.metadata.name === node
        : remembered((one) => selects(one.metadata.labels)),
      isTarget: isTarget && remembered((one) => isTarget(one.metadata.labels)),
      address: parsePeerAddress(peerIP),
    },
  ];
}

function tryParse(selector: string): LabelTest | undefined {
  try {
    return calicoSelector(selector);
  } catch (error) {
    if (isError(error, "api.selector")) return undefined;
    throw error;
  }
}
