// The answer about a flow to a Service: which endpoints may be chosen, and for each what becomes of the packet that is
// sent there. Where the network is known whole, the rules that the nodes have are followed; elsewhere objects tell, and
// what kube-proxy makes of them.
import type { Service } from "../../api/kinds/service.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import type { World } from "../../plan/foreign/index.ts";
import type { ServiceObjects } from "../../plan/services.ts";
import { type End, endAt } from "../ends.ts";
import { type Answer, type Explanation, endsOf, explanationOf, verdictOf, worldsOf } from "../explain.ts";
import type { PlacedFlow } from "../fate.ts";
import type { Judges } from "../judges/judge.ts";
import { formatPort } from "../ports.ts";
import { doubtsOf, type Told } from "../told.ts";
import { byObjects } from "./by-objects.ts";
import type { Frontend } from "./frontend.ts";
import { Groups } from "./groups.ts";
import { endpointsOf, type ReadEndpoint } from "./read.ts";
import type { EndpointAnswer, Group, ServiceAnswer, ServiceExplanation } from "./types.ts";
import { notesOf, whyNotChosen } from "./words.ts";

/**
 * Explains a flow to a Service.
 * @throws TrunklineError `explain.no-address`, `explain.family`
 */
export function explainService(
  facts: ClusterFacts,
  judges: Judges,
  objects: ServiceObjects,
  from: End,
  front: Frontend,
): ServiceExplanation {
  const { key, service } = front;
  const endpoints = candidates(objects, front, from);
  const target = front.address ?? endpoints[0]?.address;
  const name = `service/${key}`;
  // A headless Service without endpoints has no address, and nobody to ask.
  const { flow, groups } =
    target === undefined ? nobody(from, name, front) : groupsOf(facts, judges, from, front, endpoints);
  const isByRules = followsRules(judges, from);
  const answers = groups.map((group) => ({
    ...group,
    said: explanationOf(
      facts,
      judges,
      group.endpoint ? flowTo(facts, flow, group.endpoint) : flow,
      group.worlds,
      true,
    ),
  }));
  const verdict = together(answers.map(({ said }) => verdictOf(said)));
  const all = groups.flatMap(({ worlds }) => worlds);
  const whole = explanationOf(facts, judges, flow, all, true);
  const known = endpoints.map((endpoint) => {
    const found = answers.find(({ endpoint: one }) => isSame(one, endpoint));
    return endpointAnswer(facts, front, endpoint, found?.said, isByRules);
  });
  const strange = answers.flatMap(({ endpoint, said }) =>
    endpoint && !endpoints.some((one) => isSame(one, endpoint)) ? strangeAnswer(facts, endpoint, said) : [],
  );
  const list = [...known, ...strange];
  const unknown = verdict === "unknown" ? unknownOf(list, answers) : [];
  const { unknown: _unknown, reasons, ...rest } = whole;
  return {
    ...rest,
    to: { of: name, address: front.address ?? target ?? "", reason: `${wordsOf(front)} of Service ${key}` },
    reachable: verdict === "no" ? false : rest.reachable,
    reasons: [
      ...unknown.map((what) => `cannot tell: ${what}`),
      ...reasons.filter((one) => !one.startsWith("cannot tell: ")),
    ],
    ...(unknown.length > 0 && { unknown }),
    service: {
      ...serviceAnswer(service, front),
      from: isByRules ? "rules" : "objects",
      notes: notesOf(facts, judges, from, front, all, list),
    },
    endpoints: list,
  };
}

/** Whether the rules that the sender's machines have are followed. */
export function followsRules({ network }: Judges, from: End): boolean {
  return network?.atlas.machineOf(from) !== undefined;
}

/** Returns what all of the answers come to: packets may be sent by any of the ways. */
export function together(answers: readonly Answer[]): Answer {
  const [first = "no"] = answers;
  return answers.every((one) => one === first) ? first : "unknown";
}

