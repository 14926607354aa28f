// A pod in Protocol Buffers (k8s.io/api, core/v1/generated.proto, and k8s.io/apimachinery, meta/v1), as trim.ts keeps one that
// came as JSON: the same object. A test on an API server compares them. Of a hundred thousand pods each microsecond counts, and
// each word of memory: what every pod has is read field by field into an object that has just that (V8 puts what is added
// to one later into a second one), all else by tables (message.ts).
import { deepFreeze } from "../../../api/equal.ts";
import type { Container, Pod, PodSpec } from "../../../api/kinds/core.ts";
import type { ObjectMeta } from "../../../api/object.ts";
import {
  droppedAnnotations,
  isElsewhere,
  type Keep,
  known,
  ordinaryConditions,
  shared,
  sharedText,
} from "../kept.ts";
import {
  anyNumber,
  anyText,
  anyTruth,
  commonText,
  entries,
  list,
  listOf,
  message,
  number,
  text,
  time,
  timeOf,
} from "./message.ts";
import { Last, type WireReader, Words } from "./reader.ts";

type Json = Record<string, unknown>;
type Status = NonNullable<Pod["status"]>;

const owner = message(
  anyText(5, "apiVersion"),
  anyText(1, "kind"),
  text(3, "name"),
  text(4, "uid"),
  anyTruth(6, "controller"),
  anyTruth(7, "blockOwnerDeletion"),
);
const ownersOf = (fields: WireReader) => listOf((one) => owner(one.message()), fields);
const textsOf = (fields: WireReader) => listOf((one) => one.text(), fields);

/** What pods that come one after the other have in common. */
const last = {
  generateName: new Last<string>(),
  namespace: new Last<string>(),
  labels: new Last<Record<string, string>>(),
  annotations: new Last<Record<string, string>>(),
  owners: new Last<Record<string, unknown>[]>(),
  finalizers: new Last<string[]>(),
  nodeSelector: new Last<Record<string, string>>(),
  restartPolicy: new Last<string>(),
  serviceAccountName: new Last<string>(),
  nodeName: new Last<string>(),
  schedulerName: new Last<string>(),
  phase: new Last<string>(),
  hostIP: new Last<string>(),
};

/** Returns the value of a run of fields, which is one object for all that have the same bytes. */
function common<T extends object>(
  reader: WireReader,
  before: Last<T>,
  read: (fields: WireReader) => T,
  among: typeof known.labels,
): T {
  return reader.run(before, (key, fields) => among.get(key(), () => deepFreeze(read(fields))) as T);
}

function annotationsOf(reader: WireReader): Record<string, string> {
  return reader.run(last.annotations, (_key, fields) => {
    const kept = Object.entries(entries(fields)).filter(([name]) => !droppedAnnotations.has(name));
    return shared(Object.fromEntries(kept), known.annotations);
  });
}

/** Returns an object's metadata, frozen; all that is in it is. */
export function metaOf(reader: WireReader): ObjectMeta {
  let [name, generateName, namespace, uid, resourceVersion] = ["", "", "", "", ""];
  let creationTimestamp: string | undefined;
  let labels: ObjectMeta["labels"];
  let ownerReferences: ObjectMeta["ownerReferences"];
  let more: Json | undefined;
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    if (field === 1) name = reader.text();
    else if (field === 2) generateName = reader.commonText(last.generateName, sharedText);
    else if (field === 3) namespace = reader.commonText(last.namespace, sharedText);
    else if (field === 5) uid = reader.text();
    else if (field === 6) resourceVersion = reader.text();
    else if (field === 8) creationTimestamp = timeOf(reader.message());
    else if (field === 11) labels = common(reader, last.labels, entries, known.labels);
    else if (field === 13)
      ownerReferences = common(
        reader,
        last.owners,
        ownersOf,
        known.owners,
      ) as unknown as typeof ownerReferences;
    else if (field === 9 || field === 10 || field === 12 || field === 14)
      more = rareMeta(field, reader, more ?? {});
    else reader.skip();
  }
  const isUsual = generateName && namespace && creationTimestamp && labels && ownerReferences && !more;
  if (isUsual)
    return Object.freeze({
      name,
      generateName,
      namespace,
      uid,
      resourceVersion,
      creationTimestamp,
      labels,
      ownerReferences,
    }) as ObjectMeta;
  return Object.freeze({
    ...(name && { name }),
    ...(generateName && { generateName }),
    ...(namespace && { namespace }),
    ...(uid && { uid }),
    resourceVersion,
    ...(creationTimestamp && { creationTimestamp }),
    ...(labels && { labels }),
    ...more,
    ...(ownerReferences && { ownerReferences }),
  }) as ObjectMeta;
}

function rareMeta(field: number, reader: WireReader, before: Json): Json {
  if (field === 9) return { ...before, deletionTimestamp: timeOf(reader.message()) };
  if (field === 10) return { ...before, deletionGracePeriodSeconds: reader.number() };
  if (field === 12) return { ...before, annotations: annotationsOf(reader) };
  return { ...before, finalizers: common(reader, last.finalizers, textsOf, known.lists) };
}

