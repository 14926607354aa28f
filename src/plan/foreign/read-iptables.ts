// Reads iptables-save's text (iptables-extensions(8)) for following packets. What is not known is a step of its own, so
// that nobody takes such a rule for one that always matches, or that does nothing.
import { cidrRange, type Family, type IpRange, tryParseCidr, tryParseIp } from "../../base/ip.ts";
import { words } from "../snat/foreign/parse-iptables.ts";
import { tcpFlagsNamed } from "./packet-parts.ts";
import {
  type Chain,
  type ChainBase,
  exactly,
  type Hook,
  hooks,
  type Ports,
  protocolNumber,
  type Rejection,
  type Rule,
  type Step,
  type Subject,
  type Value,
} from "./types.ts";

export type IptablesStore = "iptables-nft" | "iptables-legacy";

/** linux/netfilter_ipv4.h: where each table's chains hang, but for nat's, which differ by hook. */
const priorities: Readonly<Record<string, number>> = { raw: -300, mangle: -150, filter: 0, security: 50 };
const natPriorities: Readonly<Record<Hook, number>> = {
  prerouting: -100,
  input: 100,
  forward: 0,
  output: -100,
  postrouting: 100,
};

/** Returns where a chain of iptables' own hangs; undefined for users' chains. */
export function builtinBase(table: string, chain: string): ChainBase | undefined {
  const hook = hooks.find((one) => one.toUpperCase() === chain);
  if (!hook) return undefined;
  if (table === "nat") return { type: "nat", hook, priority: natPriorities[hook] };
  const priority = priorities[table];
  if (priority === undefined) return undefined;
  return { type: table === "mangle" && hook === "output" ? "route" : "filter", hook, priority };
}

/** Returns all chains in iptables-save's text. */
export function readIptables(text: string, store: IptablesStore, family: Family): Chain[] {
  const chains: (Chain & { rules: Rule[] })[] = [];
  const byKey = new Map<string, { rules: Rule[] }>();
  let table = "";
  for (const raw of text.split("\n")) {
    const line = raw.trim();
    if (line.startsWith("*")) table = line.slice(1);
    const declared = /^:(\S+) (\S+)/.exec(line);
    if (declared) {
      const [, name = "", policy = "-"] = declared;
      const base = policy === "-" ? undefined : builtinBase(table, name);
      const chain = {
        key: keyOf(store, family, table, name),
        title: `${store} ${table} ${name}`,
        families: [family],
        ...(base && { base }),
        policy: policy === "DROP" ? ("drop" as const) : ("accept" as const),
        rules: [],
      };
      chains.push(chain);
      byKey.set(chain.key, chain);
    }
    // Counters stand in front with iptables-save -c.
    const found = /^(?:\[\d+:\d+\] )?-A (\S+) ?(.*)$/.exec(line);
    if (!found) continue;
    const [, name = "", rule = ""] = found;
    const where = table === "nat" ? store : `${store} -t ${table}`;
    const steps = new Reader(words(rule), family, (chain) => keyOf(store, family, table, chain)).read();
    byKey.get(keyOf(store, family, table, name))?.rules.push({ name: `${where} -A ${name} ${rule}`, steps });
  }
  return chains;
}

function keyOf(store: string, family: Family, table: string, name: string): string {
  return `${store} ${family} ${table} ${name}`;
}

class Reader {
  readonly #words: string[];
  readonly #family: Family;
  readonly #keyOf: (chain: string) => string;
  readonly #steps: Step[] = [];
  #not = false;
  #protocol: number | undefined;
  /** The match whose options are read. */
  #extension = "";

  constructor(list: string[], family: Family, keyOfChain: (chain: string) => string) {
    this.#words = list;
    this.#family = family;
    this.#keyOf = keyOfChain;
  }

  read(): readonly Step[] {
    for (let word = this.#words.shift(); word !== undefined; word = this.#words.shift()) {
      if (word === "!") {
        this.#not = true;
        continue;
      }
      if (word === "-j" || word === "-g") this.#steps.push(...this.#target(word === "-g"));
      else this.#option(word);
      this.#not = false;
    }
    return this.#steps;
  }

