// Services that lead nowhere: those whose selector finds no pod, and those whose pods' policies let nobody in.
import type { Pod } from "../../api/kinds/core.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { readSwitch } from "../../plan/policy/index.ts";
import type { ServiceObjects } from "../../plan/services.ts";
import { effectiveRules } from "../policies/effective.ts";
import { selectedPods } from "../services/columns.ts";
import type { Diagnosis } from "./diagnosis.ts";

/** Returns the Services of which it is sure that nobody reaches them. */
export function serviceFindings(facts: ClusterFacts, { services }: ServiceObjects): Diagnosis[] {
  return [...services]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, service]): Diagnosis[] => {
      const selector = service.spec?.selector ?? {};
      if (Object.keys(selector).length === 0 || service.spec?.type === "ExternalName") return [];
      const object = `Service/${key}`;
      const severity = "warning" as const;
      const pods = selectedPods(facts, service);
      if (pods.length === 0) {
        const text = Object.entries(selector).map(([name, value]) => `${name}=${value}`);
        const message = `its selector (${text.join(",")}) finds no pod: who asks it is refused`;
        return [{ code: "service.no-pods", severity, object, message }];
      }
      const shut = pods.map((pod) => shutBy(facts, pod));
      if (shut.includes(undefined)) return [];
      const names = [...new Set(shut.flatMap((one) => one ?? []))].toSorted((a, b) => (a < b ? -1 : 1));
      const message = `no policy lets anybody reach any of its pods, except from their own nodes (${names.join(", ")})`;
      return [{ code: "service.shut", severity, object, message }];
    });
}

/** Returns the policies that isolate a pod for ingress without letting anybody in; undefined: some rule may let somebody in. */
function shutBy(facts: ClusterFacts, pod: Pod): readonly string[] | undefined {
  if (!readSwitch(facts).enforced) return undefined;
  const { isolated, rules, policies } = effectiveRules(facts, pod).ingress;
  return isolated && rules.length === 0 ? policies : undefined;
}
