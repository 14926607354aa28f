// trunkline snat show

import { formatCidr } from "../../base/ip.ts";
import { formatProblem, type Problem } from "../../base/problem.ts";
import { planTakeover } from "../../plan/snat/foreign/index.ts";
import { type ConfigStatus, rangeName, type SnatPlan } from "../../plan/snat/index.ts";
import { exit, print, printJson, say, sayProblems, table } from "../output.ts";
import type { ShowOptions } from "./options.ts";
import { type NodePlace, withNode } from "./place.ts";
import { ruleRow, yesNo } from "./rule-row.ts";

/** Prints what is in force on a node. Exit code 1 where the written configuration is unusable. */
export function show(options: ShowOptions): Promise<void> {
  return withNode(
    options,
    async (place) => {
      const rules = await ownRules(place);
      if (options.output === "json") printJson(showJson(place, rules));
      else showText(place, rules);
      if (place.plan.config.errors.length > 0) process.exitCode = exit.no;
      const others = [...place.facts.nodes.keys()].filter((name) => name !== place.node);
      if (options.node === undefined && others.length > 0)
        say(`this is node ${place.node}; for the others: --node ${others.toSorted().join(" | ")}`);
    },
    "any",
  );
}

/** The node's own rules as the kernel has them: chains and sets of source translation only. */
async function ownRules({ kernel }: NodePlace): Promise<readonly string[]> {
  const text = await kernel.nft.text("list table inet trunkline");
  return (text ?? "")
    .split(/\n(?=\t(?:set|map|chain) )/)
    .filter((block) => /^\t(set|map|chain) nat-/.test(block))
    .map((block) => block.replace(/\n}\s*$/, "").trimEnd());
}

const states: Readonly<Record<ConfigStatus["state"], string>> = {
  absent: "there is no ConfigMap kube-system/ip-masq-agent: pools decide (natOutgoing)",
  current: "ConfigMap kube-system/ip-masq-agent, as it is written",
  "last-good": "the last good configuration: what is written now is unusable",
  defaults: "ip-masq-agent's defaults: what is written is unusable, and no good one is known",
};

function configJson({ config, state }: ConfigStatus) {
  return {
    state,
    ...(config && {
      nonMasqueradeCIDRs: config.nonMasquerade.map(({ text }) => text),
      masqueradeCIDRs: config.masquerade?.map(({ text }) => text) ?? null,
      masqLinkLocal: config.masqLinkLocal,
      masqLinkLocalIPv6: config.masqLinkLocalIPv6,
      cidrLimit: config.cidrLimit,
      resyncIntervalMs: config.resyncInterval,
      enableIPv6: config.ipv6,
      randomFully: config.randomFully,
      toPorts: config.toPorts.map(({ first, last }) => `${first}-${last}`).join(","),
    }),
  };
}

function showJson(place: NodePlace, rules: readonly string[]) {
  const { plan, foreign, facts, running, node, exits } = place;
  const { config, problems } = plan;
  return {
    node,
    config: configJson(config),
    errors: config.errors,
    findings: config.findings,
    problems,
    ranges: rangesOf(plan),
    pods: podsOf(plan),
    egress: plan.egress.map(({ address, objects, candidates, holder }) => ({
      address,
      objects,
      candidates,
      holder: holder ?? null,
    })),
    rules,
    foreign: planTakeover(facts, plan, foreign.rules, running, exits).rules.map(ruleRow),
  };
}

function rangesOf(plan: SnatPlan) {
  return ([4, 6] as const).flatMap((family) =>
    [...plan.ranges[family], ...plan.subnets[family]].map(({ first, last, value }) => ({
      range: rangeName({ family, first, last }),
      decides: value.type,
      row: value.row,
      object: value.object,
    })),
  );
}

function podsOf(plan: SnatPlan) {
  return [...plan.pods].map(([address, { pod, clauses }]) => ({
    address,
    pod,
    clauses: clauses.map(({ row, object, path, destinations, action }) => ({
      row,
      object,
      path: path ?? null,
      destinations: destinations === "all" ? "all" : destinations.map(formatCidr),
      action: action.type,
    })),
  }));
}

function showText(place: NodePlace, rules: readonly string[]): void {
  const { plan, foreign, facts, running, exits } = place;
  const { config } = plan;
  print(`Configuration on ${place.node}: ${states[config.state]}`);
  const { state: _, ...values } = configJson(config);
  for (const [key, value] of Object.entries(values))
    print(`  ${key}: ${Array.isArray(value) ? value.join(", ") || "(none)" : String(value ?? "(absent)")}`);
  problemLines("Errors", config.errors);
  problemLines("Findings", config.findings);
  sayProblems(plan.problems, "warning");
  const ranges = rangesOf(plan);
  if (ranges.length > 0) {
    print("\nPods' ranges");
    print(table([["RANGE", "DECIDES", "ROW", "OBJECT"], ...ranges.map((one) => Object.values(one))]));
  }
  const pods = podsOf(plan);
  if (pods.length > 0) {
    print("\nPods that ask for something of their own");
    const lines = pods.map(({ address, pod, clauses }) => [
      address,
      pod,
      clauses.map(({ action, object }) => `${action} (${object})`).join(", ") || "-",
    ]);
    print(table([["ADDRESS", "POD", "ASKS FOR"], ...lines]));
  }
  if (plan.egress.length > 0) {
    print("\nEgress addresses");
    const lines = plan.egress.map((one) => [
      one.address,
      one.holder ?? "nobody",
      one.candidates.join(","),
      one.objects.join(","),
    ]);
    print(table([["ADDRESS", "HOLDER", "CANDIDATES", "OBJECTS"], ...lines]));
  }
  print("\nRules in force");
  print(rules.length > 0 ? rules.join("\n") : "  none: the agent has not written any");
  const others = planTakeover(facts, plan, foreign.rules, running, exits).rules.map(ruleRow);
  print(others.length > 0 ? "\nRules of others" : "\nNo NAT rules of others");
  if (others.length > 0) {
    const lines = others.map((row) => [row.place, row.owner, yesNo(row.inTheWay), row.text]);
    print(table([["PLACE", "OWNER", "IN THE WAY", "RULE"], ...lines]));
  }
  for (const what of foreign.rules.unreadable) say(`warning: ${what}`);
}

function problemLines(title: string, problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  print(`${title}`);
  for (const problem of problems) print(`  ${formatProblem(problem)}`);
}
