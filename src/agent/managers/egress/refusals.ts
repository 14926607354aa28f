// Egress addresses that this node does not take, since somebody has them or nobody can, and where that is told: on the
// objects that ask for them. What objects alone tell is refused by the plan already; this is what a node and its wire know.

import type { Condition } from "../../../api/kinds/core.ts";
import type { Lease } from "../../../api/kinds/lease.ts";
import { type SourceNAT, sourceNatKind } from "../../../api/kinds/source-nat.ts";
import { textOf } from "../../../base/errors.ts";
import { cidrRange, formatIp, tryParseCidr, tryParseIp } from "../../../base/ip.ts";
import type { Logger } from "../../../base/log.ts";
import type { Kernel, Link } from "../../../kernel/kernel.ts";
import { setCondition } from "../../../store/condition.ts";
import { EventRecorder } from "../../../store/event-recorder.ts";
import type { Store } from "../../../store/store.ts";
import { WireQuestions } from "./wire-questions.ts";

const CONFLICT = "AddressConflict";
/** An answer of the wire counts for that long. */
const FRESH_MS = 2000;
/** Whoever had an address that was refused may have left. */
const AGAIN_MS = 5000;
/** Who has held an address until then may still answer for it: the kernel keeps it for some seconds (see holder.ts). */
const OURS_MS = 10_000;

interface Known {
  readonly at: number;
  /** Undefined: it is free. */
  readonly why: string | undefined;
}

export interface RefusalOptions {
  readonly node: string;
  readonly kernel: Kernel;
  readonly store: Store;
  readonly logger: Logger;
}

export class EgressRefusals {
  readonly #options: RefusalOptions;
  readonly #questions: WireQuestions;
  readonly #events: EventRecorder;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Set<string>();
  /** What each object was told last. */
  readonly #told = new Map<string, string>();

  constructor(options: RefusalOptions) {
    this.#options = options;
    this.#questions = new WireQuestions(options.kernel);
    const source = { component: "trunkline-agent", host: options.node };
    this.#events = new EventRecorder(options.store, source, options.logger);
  }

