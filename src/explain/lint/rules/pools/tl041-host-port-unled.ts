import type { Pod, PodSpec } from "../../../../api/kinds/core.ts";
import type { KubeObject } from "../../../../api/object.ts";
import type { Path } from "../../../../base/problem.ts";
import { templateOf } from "../../../manifests/workloads.ts";
import type { Report, Rule } from "../../rule.ts";

export const hostPortUnled: Rule = {
  id: "TL041",
  name: "host-port-unled",
  severity: "warning",
  summary: "a pod asks for a hostPort where no chained portmap plugin leads it to pods (looked at in a lab)",
  explanation:
    "Trunkline itself does nothing about hostPorts: the portmap plugin does, chained behind it in the network configuration. " +
    "Without it the pod runs, its node's port is open to nobody, and no error says so.",
  *check(view) {
    if (view.hostPorts !== false) return;
    for (const on of view.written) {
      const place = podSpecOf(on.object);
      if (!place || place.spec.hostNetwork === true) continue;
      for (const key of ["initContainers", "containers"] as const)
        for (const [at, container] of (place.spec[key] ?? []).entries())
          for (const [number, { hostPort, containerPort }] of (container.ports ?? []).entries()) {
            if (hostPort === undefined || hostPort === 0) continue;
            const report: Report = {
              on,
              path: [...place.path, key, at, "ports", number, "hostPort"],
              message: `nothing leads port ${hostPort} of the node to ${containerPort} of the pod: the portmap plugin is not chained`,
              fix: "Chain it behind trunkline in the network configuration; in a lab: chainedPlugins: [portmap].",
            };
            yield report;
          }
    }
  },
};

function podSpecOf(object: KubeObject): { readonly spec: PodSpec; readonly path: Path } | undefined {
  if (object.kind === "Pod" && Reflect.has(object, "spec"))
    return { spec: (object as Pod).spec, path: ["spec"] };
  const template = templateOf(object);
  if (!template) return undefined;
  const outer = object.kind === "CronJob" ? ["spec", "jobTemplate", "spec"] : ["spec"];
  return { spec: template.spec, path: [...outer, "template", "spec"] };
}
