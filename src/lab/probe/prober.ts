// Probes of a running lab: who asks whom, from which namespace, and what was seen on the way.
import { setTimeout as sleep } from "node:timers/promises";
import { type CapturedPacket, type CapturePoint, startCapture } from "../../agent/probe/capture.ts";
import { DEFAULT_TIMEOUT_MS, probe } from "../../agent/probe/client.ts";
import { failed, type ProbeResult } from "../../agent/probe/result.ts";
import { TrunklineError, textOf } from "../../base/errors.ts";
import { isLoopback } from "../../explain/ground/own-addresses.ts";
import { formatPort } from "../../explain/ports.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { LabPort } from "../file/lab-file.ts";
import { findParty, outsideHosts, type Party, type Population, runningPods } from "../targets.ts";
import { askAll, type MatrixCell, questionsOf } from "./matrix.ts";

const CAPTURE_TAIL_MS = 30;

export interface ProbeRequest {
  readonly from: string;
  readonly to: string;
  readonly namespace?: string;
  /** Default: the first that the target declares; else an ICMP echo. */
  readonly port?: LabPort;
  /** An ICMP echo, whatever the target declares. */
  readonly icmp?: true;
  readonly timeoutMs?: number;
  /** Tells the packets on both ends and on their nodes. */
  readonly capture?: boolean;
}

export type ProbeAnswer = ProbeResult & {
  readonly from: string;
  readonly to: string;
  readonly port: string | null;
  /** Place by place, from the sender to the target. */
  readonly capture?: readonly CapturedPacket[];
};

export interface MatrixRequest {
  /** Default: all. */
  readonly namespaces?: readonly string[];
  /** Default: those that each target declares. */
  readonly ports?: readonly LabPort[];
  readonly timeoutMs?: number;
  /** Of parties that have addresses of both families, these; without it the first that both ends have. */
  readonly family?: 4 | 6;
}

/** What a prober reaches of its lab. */
export interface Reach {
  population(): Population;
  /** Where a party's packets start; nothing if it has no machine here. */
  kernelOf(party: Party): Kernel | undefined;
  kernelOfMember(name: string): Kernel | undefined;
}

export class Prober {
  readonly #reach: Reach;

  constructor(reach: Reach) {
    this.#reach = reach;
  }

  /**
   * Sends a probe.
   * @throws TrunklineError `lab.party`, `lab.no-ready-pod`, `lab.not-a-sender`, `lab.no-address`
   */
  async probe(query: ProbeRequest): Promise<ProbeAnswer> {
    const namespace = query.namespace ?? "default";
    const from = await findParty(query.from, namespace, this.#reach.population());
    const to = await findParty(query.to, namespace, this.#reach.population());
    const asked = query.icmp ? undefined : (query.port ?? to.ports[0]);
    const capture = query.capture ? this.#capture(from, to, asked) : undefined;
    const result = await this.#ask(from, to, asked, query.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    // The last packets of the connection are still on their way.
    if (capture) await sleep(CAPTURE_TAIL_MS);
    const captured = capture?.stop();
    const port = asked ? formatPort(asked) : null;
    return { ...result, from: from.name, to: to.name, port, ...(captured && { capture: captured }) };
  }

  /** Probes between all pods and hosts. */
  async probeAll(query: MatrixRequest): Promise<MatrixCell[]> {
    const { family } = query;
    const all = [
      ...runningPods(this.#reach.population(), query.namespaces),
      ...outsideHosts(this.#reach.population()),
    ];
    const parties =
      family === undefined
        ? all
        : all.map((party) => ofFamily(party, family)).filter(({ addresses }) => addresses.length > 0);
    const timeoutMs = query.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    return askAll(questionsOf(parties, query.ports), ({ from, to, port }) =>
      // A pod that goes away in the middle is no reason to lose all other answers.
      this.#ask(from, to, port, timeoutMs).catch((error: unknown) => failed("failed", textOf(error))),
    );
  }

  async #ask(from: Party, to: Party, port: LabPort | undefined, timeoutMs: number): Promise<ProbeResult> {
    const kernel = this.#reach.kernelOf(from);
    if (!kernel) throw new TrunklineError("lab.not-a-sender", { word: from.name });
    const address = addressBetween(from, to);
    if (address === undefined) throw new TrunklineError("lab.no-address", { from: from.name, to: to.name });
    // To itself by a loopback address one speaks with that address.
    const own = from.pinned && !isLoopback(address) ? from.addresses[0] : undefined;
    const common = { kernel, to: address, timeoutMs, ...(own !== undefined && { from: own }) };
    return probe(port ? { ...common, ...port } : { ...common, protocol: "ICMP" });
  }

  /** Watches both ends and the nodes that they are on. */
  #capture(from: Party, to: Party, port: LabPort | undefined): ReturnType<typeof startCapture> {
    const address = addressBetween(from, to);
    const points: CapturePoint[] = [];
    const add = (place: string, kernel: Kernel | undefined) => {
      if (kernel && !points.some((point) => point.place === place)) points.push({ place, kernel });
    };
    const nodeOf = (party: Party) =>
      party.name.startsWith("pod/")
        ? this.#reach.population().pods.get(party.name.slice(4))?.spec.nodeName
        : undefined;
    const nodes = [nodeOf(from), nodeOf(to)].flatMap((name) => name ?? []);
    add(from.name, this.#reach.kernelOf(from));
    for (const node of nodes) add(`node/${node}`, this.#reach.kernelOfMember(node));
    add(to.name, this.#reach.kernelOf(to));
    return startCapture(points, { address: address ?? "", ...(port && { port: port.port }) });
  }
}

function ofFamily(party: Party, family: 4 | 6): Party {
  return { ...party, addresses: party.addresses.filter((address) => isV6(address) === (family === 6)) };
}

/** Returns an address of `to` that `from` can speak to. */
function addressBetween(from: Party, to: Party): string | undefined {
  return to.addresses.find((own) => from.addresses.some((other) => isV6(own) === isV6(other)));
}

function isV6(address: string): boolean {
  return address.includes(":");
}
