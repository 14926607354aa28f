// The API server's rules about workloads and metadata (Kubernetes 1.37, pkg/apis/apps/validation, pkg/apis/batch/validation).
import type { LabelSelector } from "../kinds/core.ts";
import { type Labels, matchesSelector } from "../selectors/selectors.ts";
import { whyNotLabel, whyNotQualifiedName, whyNotSubdomain } from "../words.ts";
import { type Json, must, number, part, parts, type Rules, type Say, text, texts } from "./rule.ts";

export const workloadRules: Rules = {
  Namespace(namespace, say) {
    for (const [at, name] of texts(part(namespace, "spec"), "finalizers").entries())
      if (whyNotQualifiedName(name) !== undefined || (!name.includes("/") && name !== "kubernetes"))
        say(["spec", "finalizers", at], `'${name}' must be 'kubernetes' or a name with a domain before it`);
  },
  StatefulSet(set, say) {
    must(part(set, "metadata"), "name", whyNotLabel, (_, message) => say(["metadata", "name"], message));
    must(part(set, "spec"), "serviceName", whyNotLabel, (_, message) =>
      say(["spec", "serviceName"], message),
    );
  },
  CronJob(job, say) {
    if (text(part(job, "metadata"), "name").length > 52)
      say(["metadata", "name"], "must have 52 characters at most");
  },
  DeploymentSpec(spec, say) {
    alwaysRestarted(spec, say);
    const deadline = number(spec, "progressDeadlineSeconds");
    if (deadline !== undefined && deadline <= (number(spec, "minReadySeconds") ?? 0))
      say(["progressDeadlineSeconds"], "must be more than `minReadySeconds`");
  },
  ReplicaSetSpec: alwaysRestarted,
  ReplicationControllerSpec: alwaysRestarted,
  DaemonSetSpec: alwaysRestarted,
  StatefulSetSpec: alwaysRestarted,
  DeploymentStrategy(strategy, say) {
    const rolling = strategy["rollingUpdate"];
    if (strategy["type"] === "Recreate" && rolling !== undefined)
      say(["rollingUpdate"], "is for the type RollingUpdate only");
  },
  RollingUpdateDeployment(rolling, say) {
    percentages(rolling, ["maxUnavailable", "maxSurge"], say);
    notOver100(rolling, "maxUnavailable", say);
    if (countOf(rolling["maxUnavailable"], 25) === 0 && countOf(rolling["maxSurge"], 25) === 0)
      say(["maxUnavailable"], "may not be 0 where `maxSurge` is 0");
  },
  RollingUpdateDaemonSet(rolling, say) {
    percentages(rolling, ["maxUnavailable", "maxSurge"], say);
    for (const field of ["maxUnavailable", "maxSurge"]) notOver100(rolling, field, say);
    const [unavailable, surge] = [countOf(rolling["maxUnavailable"], 1), countOf(rolling["maxSurge"], 0)];
    if (unavailable !== 0 && surge !== 0) say(["maxSurge"], "may not be set where `maxUnavailable` is not 0");
    if (unavailable === 0 && surge === 0) say(["maxUnavailable"], "may not be 0 where `maxSurge` is 0");
  },
  RollingUpdateStatefulSetStrategy(rolling, say) {
    percentages(rolling, ["maxUnavailable"], say);
    notOver100(rolling, "maxUnavailable", say);
    if (countOf(rolling["maxUnavailable"], 1) === 0) say(["maxUnavailable"], "may not be 0");
  },
  StatefulSetUpdateStrategy(strategy, say) {
    if (strategy["type"] === "OnDelete" && strategy["rollingUpdate"] !== undefined)
      say(["rollingUpdate"], "is for the type RollingUpdate only");
  },
  JobSpec: job,
  CronJobSpec(spec, say) {
    must(spec, "schedule", whyNotSchedule, say);
    must(spec, "timeZone", whyNotTimeZone, say);
    if (spec["timeZone"] === "") say(["timeZone"], "must be the name of a time zone, or be left out");
  },
};

/** Metadata of an object itself; that of a template is copied as it is. */
export function checkMetadata(metadata: Json, say: Say): void {
  for (const [at, name] of texts(metadata, "finalizers").entries())
    if (whyNotQualifiedName(name) !== undefined || (!name.includes("/") && !standardFinalizers.has(name)))
      say(
        ["finalizers", at],
        `'${name}' must be a name with a domain before it, such as example.com/cleanup`,
      );
  // What is generated goes on behind it.
  must(metadata, "generateName", (prefix) => whyNotSubdomain(prefix.replace(/-$/, "a")), say);
  const owners = parts(metadata, "ownerReferences");
  for (const [at, owner] of owners.entries())
    for (const field of ["apiVersion", "kind", "name", "uid"])
      if (text(owner, field) === "") say(["ownerReferences", at, field], "is missing");
  for (const [at] of owners
    .filter((owner) => owner["controller"] === true)
    .slice(1)
    .entries())
    say(["ownerReferences", at], "only one owner may be the controller");
  const size = Object.entries(part(metadata, "annotations")).reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(String(value)),
    0,
  );
  if (size > 262_144) say(["annotations"], "must not have more than 262144 bytes in all");
}

const standardFinalizers = new Set(["kubernetes", "orphan", "foregroundDeletion"]);