const container = message(
  anyText(1, "name"),
  commonText(2, "image"),
  list(
    6,
    "ports",
    message(
      commonText(1, "name"),
      number(2, "hostPort"),
      anyNumber(3, "containerPort"),
      commonText(4, "protocol"),
      commonText(5, "hostIP"),
    ),
  ),
  anyText(24, "restartPolicy"),
);

/** Returns what tells containers apart as far as they are kept. */
function containerKey(reader: WireReader): string {
  let key = "";
  for (let field = reader.field(); field !== 0; field = reader.field())
    if (field === 1 || field === 2 || field === 6 || field === 24) key += reader.asKey();
    else reader.skip();
  return key;
}

/** Returns the containers whose messages these are, as one list for all pods that have such. */
function containersOf(messages: readonly WireReader[]): readonly Container[] {
  // Fields say where they end; between containers there has to be what no field begins with.
  const key = messages.map((one) => containerKey(one)).join("\0");
  const made = () => deepFreeze(messages.map((one) => container(one.again())));
  return known.lists.get(key, made) as readonly Container[];
}

function specOf(reader: WireReader): PodSpec {
  let [restartPolicy, serviceAccountName, nodeName, schedulerName] = ["", "", "", ""];
  const containers: WireReader[] = [];
  const initContainers: WireReader[] = [];
  let nodeSelector: PodSpec["nodeSelector"];
  let hostNetwork = false;
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    if (field === 2) containers.push(reader.message());
    else if (field === 3) restartPolicy = reader.commonText(last.restartPolicy, sharedText);
    else if (field === 7) nodeSelector = common(reader, last.nodeSelector, entries, known.labels);
    else if (field === 8) serviceAccountName = reader.commonText(last.serviceAccountName, sharedText);
    else if (field === 10) nodeName = reader.commonText(last.nodeName, sharedText);
    else if (field === 11) hostNetwork = reader.boolean();
    else if (field === 19) schedulerName = reader.commonText(last.schedulerName, sharedText);
    else if (field === 20) initContainers.push(reader.message());
    else reader.skip();
  }
  const list = containersOf(containers);
  const isRare = nodeSelector || hostNetwork || initContainers.length > 0;
  if (restartPolicy && serviceAccountName && nodeName && schedulerName && !isRare)
    return Object.freeze({ containers: list, restartPolicy, serviceAccountName, nodeName, schedulerName });
  return Object.freeze({
    ...(initContainers.length > 0 && { initContainers: containersOf(initContainers) }),
    containers: list,
    ...(restartPolicy && { restartPolicy }),
    ...(nodeSelector && { nodeSelector }),
    ...(serviceAccountName && { serviceAccountName }),
    ...(nodeName && { nodeName }),
    ...(hostNetwork && { hostNetwork }),
    ...(schedulerName && { schedulerName }),
  });
}

const condition = message(
  anyText(1, "type"),
  number(7, "observedGeneration"),
  anyText(2, "status"),
  time(3, "lastProbeTime", null),
  time(4, "lastTransitionTime", null),
  commonText(5, "reason"),
  text(6, "message"),
);
const podIp = message(text(1, "ip"));
const ordinary = new Words(ordinaryConditions);

/** @param isBrief of a pod elsewhere: without conditions that every pod has, and without a second copy of its one address */
function statusOf(reader: WireReader, isBrief: boolean): Status {
  let [phase, reason, hostIP, podIP] = ["", "", "", ""];
  let conditions: unknown[] | undefined;
  let podIPs: { readonly ip?: string }[] | undefined;
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    if (field === 1) phase = reader.commonText(last.phase, sharedText);
    else if (field === 2) {
      const one = reader.message();
      if (isBrief && one.field() === 1 && one.isOneOf(ordinary)) continue;
      conditions = [...(conditions ?? []), condition(one.again())];
    } else if (field === 4) reason = sharedText(reader.text());
    else if (field === 5) hostIP = reader.commonText(last.hostIP, sharedText);
    else if (field === 6) podIP = reader.text();
    else if (field === 12) podIPs = [...(podIPs ?? []), podIp(reader.message())];
    else reader.skip();
  }
  if (isBrief && podIPs?.length === 1 && podIPs[0]?.ip === podIP) podIPs = undefined;
  if (phase && hostIP && podIP && !conditions && !reason && !podIPs)
    return Object.freeze({ phase, hostIP, podIP }) as Status;
  return deepFreeze({
    ...(phase && { phase }),
    ...(conditions && { conditions }),
    ...(reason && { reason }),
    ...(hostIP && { hostIP }),
    ...(podIP && { podIP }),
    ...(podIPs && { podIPs }),
  }) as Status;
}

/** Returns a pod as far as it is kept, frozen. @throws Error for what is no message */
export function podOf(reader: WireReader, keep: Exclude<Keep, "all">): Pod {
  let metadata: ObjectMeta | undefined;
  let spec: PodSpec | undefined;
  let said: WireReader | undefined;
  for (let field = reader.field(); field !== 0; field = reader.field()) {
    if (field === 1) metadata = metaOf(reader.message());
    else if (field === 2) spec = specOf(reader.message());
    // It is read once the pod's node is known.
    else if (field === 3) said = reader.message();
    else reader.skip();
  }
  const status = said && statusOf(said, isElsewhere(keep, spec?.nodeName));
  return Object.freeze({ apiVersion: "v1", kind: "Pod", metadata, spec, status }) as Pod;
}
