// What the agent counts, in Prometheus' text format. A registry per agent: several may live in one process.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { AddParts } from "../pods/add-parts.ts";
import type { Repairs } from "../pods/wire-upkeep.ts";

const quick = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

const LOOP_SAMPLE_MS = 500;

export interface AgentGauges {
  readonly ready: () => boolean;
  /** Endpoints by phase. */
  readonly endpoints: () => ReadonlyMap<string, number>;
  /** Problems by code. */
  readonly problems: () => ReadonlyMap<string, number>;
}

export class AgentMetrics {
  readonly registry = new Registry();
  readonly #requests: Counter<"verb" | "code">;
  readonly #requestSeconds: Histogram<"verb">;
  readonly #addSeconds: Histogram<"part">;
  readonly #applySeconds: Histogram<"manager">;
  readonly #applyFailures: Counter<"manager">;
  readonly #repairs: Counter;
  readonly #settingRepairs: Counter<"of">;

  /** @param processMetrics whether the process is this agent's alone, so that its CPU and memory say something */
  constructor(node: string, processMetrics: boolean, gauges: AgentGauges) {
    const registers = [this.registry];
    this.registry.setDefaultLabels({ node });
    // The event loop's delay is sampled by a timer; at its default of 10 ms that alone keeps an idle agent awake.
    if (processMetrics)
      collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: LOOP_SAMPLE_MS });
    this.#requests = new Counter({
      name: "trunkline_cni_requests_total",
      help: "CNI requests answered, by verb and error code (0: success)",
      labelNames: ["verb", "code"],
      registers,
    });
    this.#requestSeconds = new Histogram({
      name: "trunkline_cni_request_seconds",
      help: "Time from a CNI request to its answer",
      labelNames: ["verb"],
      buckets: quick,
      registers,
    });
    this.#addSeconds = new Histogram({
      name: "trunkline_cni_add_part_seconds",
      help: "Where the time of ADDs that succeeded went; an ADD's parts follow each other",
      labelNames: ["part"],
      buckets: [0.00005, 0.0001, 0.0002, ...quick],
      registers,
    });
    this.#applySeconds = new Histogram({
      name: "trunkline_apply_seconds",
      help: "Time that a manager took to make the kernel equal to its plan",
      labelNames: ["manager"],
      buckets: quick,
      registers,
    });
    this.#applyFailures = new Counter({
      name: "trunkline_apply_failures_total",
      help: "Times that a manager failed",
      labelNames: ["manager"],
      registers,
    });
    this.#repairs = new Counter({
      name: "trunkline_route_repairs_total",
      help: "Pods' host routes that were missing and were put back",
      registers,
    });
    this.#settingRepairs = new Counter({
      name: "trunkline_setting_repairs_total",
      help: "Settings of the node, and of pods' links, that somebody had changed and that were put right",
      labelNames: ["of"],
      registers,
    });
    new Gauge({
      name: "trunkline_ready",
      help: "1 when the node can serve pods",
      registers,
      collect() {
        this.set(gauges.ready() ? 1 : 0);
      },
    });
    addCounts(
      registers,
      "trunkline_endpoints",
      "Pod interfaces on this node, by phase",
      "phase",
      gauges.endpoints,
    );
    addCounts(
      registers,
      "trunkline_problems",
      "Problems that managers report, by code",
      "code",
      gauges.problems,
    );
  }

  /** @param parts of an ADD that succeeded */
  requestDone(verb: string, code: number, seconds: number, parts?: AddParts): void {
    for (const [part, ms] of parts?.spent ?? []) this.#addSeconds.observe({ part }, ms / 1000);
    this.#requests.inc({ verb, code: String(code) });
    this.#requestSeconds.observe({ verb }, seconds);
  }

  applied(manager: string, seconds: number, error: unknown): void {
    this.#applySeconds.observe({ manager }, seconds);
    if (error !== undefined) this.#applyFailures.inc({ manager });
  }

  repaired({ routes, settings }: Repairs): void {
    this.#repairs.inc(routes);
    this.#settingRepairs.inc({ of: "pod" }, settings);
  }

  settingMended(): void {
    this.#settingRepairs.inc({ of: "node" });
  }
}

function addCounts(
  registers: Registry[],
  name: string,
  help: string,
  label: string,
  counts: () => ReadonlyMap<string, number>,
): void {
  new Gauge({
    name,
    help,
    labelNames: [label],
    registers,
    collect() {
      this.reset();
      for (const [value, count] of counts()) this.set({ [label]: value }, count);
    },
  });
}
