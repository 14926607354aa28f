// What FROM and TO[:PORT[/PROTOCOL]] on the command line mean, before anything is looked up.
import { kindNamed } from "../api/kinds/index.ts";
import { TrunklineError } from "../base/errors.ts";
import { formatIp, type Ip, tryParseIp } from "../base/ip.ts";
import { type Port, parsePort } from "./ports.ts";

/** One end as it was typed. */
export type EndName =
  | { readonly type: "address"; readonly address: string }
  /** `kind` as typed, in lower case. */
  | { readonly type: "object"; readonly kind: string; readonly namespace?: string; readonly name: string };

export interface Target {
  readonly end: EndName;
  /** `icmp`: an echo, whatever the target declares. */
  readonly port?: Port | "icmp";
  /** Of a Service: its port by name. */
  readonly portName?: string;
}

/**
 * Parses `pod/NAME`, `pod/NAMESPACE/NAME`, `KIND/NAME`, `node/NAME`, `host/NAME`, `router/NAME`, an address, or a bare pod name.
 * @throws TrunklineError `explain.end`
 */
export function parseEnd(text: string): EndName {
  const bare = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  const ip = tryParseIp(bare);
  if (ip) {
    if (isNobodys(ip)) throw new TrunklineError("explain.end", { text });
    return { type: "address", address: formatIp(ip) };
  }
  const words = text.split("/");
  const fine = words.every((word) => /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(word));
  const [first = "", second, third] = words;
  if (!fine || words.length > 3) throw new TrunklineError("explain.end", { text });
  if (second === undefined) return { type: "object", kind: "pod", name: first };
  const kind = kindWord(first.toLowerCase());
  if (third === undefined) return { type: "object", kind, name: second };
  return { type: "object", kind, namespace: second, name: third };
}

// A router is a Host in its role.
function kindWord(word: string): string {
  return word === "router" || word === "routers" ? "host" : word;
}

/** Addresses that mean nobody, everybody or a group: 0.0.0.0, 255.255.255.255, ::, and multicast. */
function isNobodys({ family, value }: Ip): boolean {
  if (family === 6) return value === 0n || value >> 120n === 0xffn;
  return value === 0n || value === 0xffffffffn || value >> 28n === 0xen;
}

/**
 * Parses TO with an optional port: `pod/web:80/tcp`, `10.0.0.9:6379`, `[fd00::9]:53/udp`, `fd00::9`, `svc/web:http`, or
 * `pod/web/icmp`.
 * @throws TrunklineError `explain.end`, `explain.port`
 */
export function parseTarget(text: string): Target {
  // A bare IPv6 address is full of colons; with a port it stands in brackets.
  if (tryParseIp(text)) return { end: parseEnd(text) };
  const echo = /^(.+)\/icmp$/i.exec(text)?.[1];
  // KIND/icmp is an object of that name.
  if (echo !== undefined && !kindNamed(kindWord(echo.toLowerCase())))
    return { end: parseEnd(echo), port: "icmp" };
  const found = /^(\[[^\]]*\]|[^:]*):([^:]*)$/.exec(text);
  if (!found) return { end: parseEnd(text) };
  const [, name = "", port = ""] = found;
  const end = parseEnd(name);
  if (isService(end) && !/^\d/.test(port) && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(port))
    return { end, portName: port };
  return { end, port: parsePort(port) };
}

/** Returns whether an end is a Service's name. */
export function isService(end: EndName): end is Extract<EndName, { type: "object" }> {
  return end.type === "object" && kindNamed(end.kind)?.kind === "Service";
}
