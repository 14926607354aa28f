import { configTexts, settingsPath } from "../../node-configs.ts";
import type { Rule } from "../../rule.ts";

export const vswitchZones: Rule = {
  id: "TL039",
  name: "vswitch-zones",
  severity: "error",
  summary: "eni-config lists a vSwitch under two zones, or under one that it is not in",
  explanation:
    "A vSwitch is in one zone, and a machine can have interfaces in vSwitches of its own zone only: nodes of the other zone " +
    "get no interface, and their pods wait.",
  *check(view) {
    for (const { on, zones, place } of configTexts(view)) {
      const firstOf = new Map<string, string>();
      for (const [zone, ids] of zones)
        for (const [at, id] of ids.entries()) {
          const position = place(["vswitches", zone, at]);
          const where = { on, path: settingsPath, ...(position && { position }) };
          const real = view.facts.subnets.get(id)?.spec.zone;
          const before = firstOf.get(id);
          if (real !== undefined && real !== zone)
            yield { ...where, message: `vswitches.${zone} lists ${id}, which is in zone ${real}` };
          else if (before !== undefined && before !== zone)
            yield { ...where, message: `${id} stands under zone ${before} and under zone ${zone}` };
          firstOf.set(id, before ?? zone);
        }
    }
  },
};
