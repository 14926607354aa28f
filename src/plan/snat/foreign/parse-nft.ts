// Reads nft's JSON (libnftables-json(5)) of tables that are not ours, as far as it bears on source translation.
import { type Cidr, cidrOf, tryParseIp } from "../../../base/ip.ts";
import { asList, asObject, type Json } from "../../foreign/nft-json.ts";
import type { ForeignChain, ForeignRule, Not, RuleMatch, RuleTarget } from "./types.ts";

/**
 * Returns the chains of `nft -j list …` output's `nftables` array.
 * @param texts nft's own text of each rule, by handle within `family table`; for people and for restoring
 */
export function parseNftJson(
  objects: readonly Json[],
  texts: (table: string, handle: number) => string | undefined = () => undefined,
): ForeignChain[] {
  const chains = new Map<string, ForeignChain & { rules: ForeignRule[] }>();
  for (const object of objects) {
    const chain = asObject(object["chain"]);
    if (chain) {
      const family = String(chain["family"]);
      const table = `${family} ${String(chain["table"])}`;
      const name = String(chain["name"]);
      chains.set(`${table} ${name}`, {
        store: "nft",
        family: family === "ip6" ? 6 : 4,
        table,
        name,
        policy: typeof chain["policy"] === "string" ? chain["policy"] : "-",
        ...(typeof chain["hook"] === "string" && { hook: chain["hook"] }),
        ...(typeof chain["type"] === "string" && { type: chain["type"] }),
        ...(typeof chain["prio"] === "number" && { priority: chain["prio"] }),
        rules: [],
      });
    }
    const rule = asObject(object["rule"]);
    if (!rule) continue;
    const table = `${String(rule["family"])} ${String(rule["table"])}`;
    const owner = chains.get(`${table} ${String(rule["chain"])}`);
    if (!owner) continue;
    const handle = Number(rule["handle"]);
    const { match, target } = readExpressions(asList(rule["expr"]));
    owner.rules.push({
      store: "nft",
      family: owner.family,
      table,
      chain: owner.name,
      index: owner.rules.length + 1,
      text: texts(table, handle) ?? JSON.stringify(rule["expr"]),
      handle,
      ...(typeof rule["comment"] === "string" && { comment: rule["comment"] }),
      match,
      target,
    });
  }
  return [...chains.values()];
}

function readExpressions(expressions: readonly unknown[]): { match: RuleMatch; target: RuleTarget } {
  const match: { -readonly [K in keyof Omit<RuleMatch, "unknown">]: RuleMatch[K] } = {};
  const unknown: string[] = [];
  let target: RuleTarget = { type: "continue" };
  for (const raw of expressions) {
    const expression = asObject(raw);
    const [kind = "", body] = Object.entries(expression ?? {})[0] ?? [];
    if (kind === "match") {
      if (!readMatch(asObject(body) ?? {}, match)) unknown.push(JSON.stringify(body));
    } else if (kind === "counter" || kind === "log" || kind === "mangle") continue;
    else target = readTarget(kind, asObject(body) ?? {}) ?? unknownTarget(kind, body, unknown);
  }
  return { match: { ...match, unknown }, target };
}

function unknownTarget(kind: string, body: unknown, unknown: string[]): RuleTarget {
  // A verdict map, a limit: whether and where it leads cannot be told from here.
  unknown.push(kind);
  return { type: "other", text: JSON.stringify({ [kind]: body }) };
}

function readMatch(
  body: Json,
  match: { -readonly [K in keyof Omit<RuleMatch, "unknown">]: RuleMatch[K] },
): boolean {
  const not = body["op"] === "!=";
  if (!not && body["op"] !== "==" && body["op"] !== "in") return false;
  const left = asObject(body["left"]);
  const payload = asObject(left?.["payload"]);
  const meta = asObject(left?.["meta"]);
  const right = body["right"];
  if (payload && (payload["protocol"] === "ip" || payload["protocol"] === "ip6")) {
    const cidr = asCidr(right);
    if (!cidr) return false;
    if (payload["field"] === "saddr") match.source = { value: cidr, not };
    else if (payload["field"] === "daddr") match.destination = { value: cidr, not };
    else return false;
    return true;
  }
  if (meta && typeof right === "string") {
    const name: Not<string> = { value: right.replace(/\*$/, "+"), not };
    if (meta["key"] === "oifname") match.outInterface = name;
    else if (meta["key"] === "iifname") match.inInterface = name;
    else if (meta["key"] === "l4proto") match.protocol = name;
    else return meta["key"] === "nfproto";
    return true;
  }
  const ct = asObject(left?.["ct"]);
  if (ct?.["key"] === "state") {
    const states = asList(asObject(right)?.["set"] ?? right);
    if (!states.every((one) => typeof one === "string")) return false;
    match.state = { value: states, not };
    return true;
  }
  const masked = asList(left?.["&"]);
  const markKey = asObject(asObject(masked[0] ?? left)?.["meta"])?.["key"];
  if (markKey === "mark" && typeof right === "number") {
    const mask = masked.length === 2 && typeof masked[1] === "number" ? masked[1] : 0xffffffff;
    match.mark = { value: { value: right, mask }, not };
    return true;
  }
  const fib = asObject(left?.["fib"]);
  if (fib?.["result"] === "type" && right === "local" && asList(fib["flags"]).includes("daddr")) {
    match.localDestination = { value: true, not };
    return true;
  }
  return false;
}

function readTarget(kind: string, body: Json): RuleTarget | undefined {
  switch (kind) {
    case "jump":
    case "goto":
      return { type: kind, chain: String(body["target"]) };
    case "return":
    case "accept":
    case "drop":
      return { type: kind };
    case "masquerade":
      return { type: "masquerade" };
    case "snat": {
      const text = typeof body["addr"] === "string" ? body["addr"] : JSON.stringify(body["addr"]);
      const ip = tryParseIp(text);
      return { type: "snat", text, to: ip && { family: ip.family, first: ip.value, last: ip.value } };
    }
    case "reject":
      return { type: "drop" };
    case "dnat":
    case "redirect":
      return { type: "dnat", text: JSON.stringify(body) };
    default:
      return undefined;
  }
}

function asCidr(right: unknown): Cidr | undefined {
  if (typeof right === "string") {
    const ip = tryParseIp(right);
    return ip && cidrOf(ip, ip.family === 4 ? 32 : 128);
  }
  const prefix = asObject(asObject(right)?.["prefix"]);
  const ip = typeof prefix?.["addr"] === "string" ? tryParseIp(prefix["addr"]) : undefined;
  return ip && typeof prefix?.["len"] === "number" ? cidrOf(ip, prefix["len"]) : undefined;
}
