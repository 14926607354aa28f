import type { PodTemplate } from "../../../../api/kinds/core.ts";
import type { KubeObject } from "../../../../api/object.ts";
import type { Path } from "../../../../base/problem.ts";
import { wishesOf } from "../../../allowlist/injector.ts";
import { templateOf } from "../../../manifests/workloads.ts";
import type { Rule } from "../../rule.ts";

export const injectorAnnotations: Rule = {
  id: "TL042",
  name: "injector-annotations",
  severity: "warning",
  summary: "annotations ask Alibaba Cloud's webhook injector for entries that nobody will make",
  explanation:
    "The injector reads ack.aliyun.com/rds_id, redis_id, security_group_id and their lists' names of pods, and says nothing about " +
    "what it cannot use: the pod starts, and is refused by what it connects to. `trunkline controller --webhook-injector` reads " +
    "the same annotations and keeps AddressLists of them.",
  *check(view) {
    for (const on of view.written) {
      const { object } = on;
      const template = object.kind === "Pod" ? undefined : templateOf(object);
      if (object.kind !== "Pod" && !template) continue;
      const own = object.metadata.annotations;
      if (template) {
        // What stands on the workload itself no pod has.
        const asked = namesOf(own).filter((name) => template.metadata?.annotations?.[name] === undefined);
        for (const annotation of asked)
          yield {
            on,
            path: ["metadata", "annotations", annotation],
            message: `${annotation} stands on the ${object.kind}, and its pods do not have it`,
            fix: "Put it into the pod template's metadata.",
          };
      }
      const annotations = template ? template.metadata?.annotations : own;
      for (const { annotation, why } of wishesOf(annotations).problems)
        yield {
          on,
          path: [...pathOf(object, template), "annotations", annotation],
          message: `${annotation} ${why}`,
        };
    }
  },
};

function namesOf(annotations: Readonly<Record<string, string>> | undefined): string[] {
  const { wishes, problems } = wishesOf(annotations);
  if (wishes.length + problems.length === 0) return [];
  return Object.keys(annotations ?? {}).filter((name) =>
    /^ack\.aliyun\.com\/(rds_id|redis_id|security_group_id)$/.test(name),
  );
}

function pathOf(object: KubeObject, template: PodTemplate | undefined): Path {
  if (!template) return ["metadata"];
  const outer = object.kind === "CronJob" ? ["spec", "jobTemplate", "spec"] : ["spec"];
  return [...outer, "template", "metadata"];
}
