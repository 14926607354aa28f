// Foreign chains walked for many connections at once: those of one sender to a set of destinations, one bit each. Where a
// rule asks for what is not known here, a destination goes both ways; what can end in one way only ends so surely.
import type { IpRange } from "../../../base/ip.ts";
import { isInCidr } from "./cells.ts";
import type { ForeignChain, ForeignRule, ForeignRules } from "./types.ts";

/** Destinations by their place in the list of cells, one bit each. */
export type Places = bigint;

/** By which link packets for an address leave the node: a link's name, some link, or not at all. */
export type ExitLink = { readonly name: string } | "unknown" | "nowhere";

export interface Sender {
  readonly source: IpRange;
  /** undefined: one that no rule names. */
  readonly protocol: string | undefined;
  /** The link that its packets come in by, on hooks that know it; undefined: on their way out. */
  readonly inLink?: string;
}

export interface Outcomes {
  /** What each rule may translate. */
  readonly translated: ReadonlyMap<ForeignRule, Places>;
  /** Of these, what comes to the rule by another program's word about its own range of sources. */
  readonly ofOwnSource: ReadonlyMap<ForeignRule, Places>;
  readonly dropped: Places;
  /** What may come through untranslated. */
  readonly passed: Places;
}

const deepest = 64;

/** Made once for a list of destinations; then asked for one sender after the other. */
export class SetWalk {
  readonly #chains = new Map<string, ForeignChain>();
  readonly #destinations: readonly IpRange[];
  readonly #exits: readonly ExitLink[];
  readonly #isOwnSource: (rule: ForeignRule) => boolean;
  readonly #byDestination = new Map<ForeignRule, { sure: Places; perhaps: Places }>();

  /**
   * @param destinations cells that every range which a rule names has cut
   * @param exits by which link each of them is reached
   * @param isOwnSource whether a rule speaks of some program's own range of sources
   */
  constructor(
    rules: ForeignRules,
    destinations: readonly IpRange[],
    exits: readonly ExitLink[],
    isOwnSource: (rule: ForeignRule) => boolean,
  ) {
    this.#destinations = destinations;
    this.#exits = exits;
    this.#isOwnSource = isOwnSource;
    for (const chain of rules.chains) this.#chains.set(chainKey(chain, chain.name), chain);
  }

  /** Walks a hook's chains one after the other. */
  walk(hooked: readonly ForeignChain[], sender: Sender, entering: Places): Outcomes {
    const one = new OneSender(this, sender);
    const passed = hooked.reduce((at, chain) => one.hook(chain, at), entering);
    return { ...one.outcomes, passed };
  }

  next(chain: ForeignChain, name: string): ForeignChain | undefined {
    return this.#chains.get(chainKey(chain, name));
  }

  isOwnSource(rule: ForeignRule): boolean {
    return this.#isOwnSource(rule);
  }

  /** Returns the destinations that a rule matches, as far as it asks about them. */
  matching(rule: ForeignRule): { readonly sure: Places; readonly perhaps: Places } {
    const known = this.#byDestination.get(rule);
    if (known) return known;
    let [sure, perhaps] = [0n, 0n];
    for (const [at, cell] of this.#destinations.entries()) {
      const answer = matchesDestination(rule, cell, this.#exits[at] ?? "unknown");
      if (answer === false) continue;
      perhaps |= 1n << BigInt(at);
      if (answer === true) sure |= 1n << BigInt(at);
    }
    const made = { sure, perhaps };
    this.#byDestination.set(rule, made);
    return made;
  }
}

/** One sender's walk. Sets are of destinations that may be there; who is nowhere else is there surely. */
class OneSender {
  readonly #translated = new Map<ForeignRule, Places>();
  readonly #ofOwnSource = new Map<ForeignRule, Places>();
  #dropped = 0n;
  #accepted = 0n;
  /** A rule has set a mark: what later ones find is not followed. */
  #isMarked = false;
  readonly #all: SetWalk;
  readonly #sender: Sender;

  constructor(all: SetWalk, sender: Sender) {
    this.#all = all;
    this.#sender = sender;
  }

