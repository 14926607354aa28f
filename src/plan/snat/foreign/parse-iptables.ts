// Reads what iptables-save prints. Options that are not known are kept by name, so that nobody takes such a rule for
// one that matches everything.
import { type Cidr, cidrOf, tryParseCidr, tryParseIp } from "../../../base/ip.ts";
import type { ForeignChain, ForeignRule, Not, RuleMatch, RuleStore, RuleTarget } from "./types.ts";

/** Where the kernel hangs iptables' nat chains (linux/netfilter_ipv4.h: NF_IP_PRI_NAT_SRC and NF_IP_PRI_NAT_DST). */
const hooks: Readonly<Record<string, { hook: string; priority: number }>> = {
  PREROUTING: { hook: "prerouting", priority: -100 },
  INPUT: { hook: "input", priority: 100 },
  OUTPUT: { hook: "output", priority: -100 },
  POSTROUTING: { hook: "postrouting", priority: 100 },
};

/** Returns the chains of the nat table in iptables-save's text, in its order. Other tables are passed over. */
export function parseIptablesSave(
  text: string,
  store: "iptables-nft" | "iptables-legacy",
  family: 4 | 6 = 4,
): ForeignChain[] {
  const chains = new Map<string, { policy: string; rules: ForeignRule[] }>();
  let table = "";
  for (const raw of text.split("\n")) {
    const line = raw.trim();
    if (line.startsWith("*")) table = line.slice(1);
    else if (table !== "nat") continue;
    else if (line.startsWith(":")) {
      const [name = "", policy = "-"] = line.slice(1).split(" ");
      chains.set(name, { policy, rules: [] });
    } else {
      const rule = parseRule(line, store, family, chains);
      if (rule) chains.get(rule.chain)?.rules.push(rule);
    }
  }
  return [...chains].map(([name, { policy, rules }]) => ({
    store,
    family,
    table: "nat",
    name,
    policy,
    rules,
    ...(policy !== "-" && { type: "nat", ...hooks[name] }),
  }));
}

function parseRule(
  line: string,
  store: RuleStore,
  family: 4 | 6,
  chains: ReadonlyMap<string, { rules: readonly ForeignRule[] }>,
): ForeignRule | undefined {
  // Counters stand in front with iptables-save -c.
  const found = /^(?:\[\d+:\d+\] )?-A (\S+) ?(.*)$/.exec(line);
  if (!found) return undefined;
  const [, chain = "", text = ""] = found;
  const reader = new OptionReader(words(text), family);
  reader.read();
  return {
    store,
    family,
    table: "nat",
    chain,
    index: (chains.get(chain)?.rules.length ?? 0) + 1,
    text,
    ...(reader.comment !== undefined && { comment: reader.comment }),
    match: { ...reader.match, unknown: reader.unknown },
    target: reader.target,
  };
}

/** Splits at spaces; double quotes hold words together and a backslash takes the next character as it is. */
export function words(text: string): string[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, plain]) =>
    quoted === undefined ? (plain ?? "") : quoted.replaceAll(/\\(.)/g, "$1"),
  );
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

class OptionReader {
  readonly match: Writable<Omit<RuleMatch, "unknown">> = {};
  readonly unknown: string[] = [];
  target: RuleTarget = { type: "continue" };
  comment: string | undefined;
  readonly #words: string[];
  readonly #family: 4 | 6;
  #not = false;

  constructor(list: string[], family: 4 | 6) {
    this.#words = list;
    this.#family = family;
  }

  read(): void {
    for (let word = this.#words.shift(); word !== undefined; word = this.#words.shift()) {
      if (word === "!") this.#not = true;
      else {
        this.#option(word);
        this.#not = false;
      }
    }
  }

  #next(): string {
    return this.#words.shift() ?? "";
  }

  #is<T>(value: T): Not<T> {
    return { value, not: this.#not };
  }

  #option(option: string): void {
    switch (option) {
      case "-s":
      case "-d": {
        const text = this.#next();
        const cidr = addressOrRange(text, this.#family);
        if (!cidr) this.unknown.push(`${option} ${text}`);
        else if (option === "-s") this.match.source = this.#is(cidr);
        else this.match.destination = this.#is(cidr);
        return;
      }
      case "-o":
        this.match.outInterface = this.#is(this.#next());
        return;
      case "-i":
        this.match.inInterface = this.#is(this.#next());
        return;
      case "-p":
        this.match.protocol = this.#is(this.#next());
        return;
      case "-m":
        // Only names the extension; its options follow.
        this.#next();
        return;
      case "--comment":
        this.comment = this.#next();
        return;
      case "--mark": {
        const [value = "0", mask = "0xffffffff"] = this.#next().split("/");
        this.match.mark = this.#is({ value: Number(value), mask: Number(mask) });
        return;
      }
      case "--dst-type": {
        const type = this.#next();
        if (type === "LOCAL") this.match.localDestination = this.#is(true);
        else this.unknown.push(`${this.#not ? "! " : ""}--dst-type ${type}`);
        return;
      }
      case "-j":
      case "-g":
        this.target = this.#readTarget(option === "-g");
        return;
      default:
        this.#unknownOption(option);
    }
  }

  #unknownOption(option: string): void {
    const values: string[] = [];
    while (this.#words[0] !== undefined && !this.#words[0].startsWith("-") && this.#words[0] !== "!")
      values.push(this.#next());
    this.unknown.push([this.#not ? "!" : "", option, ...values].filter((word) => word !== "").join(" "));
  }

  /** A target ends the rule: what follows are its own options. */
  #readTarget(isGoto: boolean): RuleTarget {
    const name = this.#next();
    const rest = this.#words.splice(0);
    const option = (key: string) => (rest.includes(key) ? rest[rest.indexOf(key) + 1] : undefined);
    switch (name) {
      case "RETURN":
        return { type: "return" };
      case "ACCEPT":
        return { type: "accept" };
      case "DROP":
        return { type: "drop" };
      case "MASQUERADE": {
        const [first, last = first] = (option("--to-ports") ?? "").split("-").map(Number);
        return first !== undefined && last !== undefined && first > 0
          ? { type: "masquerade", ports: { first, last } }
          : { type: "masquerade" };
      }
      case "SNAT": {
        const text = option("--to-source") ?? "";
        return { type: "snat", to: addressRange(text), text };
      }
      case "DNAT":
      case "REDIRECT":
        return { type: "dnat", text: [name, ...rest].join(" ") };
      case "MARK":
      case "CONNMARK":
      case "LOG":
      case "NFLOG":
      case "NETMAP":
      case "TCPMSS":
        return { type: "other", text: [name, ...rest].join(" ") };
      default:
        return { type: isGoto ? "goto" : "jump", chain: name };
    }
  }
}

function addressOrRange(text: string, family: 4 | 6): Cidr | undefined {
  const cidr = tryParseCidr(text);
  if (cidr) return cidr;
  const ip = tryParseIp(text);
  return ip && ip.family === family ? cidrOf(ip, family === 4 ? 32 : 128) : undefined;
}

/** Reads `A`, `A-B`, `A:ports` or `[A]-[B]:ports`. */
function addressRange(text: string): { family: 4 | 6; first: bigint; last: bigint } | undefined {
  const plain = text.startsWith("[")
    ? text.replaceAll(/\]:.*$/g, "").replaceAll(/[[\]]/g, "")
    : text.includes(".")
      ? text.replace(/:.*$/, "")
      : text;
  const [first, last = first] = plain.split("-").map((part) => tryParseIp(part));
  return first && last ? { family: first.family, first: first.value, last: last.value } : undefined;
}