  /** Returns whether an address may be taken now; if that is not known, asks, so that it is known some rounds later. */
  isFree(address: string, link: Link, lease: Lease | undefined): boolean {
    const why = localFault(this.#options.kernel, address, link);
    if (why !== undefined) this.#known.set(address, { at: performance.now(), why });
    else if (wasOurs(lease)) return true;
    const known = this.#known.get(address);
    const age = performance.now() - (known?.at ?? Number.NEGATIVE_INFINITY);
    if (known !== undefined && age < (known.why === undefined ? FRESH_MS : AGAIN_MS))
      return known.why === undefined;
    if (!this.#asking.has(address)) this.#ask(address, link);
    return false;
  }

  /** Somebody else was heard to have an address that is held. */
  heard(address: string, mac: string): void {
    this.#known.set(address, { at: performance.now(), why: `${mac} has it, too` });
  }

  taken(address: string): void {
    this.#known.delete(address);
  }

  problems(): { code: string; message: string; object: string }[] {
    return [...this.#told]
      .filter(([, message]) => message !== "")
      .map(([object, message]) => ({ code: "snat.egress-conflict", message, object }));
  }

  /** Says on every object which of its addresses are not taken, and why. */
  tell(wanted: Iterable<{ readonly address: string; readonly objects: readonly string[] }>): void {
    const messages = new Map<string, string[]>();
    const addresses = new Set<string>();
    for (const { address, objects } of wanted) {
      addresses.add(address);
      const why = this.#known.get(address)?.why;
      for (const object of objects) {
        const list = messages.get(object) ?? [];
        if (why !== undefined) list.push(`${address} is not taken: ${why}`);
        messages.set(object, list);
      }
    }
    for (const address of this.#known.keys()) if (!addresses.has(address)) this.#known.delete(address);
    for (const object of this.#told.keys()) if (!messages.has(object)) this.#told.delete(object);
    for (const [object, list] of messages) this.#tellObject(object, list.join("; "));
  }

  /** An address is taken: whoever said that it could not be (another node, an agent before this one) is outdated. */
  async overcome(object: SourceNAT, address: string): Promise<void> {
    const said = object.status?.conditions?.find(({ type }) => type === CONFLICT);
    if (said?.status !== "True" || !said.message?.includes(`${address} `)) return;
    await setCondition(this.#options.store, sourceNatKind, object.metadata.name, conditionOf(""));
  }

  /** Makes neighbours of an address that was given up send to whoever has it: they may have learnt it from us. */
  async handOver(address: string, link: Link, announce: (mac: string) => void): Promise<void> {
    try {
      const mac = await this.#questions.ask(address, link);
      if (mac !== undefined) announce(mac);
    } catch (error) {
      this.#options.logger.debug({ address, error: textOf(error) }, "neighbours were not told");
    }
  }

  async stop(): Promise<void> {
    await this.#questions.stop();
  }

  #ask(address: string, link: Link): void {
    const { logger } = this.#options;
    this.#asking.add(address);
    this.#questions
      .ask(address, link)
      .then((mac) => {
        const why = mac === undefined ? undefined : `${mac} answers for it on ${link.name}`;
        if (why !== undefined && this.#known.get(address)?.why !== why)
          logger.warn({ address, mac }, "an egress address is somebody else's: not taken");
        this.#known.set(address, { at: performance.now(), why });
      })
      .catch((error: unknown) => logger.debug({ address, error: textOf(error) }, "the wire was not asked"))
      .finally(() => this.#asking.delete(address));
  }

  #tellObject(object: string, message: string): void {
    const before = this.#told.get(object);
    if (before === message || (before === undefined && message === "")) return;
    this.#told.set(object, message);
    const { store, logger } = this.#options;
    const name = object.replace("SourceNAT/", "");
    const isRefused = message !== "";
    if (isRefused) {
      const { apiVersion, kind } = sourceNatKind;
      this.#events.record({
        object: { apiVersion, kind, name },
        reason: "AddressInUse",
        message,
        type: "Warning",
      });
    }
    setCondition(store, sourceNatKind, name, conditionOf(message)).catch((error: unknown) => {
      this.#told.delete(object);
      logger.warn({ object, error: textOf(error) }, "an object's condition could not be written");
    });
  }
}

function conditionOf(message: string): Pick<Condition, "type" | "status" | "reason" | "message"> {
  return message === ""
    ? { type: CONFLICT, status: "False", reason: "AddressesFree", message }
    : { type: CONFLICT, status: "True", reason: "AddressInUse", message };
}

/**
 * Returns whether a node of the cluster has held the address until just now. By that node's clock: one that is far off, to
 * either side, says nothing, and then the wire is asked.
 */
function wasOurs(lease: Lease | undefined): boolean {
  const renewed = Date.parse(lease?.spec?.renewTime ?? "");
  return !Number.isNaN(renewed) && Math.abs(Date.now() - renewed) < OURS_MS;
}

/** Returns why an address cannot be an egress address on this node, as its own links and routes tell. */
function localFault(kernel: Kernel, address: string, link: Link): string | undefined {
  const gateway = kernel.routes.list().find(({ via }) => via === address);
  if (gateway !== undefined) return `it is the gateway to ${gateway.destination}`;
  const ip = tryParseIp(address);
  for (const entry of kernel.addresses.list()) {
    const [own = ""] = entry.address.split("/");
    // Ours, left by an agent before this one, has no network of its own.
    const isSingle = entry.linkIndex === link.index && /\/(?:32|128)$/.test(entry.address);
    if (own === address && !isSingle) return "it is an address of this node's own";
    const network = tryParseCidr(networkOf(entry.address));
    if (ip === undefined || network === undefined || network.family !== ip.family) continue;
    const bits = network.family === 4 ? 32 : 128;
    if (network.length >= bits - 1) continue;
    const { first, last } = cidrRange(network);
    if (ip.value === first) return `it is the network's own address (${networkOf(entry.address)})`;
    if (ip.family === 4 && ip.value === last)
      return `it is the broadcast address of ${networkOf(entry.address)}`;
  }
  return undefined;
}

function networkOf(withLength: string): string {
  const [address = "", length = ""] = withLength.split("/");
  const ip = tryParseIp(address);
  if (ip === undefined) return withLength;
  const bits = ip.family === 4 ? 32 : 128;
  const host = BigInt(bits - Number(length));
  return `${formatIp({ family: ip.family, value: (ip.value >> host) << host })}/${length}`;
}
