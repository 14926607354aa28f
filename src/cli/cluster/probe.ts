// A probe in a cluster: the agent of the sender's node sends, those of the receivers' nodes watch what arrives.

import type { Arrivals, PodProbed } from "../../agent/probe/pod-probes.ts";
import type { ProbeResult } from "../../agent/probe/result.ts";
import type { Pod } from "../../api/kinds/core.ts";
import { nodeKind, podIps, podKind } from "../../api/kinds/core.ts";
import { hostKind } from "../../api/kinds/host.ts";
import { kindNamed } from "../../api/kinds/index.ts";
import { keyOf } from "../../api/object.ts";
import { TrunklineError } from "../../base/errors.ts";
import { formatPort, type Port } from "../../explain/ports.ts";
import { namedFrontend } from "../../explain/services/frontend.ts";
import { isService, parseTarget } from "../../explain/target.ts";
import { findParty, type Party, type Population } from "../../lab/targets.ts";
import { collectServices, type ServiceObjects } from "../../plan/services.ts";
import type { Store } from "../../store/store.ts";
import { withoutPort } from "../facts/probe-request.ts";
import type { AskNode } from "./agents.ts";

export interface ClusterProbe {
  readonly from: string;
  readonly to: string;
  /** Such as `80/tcp`; null for an ICMP echo. */
  readonly port: string | null;
  readonly reachable: boolean;
  /** `arrived`: a datagram was seen at the far side, and nobody answered it. */
  readonly outcome: ProbeResult["outcome"] | "arrived";
  /** The pod at which it arrived; null where none was watched, or none saw it. */
  readonly arrivedAt: string | null;
  readonly sourceSeen: string | null;
  readonly latencyMs: number | null;
  readonly error: string | null;
}

export interface Question {
  readonly from: string;
  /** As `parseTarget` takes it. */
  readonly to: string;
  readonly namespace: string;
  readonly timeoutMs: number;
}

/** A Service's endpoints beyond these are not watched: each is one question to an agent. */
const MOST_WATCHED = 8;
/**
 * A watch has to outlive the questions around the probe: each is a stream by API server and kubelet, and took half a minute where
 * those had no processor to spare. It ends when it is asked for; only one that is forgotten lasts for so long.
 */
const WATCH_MS = 180_000;

/** Where packets go, and the pods at which they may arrive. */
interface Destination {
  readonly name: string;
  readonly address: string;
  readonly port: Port | undefined;
  readonly arrivals: readonly { readonly pod: Pod; readonly port: Port | undefined }[];
}

/** @throws `lab.party`, `lab.no-ready-pod`, `cli.usage`, `explain.…`, `cli.no-agent`, `cli.agent-said`, `store.…` */
export async function probeInCluster(store: Store, ask: AskNode, question: Question): Promise<ClusterProbe> {
  const { namespace, timeoutMs } = question;
  const population = await populationOf(store);
  const from = await findParty(question.from, namespace, population);
  const sender = podOf(from, population);
  if (!sender) throw new TrunklineError("cli.usage", { why: `${question.from} is no pod with an address` });
  const destination = await destinationOf(question, population, await collectServices(store));
  const { port, address } = destination;
  const watches = await Promise.all(
    destination.arrivals.slice(0, MOST_WATCHED).map((one) => watch(ask, one, timeoutMs + WATCH_MS)),
  );
  const query = queryOf(sender, port, timeoutMs, { to: address });
  const probed = JSON.parse(await ask(nodeOf(sender), `/probe?${query}`)) as PodProbed;
  const seen = await Promise.all(watches.map((end) => end()));
  const found = seen.flatMap(({ pod, arrivals }) =>
    probed.marks.flatMap((mark) => (arrivals[mark] === undefined ? [] : [{ pod, source: arrivals[mark] }])),
  )[0];
  // A server of datagrams answers only what it understands: that it arrived is what a network can do.
  const isArrived = !probed.reachable && port?.protocol === "UDP" && found !== undefined;
  return {
    from: from.name,
    to: destination.name,
    port: port === undefined ? null : formatPort(port),
    reachable: probed.reachable || isArrived,
    outcome: isArrived ? "arrived" : probed.outcome,
    arrivedAt: found?.pod ?? null,
    sourceSeen: found?.source ?? probed.sourceSeen,
    latencyMs: probed.latencyMs,
    error: isArrived ? null : probed.error,
  };
}