/** Pods that a controller replaces are restarted for ever. */
function alwaysRestarted(spec: Json, say: Say): void {
  const pod = part(part(spec, "template"), "spec");
  const policy = text(pod, "restartPolicy");
  if (policy !== "" && policy !== "Always")
    say(["template", "spec", "restartPolicy"], `must be Always here; it is '${policy}'`);
  if (pod["activeDeadlineSeconds"] !== undefined)
    say(["template", "spec", "activeDeadlineSeconds"], "is for pods and Jobs only");
}

const percent = /^\d+%$/;

function percentages(rolling: Json, fields: readonly string[], say: Say): void {
  for (const field of fields) {
    const value = rolling[field];
    if (typeof value === "string" && !percent.test(value))
      say([field], `'${value}' is not a percentage such as 25%`);
    if (typeof value === "number" && value < 0) say([field], "must be 0 or more");
  }
}

function notOver100(rolling: Json, field: string, say: Say): void {
  const value = rolling[field];
  if (typeof value === "string" && percent.test(value) && Number.parseInt(value, 10) > 100)
    say([field], "must not be more than 100%");
}

/** Returns the number in a count or percentage; `absent` is what the server fills in. */
function countOf(value: unknown, absent: number): number {
  if (value === undefined) return absent;
  if (typeof value === "number") return value;
  return Number.parseInt(String(value), 10) || 0;
}

function job(spec: Json, say: Say): void {
  const pod = part(part(spec, "template"), "spec");
  const policy = text(pod, "restartPolicy");
  if (policy === "" || policy === "Always")
    say(
      ["template", "spec", "restartPolicy"],
      "must be OnFailure or Never for a Job's pods; absent, it is Always",
    );
  if (spec["podFailurePolicy"] !== undefined && policy !== "Never")
    say(["template", "spec", "restartPolicy"], "must be Never where there is a podFailurePolicy");
  const indexed = spec["completionMode"] === "Indexed";
  if (indexed && spec["completions"] === undefined)
    say(["completions"], "is missing for completionMode Indexed");
  for (const field of ["backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"])
    if (!indexed && spec[field] !== undefined) say([field], "needs completionMode Indexed");
  if (spec["maxFailedIndexes"] !== undefined && spec["backoffLimitPerIndex"] === undefined)
    say(["backoffLimitPerIndex"], "is missing beside `maxFailedIndexes`");
  must(spec, "managedBy", whyNotManager, say);
  if (spec["manualSelector"] === true) {
    const selector = part(spec, "selector") as LabelSelector;
    const labels = part(part(spec, "template"), "metadata")["labels"] as Labels | undefined;
    if (spec["selector"] === undefined) say(["selector"], "is missing where `manualSelector` is true");
    else if (!matchesSelector(selector, labels))
      say(["selector"], "does not select the pods of this Job's own template");
  }
  if (spec["selector"] !== undefined && spec["manualSelector"] !== true)
    say(["selector"], "is the server's to make, unless `manualSelector` is true");
}

function whyNotManager(name: string): string | undefined {
  const [domain = "", ...rest] = name.split("/");
  const path = rest.join("/");
  const good =
    whyNotSubdomain(domain) === undefined &&
    /^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/.test(path) &&
    name.length <= 63;
  return good ? undefined : `'${name}' must be a domain, '/' and a name`;
}

function whyNotTimeZone(name: string): string | undefined {
  try {
    if (name !== "Local" && new Intl.DateTimeFormat("en", { timeZone: name })) return undefined;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return `'${name}' is not the name of a time zone`;
}

const cronFields = [
  { least: 0, most: 59 },
  { least: 0, most: 23 },
  { least: 1, most: 31 },
  { least: 1, most: 12, names: "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC" },
  { least: 0, most: 6, names: "SUN MON TUE WED THU FRI SAT" },
];

/** robfig/cron's standard form: five fields, or a word such as @daily. */
function whyNotSchedule(schedule: string): string | undefined {
  const words = schedule.trim().split(/\s+/);
  if (/TZ/.test(schedule)) return "must not name a time zone; that is the field `timeZone`";
  if (
    /^@(?:yearly|annually|monthly|weekly|daily|midnight|hourly)$/.test(schedule) ||
    /^@every \S+$/.test(schedule)
  )
    return undefined;
  if (words.length !== 5)
    return `'${schedule}' must have five fields: minute, hour, day, month, day of the week`;
  const bad = words.find((word, at) => !word.split(",").every((range) => isCronRange(range, cronFields[at])));
  return bad === undefined ? undefined : `'${bad}' is not what its field of a schedule may be`;
}

function isCronRange(range: string, field: (typeof cronFields)[number] | undefined): boolean {
  const [, first = "", last, step] = /^(\*|\?|\w+)(?:-(\w+))?(?:\/(\d+))?$/.exec(range) ?? [];
  if (!field || first === "" || Number(step) === 0) return false;
  if (first === "*" || first === "?") return last === undefined;
  const names = field.names?.split(" ") ?? [];
  const numbers = [first, last ?? first].map((word) => {
    const at = names.indexOf(word.toUpperCase());
    return at >= 0 ? at + field.least : /^\d+$/.test(word) ? Number(word) : Number.NaN;
  });
  const [low = Number.NaN, high = Number.NaN] = numbers;
  return low >= field.least && high <= field.most && low <= high;
}
