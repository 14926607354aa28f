// The cluster's routing settings with their defaults filled in.
import { parseAsNumber } from "../../../api/as-number.ts";
import { interfaceForm, mostTimer } from "../../../api/bgp-words.ts";
import type { Node } from "../../../api/kinds/core.ts";
import type { IPPool } from "../../../api/kinds/ip-pool.ts";
import type { BGPConfiguration, SecretReference } from "../../../api/kinds/routing/bgp.ts";
import { nodeAnnotation } from "../../../api/kinds/routing/node-annotations.ts";
import {
  DEFAULT_NAME,
  type RoutingConfiguration,
  type RoutingProtocol,
} from "../../../api/kinds/routing/routing-configuration.ts";
import { secretText } from "../../../api/kinds/secret.ts";
import { parseGoDuration } from "../../../base/go-duration.ts";
import { tryParseIp } from "../../../base/ip.ts";
import { isWhole } from "../../../base/whole.ts";
import { isQuotable } from "../../../bird/config/words.ts";
import type { ClusterFacts } from "../../facts.ts";
import { lacksIpip, tunnelOf } from "../tunnels.ts";

const USUAL_AS = 64_512;
const USUAL_PORT = 179;
const USUAL_RESTART_SECONDS = 120;
/** Where the Secrets are. */
const SECRETS_NAMESPACE = "kube-system";

/** Returns the settings for all nodes. */
export function bgpSettings(facts: ClusterFacts): BGPConfiguration["spec"] {
  return facts.bgpConfigurations.get(DEFAULT_NAME)?.spec ?? {};
}

export function routingSettings(facts: ClusterFacts): RoutingConfiguration["spec"] {
  return facts.routingConfigurations.get(DEFAULT_NAME)?.spec ?? {};
}

/** Returns what names of interfaces are compared with; undefined: it is no regular expression, and an API server let it pass. */
export function namePattern(text: string): RegExp | undefined {
  try {
    return new RegExp(`^(?:${text})$`);
  } catch {
    return undefined;
  }
}

/** Returns the protocols in use: as RoutingConfiguration says, else BGP while anything is said about BGP. */
export function routingProtocols(facts: ClusterFacts): ReadonlySet<RoutingProtocol> {
  const said = routingSettings(facts).protocols;
  if (said) return new Set(said);
  const bgp = facts.bgpConfigurations.has(DEFAULT_NAME) || facts.bgpPeers.size > 0;
  return new Set(bgp ? (["bgp"] as const) : []);
}

/** Returns a node's AS number: its annotation's, else the cluster's. A bad annotation counts as absent. */
export function nodeAs(facts: ClusterFacts, node: Node): number {
  const own = nodeAnnotation(node, "asNumber");
  return (
    (own === undefined ? undefined : parseAsNumber(own)) ??
    parseAsNumber(bgpSettings(facts).asNumber ?? USUAL_AS) ??
    USUAL_AS
  );
}

/** Returns the port that a node's BIRD listens on. What is no port counts as absent: BIRD would refuse all that it is told. */
export function nodePort(facts: ClusterFacts, node: string): number {
  const own = facts.bgpConfigurations.get(`node.${node}`)?.spec.listenPort;
  return [own, bgpSettings(facts).listenPort].find((port) => isWhole(port, 1, 65_535)) ?? USUAL_PORT;
}

/** Returns the patterns of interfaces that BIRD is not told of, without those that its language cannot hold. */
export function ignoredInterfaces(facts: ClusterFacts): readonly string[] {
  return bgpSettings(facts).ignoredInterfaces?.filter((one) => interfaceForm.test(one)) ?? [];
}

/** Returns a reflector's cluster id, an IPv4 address as BGP has it (RFC 4456); undefined for all other nodes. */
export function clusterId(node: Node): string | undefined {
  const id = nodeAnnotation(node, "reflectorClusterId");
  return id !== undefined && tryParseIp(id)?.family === 4 ? id : undefined;
}

/** Returns seconds of the first of these durations that is given and can be read. */
export function restartSeconds(facts: ClusterFacts, ...texts: readonly (string | undefined)[]): number {
  for (const text of [...texts, routingSettings(facts).gracefulRestartTime]) {
    const ms = text === undefined ? undefined : parseGoDuration(text);
    if (ms !== undefined) return Math.min(4095, Math.max(0, Math.floor(ms / 1000)));
  }
  return USUAL_RESTART_SECONDS;
}

/** Returns seconds of a Go duration, as many as a timer of RIP can have. */
export function secondsOf(text: string | undefined, usual: number): number {
  const ms = text === undefined ? undefined : parseGoDuration(text);
  return ms === undefined ? usual : Math.min(mostTimer, Math.max(1, Math.round(ms / 1000)));
}

export type Password =
  | { readonly state: "none" }
  | { readonly state: "known"; readonly text: string }
  | { readonly state: "missing"; readonly why: string };

/** RFC 2385's key has at most 80 bytes on Linux. */
const LONGEST_KEY = 80;

/** Looks a password up. A Secret made from a file ends in a line's end that nobody means. */
export function passwordOf(facts: ClusterFacts, reference: SecretReference | undefined): Password {
  const key = reference?.secretKeyRef;
  if (!key) return { state: "none" };
  const name = `${SECRETS_NAMESPACE}/${key.name}`;
  const secret = facts.secrets.get(name);
  if (!secret) return { state: "missing", why: `Secret ${name} does not exist` };
  const text = secretText(secret, key.key)?.replace(/\r?\n$/, "");
  if (text === undefined) return { state: "missing", why: `Secret ${name} has no key ${key.key}` };
  const what = `key ${key.key} of Secret ${name}`;
  if (text === "") return { state: "missing", why: `${what} is empty` };
  if (!isQuotable(text))
    return {
      state: "missing",
      why: `${what} holds a quotation mark or a control character, which BIRD cannot take`,
    };
  if (Buffer.byteLength(text) > LONGEST_KEY)
    return {
      state: "missing",
      why: `${what} has more than the ${LONGEST_KEY} bytes that a TCP signature's key may have`,
    };
  return { state: "known", text };
}

/** Returns the Secrets (`namespace/name`) that settings and peers name, whether they exist or not. */
export function secretsAskedFor(facts: ClusterFacts): ReadonlySet<string> {
  const references = [
    ...[...facts.bgpConfigurations.values()].map(({ spec }) => spec.nodeMeshPassword),
    ...[...facts.bgpPeers.values()].map(({ spec }) => spec.password),
    ...[...facts.routingConfigurations.values()].map(({ spec }) => spec.rip?.password),
  ];
  const names = references.flatMap((reference) => reference?.secretKeyRef?.name ?? []);
  return new Set(names.map((name) => `${SECRETS_NAMESPACE}/${name}`));
}

/**
 * Returns whether routes to other nodes' blocks of the pool are BIRD's to make on a node (undefined: on nodes that lack
 * nothing). A node that cannot have the pool's tunnel routes as without it.
 */
export function isHandedOver(facts: ClusterFacts, pool: IPPool | undefined, node?: Node): boolean {
  const protocols = routingProtocols(facts);
  // Without its object nothing says that a block is not to be told.
  if (!pool) return protocols.size > 0;
  const tunnel = tunnelOf(pool);
  if (tunnel && !(tunnel.type.kind === "ipip" && node && lacksIpip(node))) return false;
  return protocols.has("rip") || (protocols.has("bgp") && pool.spec.disableBGPExport !== true);
}