async function watch(ask: AskNode, { pod, port }: Destination["arrivals"][number], ms: number) {
  const query = queryOf(pod, port, ms);
  const { watch: id } = JSON.parse(await ask(nodeOf(pod), `/watch?${query}`)) as { watch: string };
  return async () => {
    const answer = await ask(nodeOf(pod), `/watched?${new URLSearchParams({ watch: id })}`);
    const { arrivals } = JSON.parse(answer) as { arrivals: Arrivals };
    return { pod: `pod/${keyOf(pod)}`, arrivals };
  };
}

function queryOf(pod: Pod, port: Port | undefined, ms: number, more: Record<string, string> = {}): string {
  const what = port === undefined ? { protocol: "ICMP" } : { ...port, port: String(port.port) };
  return new URLSearchParams({ pod: keyOf(pod), ms: String(ms), ...what, ...more }).toString();
}

async function destinationOf(
  { to, namespace }: Question,
  population: Population,
  objects: ServiceObjects,
): Promise<Destination> {
  const target = parseTarget(to);
  const asked = target.port === "icmp" ? undefined : target.port;
  if (isService(target.end)) {
    if (target.port === "icmp") throw new TrunklineError("explain.port", { text: target.port });
    const space = target.end.namespace ?? namespace;
    const { name } = target.end;
    const front = namedFrontend(objects, name, space, asked ?? target.portName, [4, 6]);
    const { address, asked: port } = front;
    if (address === undefined)
      throw new TrunklineError("cli.usage", {
        why: `Service ${space}/${name} is headless: its name leads to its pods, probe one of them`,
      });
    const arrivals = endpointsOf(objects, front.key, front.port?.name ?? "", population).map((one) => ({
      pod: one.pod,
      port: { ...port, port: one.port },
    }));
    return { name: `service/${front.key}`, address, port, arrivals };
  }
  const party = await findParty(withoutPort(to, target), namespace, population);
  const [address] = party.addresses;
  if (address === undefined) throw new TrunklineError("cli.usage", { why: `${to} has no address` });
  const port = target.port === "icmp" ? undefined : (asked ?? party.ports[0]);
  const pod = podOf(party, population);
  return { name: party.name, address, port, arrivals: pod ? [{ pod, port }] : [] };
}

/** Pods of a Service's EndpointSlices, and their numbers of the port of that name. */
function endpointsOf({ slices }: ServiceObjects, key: string, name: string, { pods }: Population) {
  const own = slices.filter(
    ({ metadata }) => `${metadata.namespace}/${metadata.labels?.["kubernetes.io/service-name"]}` === key,
  );
  return own.flatMap(({ endpoints, ports }) => {
    const port = ports?.find((one) => (one.name ?? "") === name)?.port;
    const addresses = new Set(endpoints?.flatMap((one) => one.addresses ?? []));
    const found = [...pods.values()].filter(
      (pod) => isWired(pod) && podIps(pod).some((ip) => addresses.has(ip)),
    );
    return port === undefined ? [] : found.map((pod) => ({ pod, port }));
  });
}

async function populationOf(store: Store): Promise<Population> {
  const [pods, nodes, hosts] = [
    await store.list(podKind),
    await store.list(nodeKind),
    await store.list(hostKind),
  ];
  return {
    pods: new Map(pods.items.map((one) => [keyOf(one), one])),
    nodes: new Map(nodes.items.map((one) => [one.metadata.name, one])),
    hosts: new Map(hosts.items.map((one) => [one.metadata.name, one])),
    workload: async (word, key) => {
      const kind = kindNamed(word);
      const [namespace, name = ""] = key.split("/");
      return kind && (await store.get(kind, name, namespace));
    },
  };
}

/** The pod behind a party that an agent knows; undefined for nodes, hosts, and pods in their node's network. */
function podOf({ home }: Party, { pods }: Population): Pod | undefined {
  if (!home || !("pod" in home)) return undefined;
  return [...pods.values()].find((pod) => pod.metadata.uid === home.pod && isWired(pod));
}

function isWired(pod: Pod): boolean {
  return pod.spec.hostNetwork !== true && podIps(pod).length > 0;
}

function nodeOf({ spec }: Pod): string {
  return spec.nodeName ?? "";
}
