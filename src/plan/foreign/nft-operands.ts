// What the rules of nft's JSON (libnftables-json(5)) compare: what they take of a packet, and the values beside it.
import { type Cidr, cidrOf, cidrRange, type IpRange, tryParseIp } from "../../base/ip.ts";
import { asList, asObject } from "./nft-json.ts";
import { tcpFlagsNamed } from "./packet-parts.ts";
import { exactly, type Ports, protocolNumber, type Subject, type Value } from "./types.ts";

/** Returns what an expression takes of a packet; undefined: something that is not known. */
export function subjectsOf(left: unknown): readonly Subject[] | undefined {
  const concat = asObject(left)?.["concat"];
  const parts = (Array.isArray(concat) ? (concat as readonly unknown[]) : [left]).map(subjectOf);
  return parts.every((one) => one !== undefined) ? parts : undefined;
}

function subjectOf(raw: unknown): Subject | undefined {
  const left = asObject(raw);
  const payload = asObject(left?.["payload"]);
  if (payload) return payloadSubject(String(payload["protocol"]), String(payload["field"]));
  const masked = asList(left?.["&"]);
  if (masked.length === 2) {
    const mask = isTcpFlags(masked[0]) ? tcpFlagsOf(masked[1]) : undefined;
    if (mask !== undefined) return { of: "tcp-flags", mask };
    const key = asObject(asObject(masked[0])?.["meta"])?.["key"];
    return key === "mark" && typeof masked[1] === "number" ? { of: "mark", mask: masked[1] } : undefined;
  }
  const key = asObject(left?.["meta"])?.["key"];
  if (key !== undefined) return metaSubject(String(key));
  const fib = asObject(left?.["fib"]);
  // Whether there is a way back by the link that it came by; the mark counts for that only where rules ask for it.
  if (fib?.["result"] === "oif") {
    const flags = asList(fib["flags"]).filter((flag) => flag !== "mark");
    return flags.length === 2 && flags.includes("saddr") && flags.includes("iif")
      ? { of: "way-back" }
      : undefined;
  }
  if (fib?.["result"] === "type") {
    const [flag, ...more] = asList(fib["flags"]);
    if (more.length > 0) return undefined;
    return flag === "daddr"
      ? { of: "destination-type" }
      : flag === "saddr"
        ? { of: "source-type" }
        : undefined;
  }
  const ct = asObject(left?.["ct"]);
  const asked = ct?.["dir"] === undefined ? ct?.["key"] : undefined;
  if (asked === "state" || asked === "status" || asked === "direction") return { of: asked };
  return undefined;
}

function payloadSubject(protocol: string, field: string): Subject | undefined {
  if (protocol === "ip" || protocol === "ip6") {
    const family = protocol === "ip" ? 4 : 6;
    if (field === "saddr") return { of: "source", family };
    if (field === "daddr") return { of: "destination", family };
    if (field === "hoplimit") return { of: "hop-limit" };
    return field === "protocol" || field === "nexthdr" ? { of: "protocol", family } : undefined;
  }
  if (protocol === "icmp" || protocol === "icmpv6")
    return field === "type" ? { of: "icmp-type", family: protocol === "icmp" ? 4 : 6 } : undefined;
  if (protocol === "tcp" && field === "flags") return { of: "tcp-flags", mask: 0xff };
  const of = field === "dport" ? "destination-port" : field === "sport" ? "source-port" : undefined;
  if (!of) return undefined;
  if (protocol === "th") return { of };
  const number = protocolNumber(protocol);
  return number === undefined ? undefined : { of, protocol: number };
}

function metaSubject(key: string): Subject | undefined {
  switch (key) {
    case "iifname":
    case "iif":
      return { of: "in" };
    case "oifname":
    case "oif":
      return { of: "out" };
    case "l4proto":
      return { of: "protocol" };
    case "nfproto":
      return { of: "family" };
    case "mark":
      return { of: "mark", mask: 0xffffffff };
    case "pkttype":
      return { of: "packet-type" };
    default:
      return undefined;
  }
}

