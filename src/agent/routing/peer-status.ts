// Writes how this node's sessions stand on the BGPPeers that ask for them, with an event for each that goes and comes.
// Every node writes its own entries into the same list; those of nodes that are no more go with anybody's next writing.

import { equalJson } from "../../api/equal.ts";
import type { Condition } from "../../api/kinds/core.ts";
import { type BGPPeer, bgpPeerKind } from "../../api/kinds/routing/bgp.ts";
import { isError, textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { stampOf } from "../../base/stamp.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import type { SessionErrorCode, SessionReport } from "../../plan/routing/bird/report.ts";
import { change } from "../../store/change.ts";
import { EventRecorder } from "../../store/event-recorder.ts";
import type { Store } from "../../store/store.ts";

export interface PeerStatusOptions {
  readonly node: string;
  readonly store: Store;
  readonly logger: Logger;
}

const RETRIES = 9;
/** For so long a session that has never stood is not told of where nothing but silence is known of it (milliseconds). */
const WAIT_MS = 10_000;
const ESTABLISHED = "Established";
/**
 * Where nothing but numbers of routes has changed, a node writes no sooner than this after it has written (milliseconds):
 * with each block of the cluster they change on every node, and all write into the same objects.
 */
const FIGURES_MS = 10_000;

export class PeerStatus {
  readonly #options: PeerStatusOptions;
  readonly #events: EventRecorder;
  /** What was last seen of each session. */
  readonly #states = new Map<string, boolean>();
  /** When this node has last written, by BGPPeer's uid. */
  readonly #written = new Map<string, number>();
  /** Since when those have been silent of which nothing was told yet. */
  readonly #silent = new Map<string, number>();

  constructor(options: PeerStatusOptions) {
    const { store, node, logger } = options;
    this.#options = options;
    this.#events = new EventRecorder(store, { component: "trunkline-agent", host: node }, logger);
  }

  /** Brings all BGPPeers up to date; what cannot be written is written next time. */
  async tell(facts: ClusterFacts, reports: readonly SessionReport[]): Promise<void> {
    const { node, logger } = this.#options;
    const nodes = new Set(facts.nodes.keys());
    for (const peer of facts.bgpPeers.values()) {
      const name = `BGPPeer/${peer.metadata.name}`;
      const own = reports.filter(({ object }) => object === name);
      this.#tellChanges(peer, own);
      const next = withSessions(peer, node, own, nodes);
      if (equalJson(next.status ?? {}, peer.status ?? {})) continue;
      const { uid } = peer.metadata;
      const now = performance.now();
      if (now - (this.#written.get(uid) ?? -Infinity) < FIGURES_MS && differByFigures(peer, next)) continue;
      try {
        await this.#write(peer, own, nodes);
        this.#written.set(uid, now);
      } catch (error) {
        logger.warn(
          { peer: peer.metadata.name, error: textOf(error) },
          "the state of sessions could not be written",
        );
      }
    }
  }

  async #write(peer: BGPPeer, own: readonly SessionReport[], nodes: ReadonlySet<string>): Promise<void> {
    const { store, node } = this.#options;
    const { name, uid } = peer.metadata;
    try {
      await change(store, bgpPeerKind, { name, uid }, (now) => withSessions(now, node, own, nodes), RETRIES);
    } catch (error) {
      // Other nodes write their own parts all the time: it is tried again with the next look.
      if (!isError(error, "store.conflict")) throw error;
    }
  }

  #tellChanges(peer: BGPPeer, own: readonly SessionReport[]): void {
    const { apiVersion, kind, metadata } = peer;
    const { node } = this.#options;
    const object = { apiVersion, kind, name: metadata.name, uid: metadata.uid };
    for (const { protocol, peer: address, state, error } of own) {
      const key = `${metadata.uid} ${protocol}`;
      const up = state === ESTABLISHED;
      const before = this.#states.get(key);
      if (before === up || (before === undefined && !up && this.#isEarly(key, error?.code))) continue;
      this.#states.set(key, up);
      this.#silent.delete(key);
      const why = error ? `: ${error.message}` : "";
      this.#events.record(
        up
          ? { object, type: "Normal", reason: "BGPSessionUp", message: `${node} speaks with ${address}` }
          : {
              object,
              type: "Warning",
              reason: "BGPSessionDown",
              message: `${node} has no session with ${address}${why}`,
            },
      );
    }
  }

  /** Of one that has not come up yet the reason is waited for: BIRD itself may be about to start. */
  #isEarly(key: string, code: SessionErrorCode | undefined): boolean {
    if (code !== undefined && code !== "no-answer" && code !== "bird-away") return false;
    const now = performance.now();
    const since = this.#silent.get(key) ?? now;
    this.#silent.set(key, since);
    return now - since < WAIT_MS;
  }
}

/** Returns the BGPPeer with one node's sessions in its status. */
export function withSessions(
  peer: BGPPeer,
  node: string,
  own: readonly SessionReport[],
  nodes: ReadonlySet<string>,
): BGPPeer {
  const others = ((peer.status?.sessions ?? []) as unknown as SessionReport[]).filter(
    (one) => one.node !== node && nodes.has(one.node),
  );
  const sessions = [...others, ...own].toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
  const wanted = conditionOf(sessions);
  const before = peer.status?.conditions?.find(({ type }) => type === ESTABLISHED);
  const kept = (peer.status?.conditions ?? []).filter(({ type }) => type !== ESTABLISHED);
  const since = before?.status === wanted.status ? before.lastTransitionTime : undefined;
  const lastTransitionTime = since ?? stampOf();
  const status = { conditions: [...kept, { ...wanted, lastTransitionTime }], sessions };
  return { ...peer, status: status as unknown as NonNullable<BGPPeer["status"]> };
}

/** Whether two states of a BGPPeer are the same but for how many routes go through sessions. */
function differByFigures(before: BGPPeer, after: BGPPeer): boolean {
  const told = ({ status }: BGPPeer) => ({
    ...status,
    sessions: ((status?.sessions ?? []) as unknown as SessionReport[]).map(
      ({ routesIn: _in, routesOut: _out, ...rest }) => rest,
    ),
  });
  return equalJson(told(before), told(after));
}

function conditionOf(sessions: readonly SessionReport[]): Condition {
  const type = ESTABLISHED;
  const down = sessions.filter(({ state }) => state !== ESTABLISHED);
  const [first] = down;
  if (sessions.length === 0)
    return {
      type,
      status: "Unknown",
      reason: "no-sessions",
      message: "no node has a session by this object",
    };
  if (!first)
    return {
      type,
      status: "True",
      reason: "Established",
      message: `${sessions.length} of ${sessions.length} sessions`,
    };
  const { code, message } = first.error ?? {
    code: "no-answer",
    message: `state ${first.state ?? "unknown"}`,
  };
  const text = `${sessions.length - down.length} of ${sessions.length} sessions; ${first.node}: ${message}`;
  return { type, status: "False", reason: code, message: text };
}

function key({ node, protocol }: SessionReport): string {
  return `${node} ${protocol}`;
}
