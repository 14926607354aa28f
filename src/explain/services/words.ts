// What has to be said beside the answer about a Service.
import type { ClusterFacts } from "../../plan/facts.ts";
import type { World } from "../../plan/foreign/index.ts";
import { type End, nodeOf } from "../ends.ts";
import type { Judges } from "../judges/judge.ts";
import type { Told } from "../told.ts";
import type { Frontend } from "./frontend.ts";
import type { ReadEndpoint } from "./read.ts";
import type { EndpointAnswer } from "./types.ts";

/** Returns why an endpoint is not chosen for this sender. */
export function whyNotChosen({ by, service }: Frontend, endpoint: ReadEndpoint, isByRules: boolean): string {
  const { ready, serving, terminating, node } = endpoint;
  if (!ready && terminating) return `it is ending${serving ? ", and others are ready" : ""}`;
  if (!ready) return "it is not ready";
  if (by === "Headless") return "the Service's name does not lead to it";
  if (isByRules && service.spec?.sessionAffinity === "ClientIP")
    return "no rule that the packet meets leads to it now: sessionAffinity may keep the sender with another one";
  return isByRules
    ? "no rule that the packet meets leads to it"
    : `the traffic policy is Local, and it is on ${node === undefined ? "no node" : `node ${node}`}`;
}

/** Returns what has to be known to understand the answer about a Service. */
export function notesOf(
  facts: ClusterFacts,
  judges: Judges,
  from: End,
  front: Frontend,
  worlds: readonly World<Told>[],
  endpoints: readonly EndpointAnswer[],
): string[] {
  const { spec } = front.service;
  const notes: string[] = [];
  const silent = withoutProxy(facts, judges, from, front);
  if (silent !== undefined && worlds.some(({ told }) => told && !isTranslated(told, front)))
    notes.push(silent);
  if (endpoints.length === 0 && (front.port || front.by === "Headless"))
    notes.push(
      `no EndpointSlice of Service ${front.key} has an endpoint${spec?.selector ? " (its selector finds no pod that is known)" : ""}`,
    );
  if (!front.port && front.by !== "Headless")
    notes.push(`Service ${front.key} has no port ${front.asked.port}/${front.asked.protocol.toLowerCase()}`);
  if (spec?.sessionAffinity === "ClientIP" && endpoints.length > 1)
    notes.push("sessionAffinity is ClientIP: a sender stays with the endpoint that was chosen for it first");
  if (spec?.publishNotReadyAddresses === true)
    notes.push("publishNotReadyAddresses is set: endpoints count as ready from their start");
  const zones = [...new Set(endpoints.flatMap(({ zoneHints, nodeHints }) => [...zoneHints, ...nodeHints]))];
  if (zones.length > 0)
    notes.push(
      `endpoints are hinted for ${zones.toSorted().join(", ")}: kube-proxy may choose among fewer than these`,
    );
  return notes;
}

function isTranslated({ asks }: Told, { address, asked }: Frontend): boolean {
  return asks !== undefined && (asks.address !== address || asks.port !== asked.port);
}

/** Returns what to say where no kube-proxy has written rules on the node that has to take the packet. */
function withoutProxy(
  { nodes }: ClusterFacts,
  { network }: Judges,
  from: End,
  front: Frontend,
): string | undefined {
  const node = front.node ?? nodeOf(from);
  if (node === undefined || !nodes.has(node) || front.by === "Headless") return undefined;
  const rules = network?.rulesOf(`node/${node}`);
  if (!rules) return undefined;
  const isThere = [...rules.chains.values()].some(({ title }) =>
    /\bkube-proxy\b|\bKUBE-SERVICES\b/.test(title),
  );
  return isThere
    ? undefined
    : `no kube-proxy on node ${node}: no rule there sends what is for ${front.address} to an endpoint`;
}
