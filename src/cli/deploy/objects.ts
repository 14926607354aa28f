// Everything that an installation consists of, in the order in which it is applied.
import { crdOf } from "../../api/crd/crd.ts";
import { customKinds } from "../../api/kinds/index.ts";
import { admission } from "./admission.ts";
import { type Part, rights } from "./rights.ts";
import { holds, type Values } from "./settings.ts";
import { workloads } from "./workloads.ts";

/** Returns the definitions of Trunkline's kinds. */
export function definitions(): readonly Part[] {
  return customKinds.map((kind) => {
    const object = crdOf(kind);
    // Without them their objects go, pools and blocks among them: Helm's uninstall is to leave them.
    const annotations = { "helm.sh/resource-policy": "keep" };
    return { object: { ...object, metadata: { ...(object["metadata"] as object), annotations } } };
  });
}

/** Returns all parts, also those that a setting turns off. */
export function parts(values: Values): readonly Part[] {
  return [...definitions(), ...rights(values), ...admission(values), ...workloads(values)];
}

/** Returns the objects that the settings ask for. */
export function objects(values: Values): readonly Part["object"][] {
  return parts(values).flatMap(({ object, when }) => (holds(when, values) ? [object] : []));
}