  #next(): string {
    return this.#words.shift() ?? "";
  }

  #match(subject: Subject, values: readonly (Value | undefined)[], text: string): void {
    const known = values.flatMap((value) => (value === undefined ? [] : [[value]]));
    if (known.length < values.length) this.#unknown(text);
    else this.#steps.push({ type: "match", subjects: [subject], tuples: known, not: this.#not });
  }

  #unknown(text: string): void {
    this.#steps.push({ type: "unknown-match", text: `${this.#not ? "! " : ""}${text}` });
  }

  #option(option: string): void {
    const subject = this.#subjectOf(option);
    if (subject) {
      const text = this.#next();
      this.#match(subject, this.#valuesOf(subject, text), `${option} ${text}`);
    } else if (option === "-p") {
      const text = this.#next();
      const number = protocolNumber(text);
      if (!this.#not) this.#protocol = number;
      this.#match({ of: "protocol" }, [number === undefined ? undefined : exactly(number)], `-p ${text}`);
    } else if (option === "-m") this.#module();
    else if (option === "--comment") this.#next();
    else if (option === "--syn") this.#tcpFlags("FIN,SYN,RST,ACK", "SYN");
    else if (option === "--tcp-flags") this.#tcpFlags(this.#next(), this.#next());
    else if (option === "--ctdir") this.#match({ of: "direction" }, [this.#next().toLowerCase()], "--ctdir");
    else if (option === "--pkt-type") {
      const type = this.#next().toLowerCase();
      this.#match({ of: "packet-type" }, [type === "unicast" ? "host" : type], `--pkt-type ${type}`);
    } else if (option === "--hl-eq")
      this.#match({ of: "hop-limit" }, [exactly(Number(this.#next()))], option);
    else if (this.#extension === "rpfilter" && option === "--validmark") return;
    else if (this.#extension === "rpfilter" && option === "--invert") this.#invertWayBack();
    else if (this.#extension === "rt" && option === "--rt-type") {
      this.#next();
      // No packet that is asked about has a routing header, and without one nothing of it holds, nor its opposite.
      this.#steps.push({ type: "match", subjects: [{ of: "family" }], tuples: [], not: false });
    } else if (option === "--mark") this.#mark();
    else if (option === "--ctstate" || option === "--state") this.#state(option);
    else if (recentWords.has(option)) this.#recent(option);
    else this.#unknown([option, ...this.#values()].join(" "));
  }

  /** Some matches ask for something without any option (rpfilter, socket), and others use the words of known ones. */
  #module(): void {
    this.#extension = this.#next();
    if (this.#extension === "rpfilter")
      this.#steps.push({ type: "match", subjects: [{ of: "way-back" }], tuples: [["exists"]], not: false });
    else if (!understood.has(this.#extension)) this.#unknown(`-m ${this.#extension}`);
  }

  /** Says of the match before that it is meant the other way round. */
  #invertWayBack(): void {
    const at = this.#steps.findLastIndex(
      (step) => step.type === "match" && step.subjects[0]?.of === "way-back",
    );
    const step = this.#steps[at];
    if (step?.type === "match") this.#steps[at] = { ...step, not: !step.not };
  }

  #tcpFlags(mask: string, set: string): void {
    const text = `--tcp-flags ${mask} ${set}`;
    const [bits, value] = [flagBits(mask), flagBits(set)];
    if (bits === undefined || value === undefined) this.#unknown(text);
    else this.#match({ of: "tcp-flags", mask: bits }, [exactly(value)], text);
  }

  #subjectOf(option: string): Subject | undefined {
    const protocol = this.#protocol === undefined ? {} : { protocol: this.#protocol };
    switch (option) {
      case "-s":
      case "--src-range":
        return { of: "source", family: this.#family };
      case "-d":
      case "--dst-range":
        return { of: "destination", family: this.#family };
      case "-i":
        return { of: "in" };
      case "-o":
        return { of: "out" };
      case "--dport":
      case "--dports":
      case "--destination-ports":
        return { of: "destination-port", ...protocol };
      case "--sport":
      case "--sports":
      case "--source-ports":
        return { of: "source-port", ...protocol };
      case "--src-type":
        return { of: "source-type" };
      case "--dst-type":
        return { of: "destination-type" };
      case "--icmp-type":
      case "--icmpv6-type":
        return { of: "icmp-type", family: this.#family };
      default:
        return undefined;
    }
  }

  #valuesOf({ of }: Subject, text: string): (Value | undefined)[] {
    switch (of) {
      case "source":
      case "destination":
        return [rangeOf(text, this.#family)];
      case "in":
      case "out":
        return [text.replace(/\+$/, "*")];
      case "destination-port":
      case "source-port":
        return text.split(",").map(portsOf);
      case "source-type":
      case "destination-type": {
        const types = text.split(",").map((word) => word.toLowerCase());
        if (this.#family === 4) return types;
        // Of IPv6 all that are named have to hold, and a machine's own addresses are unicast, too (match_type6 of xt_addrtype.c).
        return types.map((type) => (types.length > 1 ? undefined : type === "unicast" ? "single" : type));
      }
      default:
        return [/^\d+$/.test(text) ? exactly(Number(text)) : undefined];
    }
  }

  #mark(): void {
    const text = this.#next();
    const [value = "0", mask = "0xffffffff"] = text.split("/");
    // The connection's mark is another one.
    if (this.#extension !== "mark") this.#unknown(`--mark ${text}`);
    else this.#match({ of: "mark", mask: Number(mask) }, [exactly(Number(value))], `--mark ${text}`);
  }

  #state(option: string): void {
    const text = this.#next();
    const names = text.split(",").map((word) => word.toLowerCase());
    this.#match({ of: "state" }, names, `${option} ${text}`);
  }

  /** `-m recent` remembers senders: `--set` always matches (xt_recent.c), whether others do hangs on what came before. */
  #recent(option: string): void {
    const text = [option, ...this.#values()].join(" ");
    if (option === "--set" && !this.#not) return;
    if (recentWords.get(option) === "asks") this.#unknown(text);
  }

  #values(): string[] {
    const out: string[] = [];
    while (this.#words[0] !== undefined && !this.#words[0].startsWith("-") && this.#words[0] !== "!")
      out.push(this.#next());
    return out;
  }

  /** A target ends the rule: what follows are its own options. */
  #target(isGoto: boolean): Step[] {
    const name = this.#next();
    const rest = this.#words.splice(0);
    const text = [name, ...rest].join(" ");
    const option = (key: string) => (rest.includes(key) ? rest[rest.indexOf(key) + 1] : undefined);
    switch (name) {
      case "ACCEPT":
      case "DROP":
      case "RETURN":
        return [{ type: name.toLowerCase() as "accept" | "drop" | "return" }];
      case "REJECT":
        return [{ type: "reject", as: rejection(option("--reject-with")) }];
      case "MASQUERADE":
        return [{ type: "masquerade" }];
      case "SNAT": {
        const to = translated(option("--to-source") ?? "", this.#family);
        return [to.range ? { type: "snat", to: to.range } : { type: "opaque", text }];
      }
      case "DNAT": {
        const to = translated(option("--to-destination") ?? "", this.#family);
        const port = /^:(\d+)$/.exec(option("--to-destination") ?? "")?.[1];
        if (port !== undefined) return [{ type: "dnat", ports: { first: Number(port), last: Number(port) } }];
        if (!to.range) return [{ type: "opaque", text }];
        return [{ type: "dnat", to: to.range, ...(to.ports && { ports: to.ports }) }];
      }
      case "REDIRECT": {
        const ports = rangeOfPorts((option("--to-ports") ?? "").replace("-", ":"));
        return [{ type: "redirect", ...(ports && { ports }) }];
      }
      case "MARK":
        return [markOf(option("--set-xmark"), option("--set-mark"))];
      case "CONNMARK":
        return [{ type: rest.includes("--restore-mark") ? "mark-unknown" : "nothing" }];
      default:
        return harmless.has(name)
          ? [{ type: "nothing" }]
          : [{ type: isGoto ? "goto" : "jump", chain: this.#keyOf(name) }];
    }
  }
}

/** Returns the bits of flags that are listed; undefined: some are not known. Those of congestion iptables has no names for. */
function flagBits(text: string): number | undefined {
  if (text === "NONE") return 0;
  if (text === "ALL") return 0x3f;
  return tcpFlagsNamed(text.toLowerCase().split(","));
}

/** Options of `-m recent`: those that ask, and those that say how. */
const recentWords: ReadonlyMap<string, "asks" | "says"> = new Map([
  ["--set", "asks"],
  ["--rcheck", "asks"],
  ["--update", "asks"],
  ["--remove", "asks"],
  ["--seconds", "says"],
  ["--reap", "says"],
  ["--hitcount", "says"],
  ["--rttl", "says"],
  ["--name", "says"],
  ["--mask", "says"],
  ["--rsource", "says"],
  ["--rdest", "says"],
]);

/** Matches (`-m`) whose options are all that they ask for. */
const understood = new Set([
  "addrtype",
  "comment",
  "conntrack",
  "hl",
  "icmp",
  "icmp6",
  "iprange",
  "mark",
  "multiport",
  "pkttype",
  "recent",
  "rt",
  "sctp",
  "state",
  "tcp",
  "udp",
]);

/**
 * Targets that let the packet go on as it is, as far as anybody here asks. Whatever is not among them may do anything:
 * TTL and HL end its life earlier, TEE sends a second one, CT forgets its connection.
 */
const harmless = new Set([
  "LOG",
  "NFLOG",
  "ULOG",
  "TCPMSS",
  "TRACE",
  "AUDIT",
  "CLASSIFY",
  "CHECKSUM",
  "DSCP",
  "TOS",
  // Whoever asks for the set (-m set) is told of as unknown.
  "SET",
  "LED",
  "RATEEST",
  "TCPOPTSTRIP",
  "IDLETIMER",
]);

function rejection(kind: string | undefined): Rejection {
  if (kind === "tcp-reset") return "reset";
  return kind === undefined || /port-unreach|proto-unreach/.test(kind) ? "refused" : "unreachable";
}

/** `--set-xmark V/M`: (old & ~M) ^ V; `--set-mark V/M`: (old & ~M) | V. */
function markOf(xmark: string | undefined, mark: string | undefined): Step {
  const text = xmark ?? mark;
  if (text === undefined) return { type: "mark-unknown" };
  const [value = "0", mask = "0xffffffff"] = text.split("/");
  const [bits, xor] = [Number(mask), Number(value)];
  const cleared = xmark === undefined ? (bits | xor) >>> 0 : bits;
  return { type: "mark", and: ~cleared >>> 0, xor };
}

function rangeOf(text: string, family: Family): Value | undefined {
  const range = addresses(text, family);
  return range && { first: range.first, last: range.last };
}

/** Reads an address, a range of prefix form or one with two ends. */
function addresses(text: string, family: Family): IpRange | undefined {
  const cidr = tryParseCidr(text);
  if (cidr) return cidr.family === family ? cidrRange(cidr) : undefined;
  const [first, last = first] = text.split("-").map((part) => tryParseIp(part));
  if (first?.family !== family || last?.family !== family) return undefined;
  return { family, first: first.value, last: last.value };
}

function portsOf(text: string): Value | undefined {
  const ports = rangeOfPorts(text);
  return ports && { first: BigInt(ports.first), last: BigInt(ports.last) };
}

function rangeOfPorts(text: string): Ports | undefined {
  const found = /^(\d+)(?::(\d+))?$/.exec(text);
  return found ? { first: Number(found[1]), last: Number(found[2] ?? found[1]) } : undefined;
}

/** Reads `A`, `A-B` and `A-B:ports`; of IPv6 `[A-B]:ports`. */
function translated(text: string, family: Family): { range?: IpRange; ports?: Ports } {
  const form = family === 4 ? /^([\d.]+(?:-[\d.]+)?)(?::(\d+)(?:-(\d+))?)?$/ : /^\[(.+)\]:(\d+)(?:-(\d+))?$|/;
  const [, inner = text, first, last = first] = form.exec(text) ?? [];
  const range = addresses(inner, family);
  const ports = first === undefined ? undefined : { first: Number(first), last: Number(last) };
  return { ...(range && { range }), ...(ports && { ports }) };
}
