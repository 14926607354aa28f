// The part of nft's grammar that Trunkline writes: one command a statement, and the block form of whole tables.

export type NftVerb = "add" | "create" | "insert" | "replace" | "delete" | "flush" | "list";
export type NftKind = "table" | "chain" | "rule" | "set" | "map" | "element" | "ruleset";

export interface NftCommand {
  readonly verb: NftVerb;
  readonly kind: NftKind;
  readonly family: string;
  readonly table: string;
  /** Chain, set or map; "" for tables. */
  readonly name: string;
  /** What follows: a rule, or what stands between the braces. */
  readonly body: string;
  /** The statement as it was written, for error texts. */
  readonly text: string;
}

const families = new Set(["ip", "ip6", "inet", "arp", "bridge", "netdev"]);
const verbs = new Set<string>(["add", "create", "insert", "replace", "delete", "flush", "list"]);
const kinds = new Set<string>(["table", "chain", "rule", "set", "map", "element", "ruleset"]);

/** Splits at line ends and semicolons outside braces and quotes; comments go. */
export function statements(text: string): string[] {
  const out: string[] = [];
  let depth = 0;
  let quoted = false;
  let comment = false;
  let now = "";
  for (const character of text) {
    if (comment && character !== "\n") continue;
    comment = false;
    if (character === '"') quoted = !quoted;
    else if (!quoted && character === "#") comment = true;
    else if (!quoted && character === "{") depth++;
    else if (!quoted && character === "}") depth--;
    if (comment) continue;
    if (depth === 0 && !quoted && (character === "\n" || character === ";")) {
      if (now.trim() !== "") out.push(now.trim());
      now = "";
    } else {
      now += character;
    }
  }
  if (now.trim() !== "") out.push(now.trim());
  return out;
}

/** Reads a whole text. A string is a syntax error. */
export function commandsOf(text: string): NftCommand[] | string {
  const out: NftCommand[] = [];
  for (const statement of statements(text)) {
    const found = statement.startsWith("table ") ? block(statement) : one(statement);
    if (typeof found === "string") return found;
    out.push(...found);
  }
  return out;
}

function one(text: string): NftCommand[] | string {
  const words = text.split(/\s+/);
  const verb = verbs.has(words[0] ?? "") ? (words.shift() as NftVerb) : undefined;
  if (verb === undefined) return `syntax error, unexpected ${words[0] ?? "end"}`;
  const kind = words.shift() ?? "";
  if (!kinds.has(kind)) return `syntax error, unexpected ${kind || "end"}`;
  const family = families.has(words[0] ?? "") ? (words.shift() ?? "ip") : "ip";
  const table = words.shift() ?? "";
  const named = kind !== "table" && kind !== "ruleset";
  const name = named ? (words.shift() ?? "") : "";
  const command = { verb, kind: kind as NftKind, family, table, name, text };
  if (kind === "rule") return [{ ...command, body: words.join(" ") }];
  const rest = words.join(" ");
  if (rest !== "" && !(rest.startsWith("{") && rest.endsWith("}")))
    return `syntax error, unexpected ${words[0]}`;
  return [{ ...command, body: rest.slice(1, -1).trim() }];
}

/** `table inet t { set s { … } chain c { … } }` */
function block(text: string): NftCommand[] | string {
  const [, family = "ip", table = "", body = ""] =
    /^table (?:(\w+) )?(\S+)\s*\{([\s\S]*)\}$/.exec(text) ?? [];
  if (table === "") return "syntax error, unexpected end";
  const common = { verb: "add" as const, family, table, text };
  const out: NftCommand[] = [{ ...common, kind: "table", name: "", body: "" }];
  const rules: NftCommand[] = [];
  const elements: NftCommand[] = [];
  for (const part of statements(body)) {
    const [, kind, name = "", inside = ""] = /^(chain|set|map) (\S+)\s*\{([\s\S]*)\}$/.exec(part) ?? [];
    if (kind === undefined) continue;
    const parts = statements(inside);
    if (kind === "chain") {
      const base = parts.filter((line) => /^(type|policy)\s/.test(line));
      out.push({ ...common, kind: "chain", name, body: base.map((line) => `${line};`).join(" ") });
      for (const line of parts)
        if (!base.includes(line)) rules.push({ ...common, kind: "rule", name, body: line });
    } else {
      const filled = parts.find((line) => line.startsWith("elements"));
      const definition = parts.filter((line) => line !== filled).map((line) => `${line};`);
      out.push({ ...common, kind: kind as NftKind, name, body: definition.join(" ") });
      const list = /\{([\s\S]*)\}/.exec(filled ?? "")?.[1];
      if (list) elements.push({ ...common, kind: "element", name, body: list.trim() });
    }
  }
  return [...out, ...elements, ...rules];
}

export interface NftElement {
  readonly key: string;
  /** "" in sets. */
  readonly value: string;
}

/** Reads what stands between the braces of an element command. */
export function elementsOf(body: string): NftElement[] {
  return body
    .split(",")
    .map((element) => element.replaceAll(/\s+/g, " ").trim())
    .filter((element) => element !== "")
    .map((element) => {
      const at = element.indexOf(" : ");
      return at < 0
        ? { key: element, value: "" }
        : { key: element.slice(0, at), value: element.slice(at + 3) };
    });
}