  get outcomes(): Omit<Outcomes, "passed"> {
    return { translated: this.#translated, ofOwnSource: this.#ofOwnSource, dropped: this.#dropped };
  }

  /** Walks a chain on a hook. Returns what goes on to the next one, as what a chain accepts does. */
  hook(chain: ForeignChain, entering: Places): Places {
    if (!chain.table.startsWith("inet ") && chain.family !== this.#sender.source.family) return entering;
    this.#accepted = 0n;
    const end = this.#run(chain, entering, false, 0);
    if (!/^drop$/i.test(chain.policy)) return end | this.#accepted;
    this.#dropped |= end;
    return this.#accepted;
  }

  /** Returns what comes back to the chain that jumped here. */
  #run(chain: ForeignChain, entering: Places, ownSource: boolean, depth: number): Places {
    if (depth > deepest) return entering;
    let at = entering;
    let back = 0n;
    for (const rule of chain.rules) {
      const matched = this.#matching(rule);
      const here = at & matched.perhaps;
      if (here === 0n) continue;
      const { target } = rule;
      const own = ownSource || this.#all.isOwnSource(rule);
      switch (target.type) {
        case "continue":
          continue;
        case "other":
          if (/mark|mangle/i.test(target.text)) this.#isMarked = true;
          continue;
        case "jump": {
          const next = this.#all.next(chain, target.chain);
          at = (at & ~matched.sure) | (next ? this.#run(next, here, own, depth + 1) : here);
          continue;
        }
        case "goto": {
          const next = this.#all.next(chain, target.chain);
          back |= next ? this.#run(next, here, own, depth + 1) : here;
          break;
        }
        case "return":
          back |= here;
          break;
        case "accept":
          this.#accepted |= here;
          break;
        case "drop":
          this.#dropped |= here;
          break;
        default:
          add(this.#translated, rule, here);
          if (own) add(this.#ofOwnSource, rule, here);
      }
      at &= ~matched.sure;
    }
    return at | back;
  }

  #matching(rule: ForeignRule): { readonly sure: Places; readonly perhaps: Places } {
    const none = { sure: 0n, perhaps: 0n };
    const { source, protocol, inInterface, mark, state, unknown } = rule.match;
    const cell = this.#sender.source;
    if (source && source.value.family !== cell.family) return none;
    if (source && isInCidr(cell, source.value) === source.not) return none;
    if (protocol && (protocol.value === this.#sender.protocol) === protocol.not) return none;
    // On its way out iptables does not know where a packet came in, so only "not there" holds; nft does know it.
    const { inLink } = this.#sender;
    const asksLink = inInterface !== undefined && inLink === undefined && rule.store === "nft";
    if (inInterface && !asksLink && isLink(inInterface.value, inLink) === inInterface.not) return none;
    // What is walked is a connection's first packet.
    if (state && state.value.includes("new") === state.not) return none;
    // A connection's first packet has no mark: what matches is a mark of 0.
    if (mark && !this.#isMarked && (mark.value.value === 0) === mark.not) return none;
    const { sure, perhaps } = this.#all.matching(rule);
    const isOpen = unknown.length > 0 || asksLink || (mark !== undefined && this.#isMarked);
    return { sure: isOpen ? 0n : sure, perhaps };
  }
}

function matchesDestination({ match }: ForeignRule, cell: IpRange, exit: ExitLink): boolean | "perhaps" {
  const { destination, outInterface, localDestination } = match;
  if (destination && destination.value.family !== cell.family) return false;
  if (destination && isInCidr(cell, destination.value) === destination.not) return false;
  // What is for the node itself does not leave it.
  if (localDestination && !localDestination.not) return false;
  if (!outInterface) return true;
  const leaves = leavesBy(outInterface.value, exit);
  return leaves === "perhaps" ? leaves : leaves !== outInterface.not;
}

function leavesBy(name: string, exit: ExitLink): boolean | "perhaps" {
  // Where nothing is known of the node's links: pods' packets do not leave by bridges of containers.
  if (exit === "unknown") return name === "docker0" || name.startsWith("br-") ? false : "perhaps";
  if (exit === "nowhere") return false;
  return isLink(name, exit.name);
}

function isLink(wanted: string, name: string | undefined): boolean {
  return wanted.endsWith("+") ? name?.startsWith(wanted.slice(0, -1)) === true : name === wanted;
}

function add(sets: Map<ForeignRule, Places>, rule: ForeignRule, places: Places): void {
  sets.set(rule, (sets.get(rule) ?? 0n) | places);
}

function chainKey(chain: ForeignChain, name: string): string {
  return `${chain.store} ${chain.family} ${chain.table} ${name}`;
}
