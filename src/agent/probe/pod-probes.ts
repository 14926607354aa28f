// Real packets out of pods' own namespaces, and what arrives there, for whoever may ask the agent: sockets are opened in the
// namespace, so that nothing is installed or started in the pod.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { TrunklineError } from "../../base/errors.ts";
import { tryParseIp } from "../../base/ip.ts";
import type { Kernel, Machine } from "../../kernel/kernel.ts";
import type { Endpoint } from "../pods/endpoint.ts";
import { type Opening, openingOf } from "./capture.ts";
import { DEFAULT_TIMEOUT_MS, type ProbeQuery, probe } from "./client.ts";
import type { ProbeResult } from "./result.ts";

export interface PodProbed extends ProbeResult {
  /** Marks of what was sent, by which it is known where it arrives. */
  readonly marks: readonly string[];
}

/** Source addresses by mark. */
export type Arrivals = Readonly<Record<string, string>>;

interface Options {
  readonly machine: Machine;
  readonly endpoints: () => Iterable<Endpoint>;
}

interface Watch {
  readonly arrivals: Record<string, string>;
  stop(): void;
}

const LONGEST_MS = 30_000;
/** A watch ends by being asked for; this is for those whose asker has gone. */
const LONGEST_WATCH_MS = 300_000;
/** A pod under load opens more than anybody needs to see. */
const MOST_ARRIVALS = 4096;
const MOST_WATCHES = 16;
/** What was sent last may be read by the capture a moment later. */
const TAIL_MS = 20;

const protocols = ["TCP", "UDP", "SCTP", "ICMP"] as const;

export class PodProbes {
  readonly #options: Options;
  readonly #watches = new Map<string, Watch>();

  constructor(options: Options) {
    this.#options = options;
  }

  /** What is answered at the agent's private socket. */
  readonly answers = {
    "/probe": (query: URLSearchParams) => this.#probe(query),
    "/watch": (query: URLSearchParams) => this.#watch(query),
    "/watched": (query: URLSearchParams) => this.#watched(query),
  };

  stop(): void {
    for (const watch of this.#watches.values()) watch.stop();
    this.#watches.clear();
  }

  /** @throws `agent.probe`, `agent.no-such-pod` */
  async #probe(query: URLSearchParams): Promise<PodProbed> {
    const to = query.get("to") ?? "";
    if (tryParseIp(to) === undefined) throw wrong("to", to);
    const what = readWhat(query);
    const timeoutMs = readMs(query);
    const kernel = this.#open(query);
    try {
      const sent = new Set<string>();
      const capture = capturing(kernel, "out", what, ({ mark }) => sent.add(mark));
      try {
        const result = await probe({ kernel, to, timeoutMs, openIsEnough: true, ...what });
        await sleep(TAIL_MS);
        return { ...result, marks: [...sent] };
      } finally {
        capture.stop();
      }
    } finally {
      kernel.close();
    }
  }

  /** Begins to note what opens conversations with a pod. @throws `agent.probe`, `agent.no-such-pod` */
  async #watch(query: URLSearchParams): Promise<{ watch: string }> {
    if (this.#watches.size >= MOST_WATCHES) throw wrong("watch", `${MOST_WATCHES} are open already`);
    const what = readWhat(query);
    const ms = readMs(query, LONGEST_WATCH_MS);
    const kernel = this.#open(query);
    const arrivals: Record<string, string> = {};
    let count = 0;
    const capture = capturing(kernel, "in", what, ({ mark, source }) => {
      if (count++ < MOST_ARRIVALS) arrivals[mark] = source;
    });
    const watch = randomUUID();
    const stop = () => {
      clearTimeout(timer);
      capture.stop();
      kernel.close();
      this.#watches.delete(watch);
    };
    const timer = setTimeout(stop, ms);
    timer.unref();
    this.#watches.set(watch, { arrivals, stop });
    return { watch };
  }

  /** Ends a watch. @throws `agent.probe` */
  async #watched(query: URLSearchParams): Promise<{ arrivals: Arrivals }> {
    const id = query.get("watch") ?? "";
    const watch = this.#watches.get(id);
    if (!watch) throw wrong("watch", id);
    await sleep(TAIL_MS);
    watch.stop();
    return { arrivals: watch.arrivals };
  }

  #open(query: URLSearchParams): Kernel {
    const word = query.get("pod") ?? "";
    const { machine, endpoints } = this.#options;
    for (const { pod, phase, netns, netnsId } of endpoints()) {
      if (phase !== "ready" || pod === undefined || `${pod.namespace}/${pod.name}` !== word) continue;
      // A path may name another namespace by now.
      if (machine.identityOf({ path: netns }) === netnsId) return machine.open({ path: netns });
    }
    throw new TrunklineError("agent.no-such-pod", { pod: word });
  }
}

function capturing(
  kernel: Kernel,
  direction: "in" | "out",
  { protocol, port }: Pick<ProbeQuery, "protocol" | "port">,
  onOpening: (opening: Opening) => void,
): { stop(): void } {
  const fd = kernel.sockets.openPacket();
  const lo = kernel.links.get("lo")?.index;
  const watch = kernel.sockets.receivePackets(fd, ({ direction: way, linkIndex, bytes }) => {
    if (way !== direction || linkIndex === lo) return;
    const opening = openingOf(bytes);
    if (opening?.protocol === protocol && opening.port === port) onOpening(opening);
  });
  const stop = () => {
    watch.stop();
    kernel.sockets.close(fd);
  };
  return { stop };
}

function readWhat(query: URLSearchParams): Pick<ProbeQuery, "protocol" | "port"> {
  const word = query.get("protocol");
  const protocol = protocols.find((one) => one === word);
  if (protocol === undefined) throw wrong("protocol", word ?? "");
  if (protocol === "ICMP") return { protocol };
  const port = Number(query.get("port"));
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw wrong("port", query.get("port") ?? "");
  return { protocol, port };
}

function readMs(query: URLSearchParams, longest = LONGEST_MS): number {
  const ms = Number(query.get("ms") ?? DEFAULT_TIMEOUT_MS);
  if (!(ms >= 1 && ms <= longest)) throw wrong("ms", String(query.get("ms")));
  return ms;
}

function wrong(what: string, value: string): TrunklineError {
  return new TrunklineError("agent.probe", { what, value });
}
