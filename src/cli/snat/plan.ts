// trunkline snat plan: the dry run of a takeover.
import {
  cleanSteps,
  configMapEdit,
  daemonSetEdit,
  type Edit,
  planTakeover,
} from "../../plan/snat/foreign/index.ts";
import { print, printJson, say, table } from "../output.ts";
import type { PlanOptions } from "./options.ts";
import { type NodePlace, withNode } from "./place.ts";
import { ruleRow, yesNo } from "./rule-row.ts";

/** Prints owners, effects, edits and deletions. Changes nothing; exit code 0. */
export function plan(options: PlanOptions): Promise<void> {
  return withNode(options, async (place) => {
    const { facts, foreign, running, node, exits } = place;
    const takeover = planTakeover(facts, place.plan, foreign.rules, running, exits);
    const edits = editsOf(place);
    const steps = cleanSteps(foreign.rules, takeover.rules);
    const rules = takeover.rules.map(ruleRow);
    if (options.output === "json") {
      const { blockers, warnings } = takeover;
      printJson({ node, rules, edits: edits.map(editJson), steps, blockers, warnings });
      return;
    }
    if (rules.length === 0) print(`No NAT rules of others on ${node}`);
    else {
      const lines = rules.map((row) => [
        row.place,
        row.owner,
        row.sure,
        row.verdict,
        yesNo(row.inTheWay),
        row.text,
      ]);
      print(table([["PLACE", "OWNER", "SURE", "VERDICT", "IN THE WAY", "RULE"], ...lines]));
      print("\nWhy");
      for (const row of rules) {
        print(`  ${row.place}: ${row.effect}.`);
        print(`    ${row.owner}: ${row.why}; ${row.reason}.`);
      }
    }
    if (edits.length > 0) print("\nEdits, so that nothing comes back");
    for (const edit of edits) print(`\n# ${edit.reason}\n${edit.diff}# or: ${kubectl(edit)}`);
    const deletions = rules.filter((row) => row.verdict === "delete").length;
    print(
      `\n\`trunkline snat clean --node ${node}\` would delete ${deletions} ${deletions === 1 ? "rule" : "rules"}:`,
    );
    for (const step of steps) print(`# ${step.store}, IPv${step.family}\n${step.input.trimEnd()}`);
    for (const blocker of takeover.blockers) say(`it refuses: ${blocker}`);
    for (const warning of takeover.warnings) say(`warning: ${warning}`);
    await Promise.resolve();
  });
}

/** Edits of what stands in the store; none where it is as it should be. */
export function editsOf({ facts, running }: NodePlace): Edit[] {
  const map = facts.configMaps.get("kube-system/kube-flannel-cfg");
  const first = map && configMapEdit(map);
  const sets = running.daemonSets.flatMap((set) => daemonSetEdit(set) ?? []);
  return first ? [first, ...sets] : sets;
}

function editJson({ object, reason, diff, patch }: Edit) {
  return { object, reason, diff, patch };
}

function kubectl({ object, patch }: Edit): string {
  const [kind = "", namespace = "", name = ""] = object.split("/");
  const text = JSON.stringify(patch).replaceAll("'", String.raw`'\''`);
  return `kubectl -n ${namespace} patch ${kind.toLowerCase()} ${name} --type merge -p '${text}'`;
}