/** Returns the endpoints that a Service's slices name for the port that is asked. */
function candidates(objects: ServiceObjects, front: Frontend, from: End): ReadEndpoint[] {
  const { service, address, port, asked, by } = front;
  const families = address === undefined ? familiesOf(from.addresses) : familiesOf([address]);
  for (const family of families) {
    // Who finds an endpoint by the name of a headless Service asks it for the port that was typed.
    if (by === "Headless" && !port) {
      const all = endpointsOf(objects, service, undefined, family).map((one) => ({
        ...one,
        port: asked.port,
      }));
      const found = all.filter(({ address: own }, at) => all.findIndex((one) => one.address === own) === at);
      if (found.length > 0) return found;
    } else if (port) {
      const found = endpointsOf(objects, service, port, family);
      if (found.length > 0) return found;
    }
  }
  return [];
}

function familiesOf(addresses: readonly string[]): (4 | 6)[] {
  return [...new Set(addresses.map((address) => (address.includes(":") ? 6 : 4)))];
}

function nobody(from: End, name: string, front: Frontend): { flow: PlacedFlow; groups: Group[] } {
  const source = from.addresses[0] ?? "";
  const to: End = { type: "address", name, addresses: [] };
  const flow = { from, to, source, destination: source, port: front.asked };
  const none = { allowed: true, isolated: false, reason: `Service ${front.key} leads to nobody` };
  const told: Told = {
    egress: none,
    ingress: none,
    admission: undefined,
    snat: { action: "None", sourceSeen: source, reason: "nothing is sent" },
    fate: {
      hops: [],
      listening: false,
      reason: `Service ${front.key} is headless and has no endpoints: its name has no addresses`,
      broken: `the name of Service ${front.key} has no addresses`,
      outcome: undefined,
      refusal: undefined,
    },
    allowed: true,
    reachable: false,
    expected: null,
  };
  return { flow, groups: [{ endpoint: undefined, worlds: [{ told, doubts: [] }] }] };
}

function groupsOf(
  facts: ClusterFacts,
  judges: Judges,
  from: End,
  front: Frontend,
  endpoints: readonly ReadEndpoint[],
): { flow: PlacedFlow; groups: readonly Group[] } {
  const place = (address: string) => ({
    ...endsOf(facts, judges.atlas, from, { ...endAt(facts, address), pinned: true }),
    port: front.asked,
  });
  if (front.by === "Headless") {
    const own = inNames(front.service, endpoints);
    const groups = own.map((endpoint) => {
      const flow = { ...place(endpoint.address), port: { ...front.asked, port: endpoint.port } };
      return { endpoint, worlds: worldsOf(facts, judges, flow) };
    });
    const flow = place(endpoints[0]?.address ?? "");
    return { flow, groups: groups.length > 0 ? groups : nobody(from, flow.to.name, front).groups };
  }
  const flow = place(front.address ?? "");
  if (!followsRules(judges, from)) {
    const doubt = `whose rules it meets: nobody here has ${flow.source}`;
    // Where the network is known, objects alone do not tell whether anybody translates.
    if (judges.network)
      return { flow, groups: [{ endpoint: undefined, worlds: [{ told: undefined, doubts: [doubt] }] }] };
    return { flow, groups: byObjects(facts, judges, front, flow, endpoints) };
  }
  return { flow, groups: byEnd(worldsOf(facts, judges, flow), flow) };
}

/** Names lead to endpoints that are ready, or to all where the Service says so. */
function inNames({ spec }: Service, endpoints: readonly ReadEndpoint[]): readonly ReadEndpoint[] {
  return spec?.publishNotReadyAddresses === true ? endpoints : endpoints.filter(({ ready }) => ready);
}

/** Puts worlds together that end at the same place. */
function byEnd(worlds: readonly World<Told>[], { destination, port }: PlacedFlow): readonly Group[] {
  const groups = new Groups();
  for (const world of worlds) {
    const asks = world.told?.asks;
    const isSent = asks?.port !== undefined && (asks.address !== destination || asks.port !== port?.port);
    groups.put(isSent ? { address: asks.address, port: asks.port! } : undefined, [world]);
  }
  return groups.all();
}