/** As nft names them (icmp_type and icmpv6_type of `nft describe`). */
const icmpTypes: Readonly<Record<string, number>> = {
  "echo-reply": 0,
  "destination-unreachable": 3,
  "source-quench": 4,
  redirect: 5,
  "echo-request": 8,
  "router-advertisement": 9,
  "router-solicitation": 10,
  "time-exceeded": 11,
  "parameter-problem": 12,
  "timestamp-request": 13,
  "timestamp-reply": 14,
  "info-request": 15,
  "info-reply": 16,
  "address-mask-request": 17,
  "address-mask-reply": 18,
};
const icmp6Types: Readonly<Record<string, number>> = {
  "destination-unreachable": 1,
  "packet-too-big": 2,
  "time-exceeded": 3,
  "parameter-problem": 4,
  "echo-request": 128,
  "echo-reply": 129,
  "mld-listener-query": 130,
  "mld-listener-report": 131,
  "mld-listener-done": 132,
  "mld-listener-reduction": 132,
  "nd-router-solicit": 133,
  "nd-router-advert": 134,
  "nd-neighbor-solicit": 135,
  "nd-neighbor-advert": 136,
  "nd-redirect": 137,
  "router-renumbering": 138,
  "ind-neighbor-solicit": 141,
  "ind-neighbor-advert": 142,
  "mld2-listener-report": 143,
};

/** Returns what is joined by `|`, which nft's JSON nests; undefined: nothing is. */
export function orOf(raw: unknown): readonly unknown[] | undefined {
  const parts = asObject(raw)?.["|"];
  if (!Array.isArray(parts)) return undefined;
  return (parts as readonly unknown[]).flatMap((part) => orOf(part) ?? [part]);
}

/** Returns the bits of flags that are named, one or several; undefined: not flags. */
export function tcpFlagsOf(raw: unknown): number | undefined {
  if (typeof raw === "number") return raw;
  const names = orOf(raw) ?? (Array.isArray(raw) ? (raw as readonly unknown[]) : [raw]);
  return tcpFlagsNamed(names.map(String));
}

function isTcpFlags(raw: unknown): boolean {
  const payload = asObject(asObject(raw)?.["payload"]);
  return payload?.["protocol"] === "tcp" && payload["field"] === "flags";
}

/** Returns what subjects are compared with, one value for each. */
export function tupleOf(subjects: readonly Subject[], raw: unknown): readonly Value[] | undefined {
  // An element with a time-out, a comment or a counter.
  const inner = asObject(asObject(raw)?.["elem"])?.["val"] ?? raw;
  const parts = subjects.length === 1 ? [inner] : asList(asObject(inner)?.["concat"]);
  if (parts.length !== subjects.length) return undefined;
  const values = subjects.map((subject, at) => readValue(subject, parts[at]));
  return values.every((one) => one !== undefined) ? values : undefined;
}

function readValue(subject: Subject, right: unknown): Value | undefined {
  switch (subject.of) {
    case "source":
    case "destination": {
      const range = addressRange(right);
      return range?.family === subject.family ? { first: range.first, last: range.last } : undefined;
    }
    case "protocol": {
      const number = typeof right === "number" ? right : protocolNumber(String(right));
      return number === undefined ? undefined : exactly(number);
    }
    case "icmp-type": {
      const names = subject.family === 4 ? icmpTypes : icmp6Types;
      const number = typeof right === "number" ? right : names[String(right)];
      return number === undefined ? undefined : exactly(number);
    }
    case "tcp-flags": {
      const bits = tcpFlagsOf(right);
      return bits === undefined ? undefined : exactly(bits);
    }
    case "way-back":
      return right === true
        ? "exists"
        : right === false || right === "0" || right === 0
          ? "missing"
          : undefined;
    case "mark":
    case "hop-limit":
    case "source-port":
    case "destination-port": {
      const ports = portsOf(right);
      return ports && { first: BigInt(ports.first), last: BigInt(ports.last) };
    }
    case "family":
      return right === "ipv4" || right === 2
        ? exactly(4)
        : right === "ipv6" || right === 10
          ? exactly(6)
          : undefined;
    default:
      return typeof right === "string" ? right : undefined;
  }
}

/** Reads an address, a prefix or a range of addresses. */
export function addressRange(right: unknown): IpRange | undefined {
  if (typeof right === "string") {
    const ip = tryParseIp(right);
    return ip && { family: ip.family, first: ip.value, last: ip.value };
  }
  const cidr = asCidr(asObject(right)?.["prefix"]);
  if (cidr) return cidrRange(cidr);
  const [first, last] = asList(asObject(right)?.["range"]).map((one) => tryParseIp(String(one)));
  return first && last && { family: first.family, first: first.value, last: last.value };
}

function asCidr(raw: unknown): Cidr | undefined {
  const prefix = asObject(raw);
  const ip = typeof prefix?.["addr"] === "string" ? tryParseIp(prefix["addr"]) : undefined;
  return ip && typeof prefix?.["len"] === "number" ? cidrOf(ip, prefix["len"]) : undefined;
}

/** Reads a number or a range of numbers. */
export function portsOf(right: unknown): Ports | undefined {
  if (typeof right === "number") return { first: right, last: right };
  const [first, last] = asList(asObject(right)?.["range"]);
  return typeof first === "number" && typeof last === "number" ? { first, last } : undefined;
}
