// The API server's rules about containers and what they mount (Kubernetes 1.37, pkg/apis/core/validation).
import { whyNotLabel, whyNotPortName, whyNotQualifiedName, whyNotSubdomain } from "../words.ts";
import { compareQuantities, isWholeQuantity } from "./quantity.ts";
import {
  exactlyOne,
  type Json,
  must,
  number,
  part,
  parts,
  type Rules,
  type Say,
  text,
  texts,
} from "./rule.ts";

const handlers = ["exec", "httpGet", "tcpSocket", "grpc"];

export const containerRules: Rules = {
  Container(container, say) {
    if (container["image"] === "") say(["image"], "must not be empty");
    duplicatePortNames(container, say);
    mounts(container, say);
    checkResources(part(container, "resources"), (path, message) => say(["resources", ...path], message));
  },
  EnvVar(variable, say) {
    must(
      variable,
      "name",
      (name) => (/^[ -<>-~]+$/.test(name) ? undefined : `'${name}' must be printable, without '='`),
      say,
    );
    if (variable["valueFrom"] !== undefined && text(variable, "value") !== "")
      say(["valueFrom"], "may not stand beside a `value`");
  },
  EnvVarSource(source, say) {
    exactlyOne(
      source,
      ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"],
      "a source",
      say,
    );
  },
  ConfigMapEnvSource: named,
  SecretEnvSource: named,
  ResourceFieldSelector(selector, say) {
    const known = /^(?:limits|requests)\.(?:cpu|memory|ephemeral-storage|hugepages-.*)$/;
    must(
      selector,
      "resource",
      (name) => (known.test(name) ? undefined : `'${name}' is not such as limits.cpu`),
      say,
    );
  },
  EmptyDirVolumeSource(source, say) {
    if (compareQuantities(source["sizeLimit"] ?? 0, 0) < 0) say(["sizeLimit"], "must be 0 or more");
  },
  EnvFromSource(source, say) {
    exactlyOne(source, ["configMapRef", "secretRef"], "a source", say);
  },
  ConfigMapKeySelector: keyOf,
  SecretKeySelector: keyOf,
  Probe(probe, say) {
    exactlyOne(probe, handlers, "a handler", say);
  },
  LifecycleHandler(handler, say) {
    exactlyOne(handler, ["exec", "httpGet", "tcpSocket", "sleep"], "a handler", say);
  },
  ExecAction(action, say) {
    if (texts(action, "command").length === 0) say(["command"], "is missing");
  },
  HTTPGetAction(action, say) {
    targetPort(action, say);
    for (const [at, header] of parts(action, "httpHeaders").entries())
      if (!/^[-A-Za-z0-9]+$/.test(text(header, "name")))
        say(["httpHeaders", at, "name"], "is not a header's name");
  },
  TCPSocketAction: targetPort,
  GRPCAction: targetPort,
  SecurityContext(context, say) {
    if (context["allowPrivilegeEscalation"] === false && context["privileged"] === true)
      say(["allowPrivilegeEscalation"], "must not be false where `privileged` is true");
    if (context["privileged"] === true) return;
    const added = texts(part(context, "capabilities"), "add");
    if (context["allowPrivilegeEscalation"] === false && added.includes("CAP_SYS_ADMIN"))
      say(["allowPrivilegeEscalation"], "must not be false where CAP_SYS_ADMIN is added");
  },
  SeccompProfile: localProfile,
  AppArmorProfile: localProfile,
};

/** Names of ports are unique in a container; two containers of a pod may use one name. */
function duplicatePortNames(container: Json, say: Say): void {
  const seen = new Set<string>();
  for (const [at, port] of parts(container, "ports").entries()) {
    const name = text(port, "name");
    if (name !== "" && seen.has(name)) say(["ports", at, "name"], `there is a port '${name}' already`);
    seen.add(name);
  }
}

function mounts(container: Json, say: Say): void {
  const devices = parts(container, "volumeDevices");
  const paths = new Set<string>();
  for (const [at, mount] of parts(container, "volumeMounts").entries()) {
    const here = (field: string, message: string) => say(["volumeMounts", at, field], message);
    const path = text(mount, "mountPath");
    if (paths.has(path)) here("mountPath", "must be unique");
    paths.add(path);
    if (devices.some((device) => text(device, "name") === text(mount, "name")))
      here("name", "is a volumeDevice already");
    if (devices.some((device) => text(device, "devicePath") === path))
      here("mountPath", "is a volumeDevice's path already");
    for (const field of ["subPath", "subPathExpr"])
      if (!isBelow(text(mount, field))) here(field, "must be a relative path without '..'");
    if (text(mount, "subPath") !== "" && text(mount, "subPathExpr") !== "")
      here("subPathExpr", "may not stand beside `subPath`");
    const privileged = part(container, "securityContext")["privileged"] === true;
    if (mount["mountPropagation"] === "Bidirectional" && !privileged)
      here("mountPropagation", "Bidirectional is for privileged containers only");
    const recursive = text(mount, "recursiveReadOnly");
    if (recursive !== "" && recursive !== "Disabled") {
      if (mount["readOnly"] !== true) here("recursiveReadOnly", "needs `readOnly: true`");
      if (!["", "None"].includes(text(mount, "mountPropagation")))
        here("recursiveReadOnly", "needs `mountPropagation` None");
    }
  }
}

