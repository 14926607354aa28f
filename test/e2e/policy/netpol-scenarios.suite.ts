// Kubernetes' own scenarios of network policies in a whole lab: two nodes, the agents of production, pods started through
// CNI. After every step packets, the evaluator, the naive matcher and the truth table written by hand must all agree.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { namespaceKind, type Pod, type Protocol, podIps, podKind } from "../../../src/api/kinds/core.ts";
import { type NetworkPolicy, networkPolicyKind } from "../../../src/api/kinds/network-policy.ts";
import { judgesOf } from "../../../src/explain/judges/plans.ts";
import { clusterEnds, matrixCells } from "../../../src/explain/matrix/matrix.ts";
import { askLab } from "../../../src/lab/control/client.ts";
import type { MatrixRequest } from "../../../src/lab/probe/prober.ts";
import { collectFacts } from "../../../src/plan/collect.ts";
import type { ClusterFacts } from "../../../src/plan/facts.ts";
import { naiveAllows } from "../../../src/plan/policy/naive.suite.ts";
import { openSqliteStore } from "../../../src/store/sqlite/store.ts";
import type { Store } from "../../../src/store/store.ts";
import {
  type Scenario,
  type Step,
  scenarioIp,
  scenarioIp6,
  scenarioPods,
  scenarios,
} from "../../kernel/policy/policy-scenarios.ts";
import { keyOf, type ProbedCell } from "../cells.ts";
import { Commands } from "../trunkline.ts";

/** One packet is believed when it arrives; that none does is believed after this, in milliseconds. */
const PATIENCE_MS = 250;
const ranges = { 4: "10.1.0.0/16", 6: "fd00:10:1::/48" };

const lab = `
name: netpol
networks:
  - {name: nodes, cidrs: [192.168.18.0/24, "fd00:18::/64"]}
nodes:
  - {name: node1, addresses: [192.168.18.11, "fd00:18::11"]}
  - {name: node2, addresses: [192.168.18.12, "fd00:18::12"]}
`;

function manifests(): object[] {
  const pool = (name: string, cidr: string, blockSize: number) => ({
    apiVersion: "crd.projectcalico.org/v1",
    kind: "IPPool",
    metadata: { name },
    spec: { cidr, blockSize },
  });
  const namespaces = ["x", "y", "z"].map((name) => ({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name, labels: { ns: name } },
  }));
  const ports = [80, 81].flatMap((containerPort) =>
    (["TCP", "UDP", "SCTP"] as const).map((protocol) => ({
      name: `serve-${containerPort}-${protocol.toLowerCase()}`,
      containerPort,
      protocol,
    })),
  );
  const pods = scenarioPods.map((key, at) => {
    const [namespace, name = ""] = key.split("/");
    return {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace, labels: { pod: name } },
      spec: { nodeName: `node${(at % 2) + 1}`, containers: [{ name: "serve", ports }] },
    };
  });
  return [pool("v4", ranges[4], 26), pool("v6", ranges[6], 122), ...namespaces, ...pods];
}

