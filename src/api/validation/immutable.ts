// What an update may not change, as the Kubernetes API has it: most of a pod, the selectors of workloads, a pool's cut.
import type { Path } from "../../base/problem.ts";
import { equalJson } from "../equal.ts";
import type { IPPool } from "../kinds/ip-pool.ts";
import type { PodNetworking } from "../kinds/pod-networking.ts";
import type { KubeObject } from "../object.ts";
import { checkPodNetworkingChange, wordedFinding } from "../pod-networking.ts";
import { checkPoolChange } from "../pools.ts";

export interface ForbiddenChange {
  readonly code: string;
  readonly path: Path;
  readonly message: string;
  readonly hint: string;
}

type Fields = Readonly<Record<string, unknown>>;

/** Fields of `spec` that may change; the others of these kinds may not. */
const changeable: Readonly<Record<string, readonly string[]>> = {
  Pod: [
    "containers",
    "initContainers",
    "activeDeadlineSeconds",
    "tolerations",
    "terminationGracePeriodSeconds",
  ],
  StatefulSet: [
    "replicas",
    "template",
    "updateStrategy",
    "minReadySeconds",
    "ordinals",
    "persistentVolumeClaimRetentionPolicy",
    "revisionHistoryLimit",
  ],
};
/** Fields of `spec` that may not change; the others of these kinds may. */
const fixed: Readonly<Record<string, readonly string[]>> = {
  ReplicaSet: ["selector"],
  Deployment: ["selector"],
  DaemonSet: ["selector"],
  Job: ["selector", "template"],
  AddressBlock: ["cidr", "pool"],
  Subnet: ["cidr"],
};

/** Returns the changes from `before` to `after` that the kind does not allow. */
export function forbiddenChanges(before: KubeObject, after: KubeObject): ForbiddenChange[] {
  if (after.kind === "IPPool")
    return checkPoolChange(before as IPPool, after as IPPool).map((finding) => ({ hint: "", ...finding }));
  if (after.kind === "PodNetworking")
    return checkPodNetworkingChange((before as PodNetworking).spec, (after as PodNetworking).spec).map(
      (finding) => ({ hint: "", ...finding, message: wordedFinding(finding) }),
    );
  const [old, next] = [specOf(before), specOf(after)];
  const names = new Set([...Object.keys(old), ...Object.keys(next)]);
  const may = changeable[after.kind];
  const mayNot = fixed[after.kind] ?? [];
  const closed = [...names].filter((name) => (may ? !may.includes(name) : mayNot.includes(name)));
  const paths = closed.filter((name) => !equalJson(old[name], next[name])).map((name) => ["spec", name]);
  if (after.kind === "Pod") paths.push(...containerChanges(old, next));
  return paths.map((path) => ({
    code: "schema.immutable",
    path,
    message: `\`${path.at(-1)}\` of a ${after.kind} that exists cannot be changed`,
    hint: `Delete ${after.kind.toLowerCase()}/${after.metadata.name} first, then apply it again`,
  }));
}

// Of a pod's containers only the image may change.
function containerChanges(old: Fields, next: Fields): string[][] {
  const withoutImages = (list: unknown) =>
    (Array.isArray(list) ? (list as Fields[]) : []).map(({ image: _image, ...rest }) => rest);
  return ["containers", "initContainers"]
    .filter((name) => !equalJson(withoutImages(old[name]), withoutImages(next[name])))
    .map((name) => ["spec", name]);
}

function specOf(object: KubeObject): Fields {
  return (Reflect.get(object, "spec") ?? {}) as Fields;
}
