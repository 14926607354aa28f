// One interface of one sandbox, as the agent knows it: what it was asked for, what it made, and how far it got.
import { hash } from "node:crypto";
import { tryParseIp } from "../../base/ip.ts";
import type { PodIdentity } from "../../cni/args.ts";
import type { CniResult } from "../../cni/spec.ts";
import { type Link, POD_LINK_GROUP } from "../../kernel/kernel.ts";
import type { LocalEndpoint } from "../../plan/facts.ts";

export interface Endpoint {
  readonly containerId: string;
  readonly ifName: string;
  /** Name of the CNI network that it belongs to: GC is asked per network. */
  readonly network: string;
  /** Path of the pod's namespace. */
  readonly netns: string;
  /** The namespace's own identity: a path may name another one later. */
  readonly netnsId: string;
  /** Undefined where the runtime named no pod (cnitool, other orchestrators). */
  readonly pod: PodIdentity | undefined;
  /** Name of the host's end of the pod's veth. */
  readonly hostInterface: string;
  /** Without prefix length; empty until addresses are allocated. */
  readonly ips: readonly string[];
  /**
   * adding: something of it may exist, nobody was told so. ready: ADD was answered (or is about to be).
   * deleting: DEL was answered (or is about to be), something of it may still exist.
   */
  readonly phase: "adding" | "ready" | "deleting";
  /** What ADD answered, in the newest version of the specification and without the results of other plugins. */
  readonly result?: CniResult;
}

/** Returns whether a value from a file is an endpoint. */
export function isEndpoint(value: unknown): value is Endpoint {
  if (typeof value !== "object" || value === null) return false;
  const one = value as Readonly<Record<keyof Endpoint, unknown>>;
  const texts = [one.containerId, one.ifName, one.network, one.netns, one.netnsId, one.hostInterface];
  return (
    texts.every((text) => typeof text === "string") &&
    one.hostInterface === hostInterfaceName(String(one.containerId), String(one.ifName)) &&
    (one.pod === undefined || isPodIdentity(one.pod)) &&
    Array.isArray(one.ips) &&
    one.ips.every((ip) => typeof ip === "string" && tryParseIp(ip) !== undefined) &&
    (one.phase === "adding" || one.phase === "ready" || one.phase === "deleting") &&
    (one.result === undefined || (typeof one.result === "object" && one.result !== null))
  );
}

function isPodIdentity(value: unknown): value is PodIdentity {
  const { namespace, name, uid } = (value ?? {}) as Readonly<Record<keyof PodIdentity, unknown>>;
  return [namespace, name, uid].every((text) => typeof text === "string");
}

/** The name under which an endpoint is kept everywhere: `containerId/ifName`. */
export function endpointKey(one: { readonly containerId: string; readonly ifName: string }): string {
  return `${one.containerId}/${one.ifName}`;
}

/**
 * Returns the name of the host's end: `tl` and 13 hex digits, the most that fits into 15 bytes. It depends on nothing
 * but the attachment, so that DEL finds it without any memory, and never finds another sandbox's.
 */
export function hostInterfaceName(containerId: string, ifName: string): string {
  return `tl${hash("sha256", `${containerId}/${ifName}`).slice(0, 13)}`;
}

/** Returns the MAC address of the pod's end: locally administered, and the same when its wire is made anew. */
export function podMac(attached: { readonly containerId: string; readonly ifName: string }): string {
  const digits = hash("sha256", `mac ${endpointKey(attached)}`);
  return `02:${[2, 4, 6, 8, 10].map((at) => digits.slice(at, at + 2)).join(":")}`;
}

/** Host ends begin with this, followed by hex digits: also where the agent's memory is gone. */
export const hostInterfacePattern = /^tl[0-9a-f]{13}$/;

const aliasPrefix = "trunkline ";

/** Text on the host's end that tells people, and an agent without memory, whose it is. */
export function aliasOf(endpoint: Pick<Endpoint, "containerId" | "ifName" | "pod">): string {
  const pod = endpoint.pod ? `${endpoint.pod.namespace}/${endpoint.pod.name}` : "-";
  // The kernel keeps at most 255 bytes.
  return `${aliasPrefix}${pod} ${endpointKey(endpoint)}`.slice(0, 255);
}

/** Returns whom an alias names; undefined if it is none of ours, or was too long for the kernel to keep all of it. */
export function ownerOfAlias(
  alias: string,
  linkName: string,
): Pick<Endpoint, "containerId" | "ifName" | "pod"> | undefined {
  const [pod = "", attachment = ""] = alias.slice(aliasPrefix.length).split(" ");
  const slash = attachment.indexOf("/");
  const [containerId, ifName] = [attachment.slice(0, slash), attachment.slice(slash + 1)];
  if (!alias.startsWith(aliasPrefix) || hostInterfaceName(containerId, ifName) !== linkName) return undefined;
  const [namespace, name] = pod.split("/");
  const known = namespace !== undefined && name !== undefined;
  return { containerId, ifName, pod: known ? { namespace, name, uid: "" } : undefined };
}

/** Returns whether a link was made by us for a pod: others may use names that begin like ours. */
export function isHostInterface({ name, alias, group }: Pick<Link, "name" | "alias" | "group">): boolean {
  // The alias comes a moment after the link, with which the group comes; earlier versions set no group.
  const marked = alias?.startsWith(aliasPrefix) === true || group === POD_LINK_GROUP;
  return marked && hostInterfacePattern.test(name);
}

export function podKey(pod: PodIdentity | undefined): string {
  return pod === undefined ? "" : `${pod.namespace}/${pod.name}`;
}

/** Names an endpoint in logs: always the same keys. */
export function factsOf(endpoint: Endpoint): object {
  return {
    containerId: endpoint.containerId,
    ifName: endpoint.ifName,
    pod: podKey(endpoint.pod),
    interface: endpoint.hostInterface,
    ips: endpoint.ips,
  };
}

/** Returns what plans need of an endpoint. */
export function toLocalEndpoint(endpoint: Endpoint): LocalEndpoint {
  return {
    pod: podKey(endpoint.pod),
    uid: endpoint.pod?.uid ?? "",
    interface: endpoint.hostInterface,
    ips: endpoint.ips,
  };
}
