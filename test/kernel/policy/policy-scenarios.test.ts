import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Pod, Protocol } from "../../../src/api/kinds/core.ts";
import { emptyFacts } from "../../../src/plan/facts.ts";
import { PolicyBed } from "./policy-bed.ts";
import {
  type Scenario,
  type Step,
  scenarioIp,
  scenarioIp6,
  scenarioPods,
  scenarios,
} from "./policy-scenarios.ts";

const ports = [80, 81];
const protocols = ["TCP", "UDP", "SCTP"] as const;
let bed: PolicyBed;

function linkOf(name: string): string {
  return `tl${scenarioPods.indexOf(name).toString(16).padStart(13, "0")}`;
}

beforeAll(() => {
  bed = new PolicyBed();
  for (const name of scenarioPods) bed.plug(linkOf(name), [scenarioIp(name), scenarioIp6(name)]);
});
afterAll(() => bed.close());

const meta = { resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" };

function podObject(key: string, labels: Readonly<Record<string, string>>): Pod {
  const [namespace = "", name = ""] = key.split("/");
  const declared = ports.flatMap((port) =>
    protocols.map((protocol) => ({
      name: `serve-${port}-${protocol.toLowerCase()}`,
      containerPort: port,
      protocol,
    })),
  );
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...meta, name, namespace, uid: key, labels: { pod: name, ...labels } },
    spec: { nodeName: "n1", containers: [{ name: "serve", ports: declared }] },
    status: { phase: "Running", podIPs: [{ ip: scenarioIp(key) }, { ip: scenarioIp6(key) }] },
  };
}

async function arrange({ policies, labels = {} }: Step): Promise<void> {
  bed.facts = {
    ...emptyFacts(),
    namespaces: new Map(
      ["x", "y", "z"].map((name) => [
        name,
        {
          apiVersion: "v1",
          kind: "Namespace",
          metadata: { ...meta, name, uid: name, labels: { ns: name, ...labels[name] } },
        },
      ]),
    ),
    pods: new Map(scenarioPods.map((key) => [key, podObject(key, labels[key] ?? {})])),
    policies: new Map(policies.map((one) => [`${one.metadata.namespace}/${one.metadata.name}`, one])),
  };
  for (const key of scenarioPods)
    bed.endpoints.set(key, {
      pod: key,
      uid: key,
      interface: linkOf(key),
      ips: [scenarioIp(key), scenarioIp6(key)],
    });
  await bed.apply();
}

/** Returns the connections that differ from what the step says. */
async function wrong(step: Step, used: readonly Protocol[]): Promise<string[]> {
  const asked = scenarioPods.flatMap((from) =>
    scenarioPods
      .filter((to) => to !== from)
      .flatMap((to) => used.flatMap((protocol) => ports.map((port) => ({ from, to, protocol, port })))),
  );
  const found: string[] = [];
  for (const address of [scenarioIp, scenarioIp6]) {
    const arrived = await bed.send(
      asked.map((one) => ({ ...one, from: address(one.from), to: address(one.to) })),
    );
    for (const [at, one] of asked.entries())
      if (arrived[at] !== step.allow(one))
        found.push(
          `${one.from} -> ${one.to}:${one.port}/${one.protocol} (${address(one.to)}): ${arrived[at]}`,
        );
  }
  return found;
}

describe("Kubernetes' end-to-end scenarios, with real packets, IPv4 and IPv6", () => {
  it.each(scenarios.map((scenario): [string, Scenario] => [scenario.name, scenario]))(
    "%s",
    async (_, scenario) => {
      for (const step of scenario.steps) {
        await arrange(step);
        expect(await wrong(step, scenario.protocols ?? ["TCP"])).toEqual([]);
      }
    },
  );
});
