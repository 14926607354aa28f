import { STAGE_ANNOTATION } from "../../../../api/kinds/network-policy.ts";
import type { Rule } from "../../rule.ts";

export const stageMisspelt: Rule = {
  id: "TL043",
  name: "stage-misspelt",
  severity: "warning",
  summary: "a policy's annotation trunkline.dev/stage is neither true nor false: it is enforced",
  explanation:
    'Only "true" keeps a policy from being enforced, so that it can be tried with trunkline denied --would. Anything else cuts ' +
    "traffic as soon as it is applied.",
  *check(view) {
    for (const { on, name } of view.policies) {
      const stage = on.object.metadata.annotations?.[STAGE_ANNOTATION];
      if (stage === undefined || stage === "true" || stage === "false") continue;
      yield {
        on,
        path: ["metadata", "annotations", STAGE_ANNOTATION],
        message: `policy ${name} has ${STAGE_ANNOTATION} ${JSON.stringify(stage)}, and is enforced`,
        fix: 'Write "true" to try it, or take the annotation away.',
      };
    }
  },
};