/** One lab for all scenarios, asked for the connections of one family of addresses. */
export function describeScenarios(family: 4 | 6): void {
  const commands = new Commands();
  let store: Store;
  let pods: ReadonlyMap<string, Pod>;

  beforeAll(async () => {
    const { file } = commands;
    await commands.up(file("lab.yaml", lab));
    const items = manifests();
    await commands.ask(
      "apply",
      "-f",
      file("objects.json", JSON.stringify({ apiVersion: "v1", kind: "List", items })),
    );
    await commands.ask("wait", "--for", "ready", "--all");
    store = openSqliteStore(commands.entry().paths.store);
    pods = (await collectFacts(store)).pods;
  }, 120_000);
  afterAll(async () => {
    await store.close();
    await commands.end();
  });

  const ipOf = (key: string) =>
    podIps(pods.get(key) as Pod).find((ip) => ip.includes(":") === (family === 6)) ?? "";

  /** A scenario's policy with the addresses that the pods have got here. */
  function placed(policy: NetworkPolicy): NetworkPolicy {
    let text = JSON.stringify(policy)
      .replaceAll('"10.0.0.0/24"', `"${ranges[4]}"`)
      .replaceAll('"fd00::/120"', `"${ranges[6]}"`);
    for (const key of scenarioPods) {
      const [v4, v6] = podIps(pods.get(key) as Pod);
      text = text
        .replaceAll(`"${scenarioIp(key)}/32"`, `"${v4}/32"`)
        .replaceAll(`"${scenarioIp6(key)}/128"`, `"${v6}/128"`);
    }
    return JSON.parse(text) as NetworkPolicy;
  }

  async function relabel(labels: NonNullable<Step["labels"]>): Promise<void> {
    for (const name of ["x", "y", "z"]) {
      const object = await store.get(namespaceKind, name);
      if (!object) throw new Error(`namespace ${name} is gone`);
      const own = { "kubernetes.io/metadata.name": name, ns: name, ...labels[name] };
      await store.update(namespaceKind, { ...object, metadata: { ...object.metadata, labels: own } });
    }
    for (const key of scenarioPods) {
      const [namespace, name = ""] = key.split("/");
      const object = await store.get(podKind, name, namespace);
      if (!object) throw new Error(`pod ${key} is gone`);
      const own = { pod: name, ...labels[key] };
      await store.update(podKind, { ...object, metadata: { ...object.metadata, labels: own } });
    }
  }

  /** Makes the cluster what a step says: policies of the step before that have the same name are changed in place. */
  async function arrange({ policies, labels = {} }: Step): Promise<void> {
    await relabel(labels);
    const wanted = policies.map((policy, at) => {
      const { apiVersion, kind, spec, metadata } = placed(policy);
      return {
        apiVersion,
        kind,
        spec,
        metadata: { name: `policy-${at}`, namespace: metadata.namespace ?? "" },
      };
    });
    const { items } = await store.list(networkPolicyKind);
    const keyed = new Map(items.map((item) => [`${item.metadata.namespace}/${item.metadata.name}`, item]));
    for (const policy of wanted) {
      const key = `${policy.metadata.namespace}/${policy.metadata.name}`;
      const old = keyed.get(key);
      keyed.delete(key);
      if (old) await store.update(networkPolicyKind, { ...old, spec: policy.spec });
      else await store.create(networkPolicyKind, policy);
    }
    for (const { metadata } of keyed.values())
      await store.delete(networkPolicyKind, metadata.name, metadata.namespace);
  }

  /** The connections between different pods that open, by what is asked. */
  async function opened(used: readonly Protocol[], timeoutMs: number): Promise<string[]> {
    const ports = used.flatMap((protocol) => [80, 81].map((port) => ({ port, protocol })));
    const request: MatrixRequest = { ports, family, timeoutMs };
    const { cells } = await askLab<{ cells: ProbedCell[] }>(commands.entry(), "matrix", request);
    expect(cells).toHaveLength(81 * ports.length);
    return cells.filter((cell) => cell.reachable).map(keyOf);
  }

  function evaluated(facts: ClusterFacts, used: readonly Protocol[]): string[] {
    const ends = clusterEnds(facts).map((end) => ({
      ...end,
      addresses: end.addresses.filter((ip) => ip.includes(":") === (family === 6)),
    }));
    const ports = used.flatMap((protocol) => [80, 81].map((port) => ({ port, protocol })));
    return [...matrixCells(facts, judgesOf(facts), { ends, ports, view: "live" })]
      .filter((cell) => cell.allowed)
      .map(keyOf);
  }

  /** What the hand-written table says, and what the text of the API says to a simple reader. */
  function tables(facts: ClusterFacts, { allow }: Step, used: readonly Protocol[]) {
    const byHand: string[] = [];
    const naive: string[] = [];
    for (const from of scenarioPods)
      for (const to of scenarioPods)
        for (const protocol of used)
          for (const port of [80, 81]) {
            const key = keyOf({
              from: `pod/${from}`,
              to: `pod/${to}`,
              port: `${port}/${protocol.toLowerCase()}`,
            });
            if (from === to || allow({ from, to, protocol, port })) byHand.push(key);
            const { egress, ingress } = naiveAllows(facts, {
              fromIp: ipOf(from),
              toIp: ipOf(to),
              protocol,
              port,
            });
            if (egress && ingress) naive.push(key);
          }
    return { byHand: byHand.toSorted(), naive: naive.toSorted() };
  }

  describe(`Kubernetes' end-to-end scenarios in a lab, IPv${family}`, () => {
    it.each(scenarios.map((scenario): [string, Scenario] => [scenario.name, scenario]))(
      "%s",
      async (_, { steps, protocols = ["TCP"] }) => {
        for (const step of steps) {
          await arrange(step);
          const facts = await collectFacts(store);
          const { byHand, naive } = tables(facts, step, protocols);
          expect(naive).toEqual(byHand);
          expect(evaluated(facts, protocols).toSorted()).toEqual(byHand);
          // Where the table is that of the step before, a probe that is too early would find nothing wrong.
          await sleep(50);
          let found = (await opened(protocols, PATIENCE_MS)).toSorted();
          // Time for the agents to follow, and on a busy machine for the packets to arrive.
          for (let left = 3; left > 0 && String(found) !== String(byHand); left--)
            found = (await opened(protocols, PATIENCE_MS * 4)).toSorted();
          expect(found).toEqual(byHand);
        }
      },
    );
  });
}
