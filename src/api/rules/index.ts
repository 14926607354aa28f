// The rules of a Kubernetes API server about an object of its own kinds, beyond types and beyond what schemas say.
import type { Path } from "../../base/problem.ts";
import type { Kind } from "../object.ts";
import { visitTypes } from "../validation/shape.ts";
import { containerRules } from "./containers.ts";
import { checkFields } from "./fields.ts";
import { podRules } from "./pods.ts";
import type { Rules, Say } from "./rule.ts";
import { checkMetadata, workloadRules } from "./workloads.ts";

const rules: Rules = { ...containerRules, ...podRules, ...workloadRules };

/** What breaks a rule: the path of a field, and what is said of it, to stand behind its name. */
export interface Breach {
  readonly path: Path;
  readonly message: string;
}

/** Returns what a server would refuse in an object whose fields are of the right type and whose zeros are taken out. */
export function breaches(kind: Kind, object: unknown): Breach[] {
  const found: Breach[] = [];
  visitTypes(kind, object, (type, value, path) => {
    // The status is the server's own, and no rule here is about it.
    if (path[0] === "status") return;
    const say: Say = (inner, message) => found.push({ path: [...path, ...inner], message });
    if (type === "ObjectMeta" && path.length === 1) checkMetadata(value, say);
    checkFields(type, value, (field, message) => found.push({ path: [...path, field], message }));
    rules[type]?.(value, say);
  });
  return found;
}