function isBelow(path: string): boolean {
  return !path.startsWith("/") && !path.split("/").includes("..");
}

const standard = new Set(["cpu", "memory", "ephemeral-storage"]);

/** Checks requests and limits; paths begin with `limits` or `requests`. */
export function checkResources(written: Json, say: Say): void {
  const limits = part(written, "limits");
  const requests = part(written, "requests");
  for (const [field, map] of [["limits", limits] as const, ["requests", requests] as const]) {
    for (const [name, value] of Object.entries(map)) {
      const at = [field, name];
      const why = whyNotResource(name);
      if (why !== undefined) say(at, why);
      if (compareQuantities(value, 0) < 0) say(at, "must be 0 or more");
      if (name.includes("/") && !isWholeQuantity(value)) say(at, "must be a whole number");
    }
  }
  for (const [name, value] of Object.entries(requests)) {
    const limit = limits[name];
    const overcommit = standard.has(name);
    if (limit === undefined && !overcommit)
      say(["limits"], `must hold '${name}', which cannot be overcommitted`);
    if (limit === undefined) continue;
    const order = compareQuantities(value, limit);
    if (order > 0 || (order !== 0 && !overcommit)) say(["requests", name], "must not be more than the limit");
  }
}

function whyNotResource(name: string): string | undefined {
  if (whyNotQualifiedName(name) !== undefined) return `'${name}' is not the name of a resource`;
  if (standard.has(name) || name.startsWith("hugepages-")) return undefined;
  if (!name.includes("/")) return `'${name}' is not a resource of containers`;
  return name.startsWith("requests.") ? `'${name}' is not the name of a resource` : undefined;
}

function keyOf(selector: Json, say: Say): void {
  must(
    selector,
    "key",
    (key) => (/^[-._a-zA-Z0-9]+$/.test(key) && key.length <= 253 ? undefined : `'${key}' is not a key`),
    say,
  );
}

function named(source: Json, say: Say): void {
  if (text(source, "name") === "") say(["name"], "is missing");
  must(source, "name", whyNotSubdomain, say);
}

function targetPort(action: Json, say: Say): void {
  const port = action["port"];
  const value = number(action, "port");
  if (typeof port === "string") {
    const why = whyNotPortName(port);
    if (why !== undefined) say(["port"], why);
  } else if (value === undefined) say(["port"], "is missing");
  else if (value < 1 || value > 65_535)
    say(["port"], `must be between 1 and 65535, inclusive; it is ${value}`);
}

function localProfile(profile: Json, say: Say): void {
  const local = text(profile, "localhostProfile");
  if (profile["type"] === "Localhost" && local === "")
    say(["localhostProfile"], "is missing for the type Localhost");
  if (profile["type"] !== "Localhost" && profile["localhostProfile"] !== undefined)
    say(["localhostProfile"], "is for the type Localhost only");
  if (!isBelow(local)) say(["localhostProfile"], "must be a relative path without '..'");
}

/** What containers of one pod, named by the field that they stand in, have to agree about. */
export function checkContainer(
  container: Json,
  kind: "containers" | "initContainers",
  pod: Json,
  say: Say,
): void {
  const sidecar = kind === "containers" || container["restartPolicy"] === "Always";
  for (const field of ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"])
    if (!sidecar && container[field] !== undefined)
      say([field], "is for init containers with restartPolicy Always only");
  for (const field of ["livenessProbe", "startupProbe"]) {
    const threshold = number(part(container, field), "successThreshold");
    if (threshold !== undefined && threshold !== 1) say([field, "successThreshold"], "must be 1");
  }
  if (part(container, "readinessProbe")["terminationGracePeriodSeconds"] !== undefined)
    say(["readinessProbe", "terminationGracePeriodSeconds"], "may not be set for readiness probes");
  if (container["restartPolicy"] === undefined && parts(container, "restartPolicyRules").length > 0)
    say(["restartPolicy"], "is missing, although there are restartPolicyRules");
  const claims = new Set(parts(pod, "resourceClaims").map((claim) => text(claim, "name")));
  for (const [at, claim] of parts(part(container, "resources"), "claims").entries())
    if (!claims.has(text(claim, "name")))
      say(["resources", "claims", at, "name"], "is none of the pod's resourceClaims");
  const names = new Set(parts(pod, "volumes").map((volume) => text(volume, "name")));
  for (const field of ["volumeMounts", "volumeDevices"])
    for (const [at, mount] of parts(container, field).entries()) {
      const name = text(mount, "name");
      if (name !== "" && !names.has(name)) say([field, at, "name"], `there is no volume '${name}'`);
    }
  if (whyNotLabel(text(container, "name")) !== undefined) return;
  if (pod["os"] === undefined && part(container, "lifecycle")["stopSignal"] !== undefined)
    say(["lifecycle", "stopSignal"], "needs the pod's `os.name`");
}