function flowTo(
  facts: ClusterFacts,
  flow: PlacedFlow,
  { address, port }: NonNullable<Group["endpoint"]>,
): PlacedFlow {
  return {
    ...flow,
    to: endAt(facts, address),
    destination: address,
    port: flow.port && { ...flow.port, port },
  };
}

function isSame(one: Group["endpoint"], { address, port }: NonNullable<Group["endpoint"]>): boolean {
  return one !== undefined && one.address === address && one.port === port;
}

function endpointAnswer(
  facts: ClusterFacts,
  front: Frontend,
  endpoint: ReadEndpoint,
  said: Explanation | undefined,
  isByRules: boolean,
): EndpointAnswer {
  const { address, port, node, zone, zoneHints, nodeHints, ready, serving, terminating } = endpoint;
  return {
    name: endAt(facts, address).name,
    address,
    port,
    node: node ?? null,
    zone: zone ?? null,
    zoneHints,
    nodeHints,
    ready,
    serving,
    terminating,
    ...(said
      ? { chosen: true, ...verdictsOf(said) }
      : { chosen: false, why: whyNotChosen(front, endpoint, isByRules) }),
  };
}

/** Rules lead to somebody whom no EndpointSlice names. */
function strangeAnswer(
  facts: ClusterFacts,
  { address, port }: NonNullable<Group["endpoint"]>,
  said: Explanation,
): EndpointAnswer {
  const none = { node: null, zone: null, zoneHints: [], nodeHints: [] };
  return {
    name: endAt(facts, address).name,
    address,
    port,
    ...none,
    ready: false,
    serving: false,
    terminating: false,
    chosen: true,
    why: "rules lead there, and no EndpointSlice names it",
    ...verdictsOf(said),
  };
}

function verdictsOf(said: Explanation) {
  const { allowed, reachable, expected, sourceSeen } = said;
  return { answer: verdictOf(said), allowed, reachable, expected, sourceSeen, explanation: said };
}

function unknownOf(
  list: readonly EndpointAnswer[],
  answers: readonly (Group & { readonly said: Explanation })[],
): string[] {
  const chosen = list.flatMap(({ name, port, answer }) =>
    answer === undefined ? [] : `${name}:${port} ${answer === "unknown" ? "cannot be told" : answer}`,
  );
  const none = answers.filter(({ endpoint }) => endpoint === undefined);
  const ways = [
    ...chosen,
    ...none.map(({ said }) => `no endpoint ${verdictOf(said) === "no" ? "no" : "cannot be told"}`),
  ];
  const doubts = answers.flatMap(({ said, worlds }) =>
    verdictOf(said) === "unknown" ? (said.unknown ?? doubtsOf(worlds)) : [],
  );
  return [...(ways.length > 1 ? [`which endpoint is chosen (${ways.join(", ")})`] : []), ...new Set(doubts)];
}

function serviceAnswer(service: Service, front: Frontend): Omit<ServiceAnswer, "from" | "notes"> {
  const { spec } = service;
  const isExternal =
    spec?.type === "NodePort" || spec?.type === "LoadBalancer" || (spec?.externalIPs ?? []).length > 0;
  return {
    name: front.key,
    by: front.by,
    address: front.address ?? null,
    port: formatPort(front.asked),
    portName: front.port?.name || null,
    internalTrafficPolicy: spec?.internalTrafficPolicy ?? "Cluster",
    externalTrafficPolicy: isExternal ? (spec?.externalTrafficPolicy ?? "Cluster") : null,
    sessionAffinity: spec?.sessionAffinity ?? "None",
    publishNotReadyAddresses: spec?.publishNotReadyAddresses === true,
  };
}

function wordsOf({ by, node }: Frontend): string {
  switch (by) {
    case "ClusterIP":
      return "the ClusterIP";
    case "NodePort":
      return `a node port, on node ${node},`;
    case "ExternalIP":
      return "an external IP";
    case "LoadBalancer":
      return "a load balancer's address";
    case "Headless":
      return "an endpoint of headless";
  }
}
