// The workload controllers: they watch, plan with pure functions, and write. A plan made from the watched copy is only
// a suspicion; before pods are made or deleted, it is made again from the store itself, so that no pod is made twice
// because the copy was a moment old.
import { type Node, nodeKind, type Pod, podKind } from "../../api/kinds/core.ts";
import {
  type DaemonSet,
  type Deployment,
  daemonSetKind,
  deploymentKind,
  type Job,
  jobKind,
  type ReplicaSet,
  type ReplicationController,
  replicaSetKind,
  replicationControllerKind,
  type StatefulSet,
  statefulSetKind,
} from "../../api/kinds/workloads.ts";
import type { Draft, Kind, KubeObject } from "../../api/object.ts";
import { keyOf } from "../../api/object.ts";
import { isError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { Informer } from "../../store/informer.ts";
import type { Store } from "../../store/store.ts";
import { breathe } from "../breathe.ts";
import { KeyedQueue } from "../keyed-queue.ts";
import { daemonSpec, planDaemons } from "./daemons.ts";
import { endOfJob, jobLabels, planJob } from "./jobs.ts";
import { planOrdinals } from "./ordinals.ts";
import { controllerOf, controllerReference, podFromTemplate, randomEnding } from "./pods.ts";
import { planReplicas } from "./replicas.ts";
import { planRollout } from "./rollout.ts";

const REST_MS = 25;
const HASH_LABEL = "pod-template-hash";
/** Kinds to which a pod that nobody owns matters. */
const adopting = new Set(["ReplicationController", "ReplicaSet", "StatefulSet"]);

type Workload = ReplicationController | ReplicaSet | Deployment | StatefulSet | DaemonSet | Job;

export class WorkloadControllers {
  readonly #store: Store;
  readonly #pods: Informer<Pod>;
  readonly #sets: Informer<ReplicaSet>;
  readonly #nodes: Informer<Node>;
  readonly #informers = new Map<string, Informer<KubeObject>>();
  readonly #stops: (() => void)[] = [];
  readonly #queue: KeyedQueue;

  readonly #now: () => number;

  /**
   * `pods` is shared with others and not ours to stop.
   * @param now milliseconds since 1970, by the lab's clock
   */
  constructor(store: Store, pods: Informer<Pod>, logger: Logger, now: () => number = Date.now) {
    this.#store = store;
    this.#now = now;
    this.#pods = pods;
    this.#sets = new Informer(store, replicaSetKind, { logger });
    this.#nodes = new Informer(store, nodeKind, { logger });
    this.#queue = new KeyedQueue({ work: (key) => this.#reconcile(key), restMs: REST_MS, logger });
    const kinds = [
      replicationControllerKind,
      deploymentKind,
      statefulSetKind,
      daemonSetKind,
      jobKind,
    ] as readonly Kind[];
    for (const kind of kinds) this.#informers.set(kind.kind, new Informer(store, kind, { logger }));
    this.#informers.set(replicaSetKind.kind, this.#sets as unknown as Informer<KubeObject>);
  }

  start(): void {
    for (const [kind, informer] of this.#informers) {
      informer.on(({ type, object }) => {
        if (type !== "deleted") this.#queue.add(`${kind} ${keyOf(object)}`);
        else this.#queue.forget(`${kind} ${keyOf(object)}`);
      });
      informer.start();
    }
    this.#sets.on(({ object }) => this.#enqueueOwner(object));
    this.#nodes.on(() => {
      for (const key of this.#informers.get("DaemonSet")?.cache.keys() ?? [])
        this.#queue.add(`DaemonSet ${key}`);
    });
    this.#nodes.start();
    this.#stops.push(
      this.#pods.on(({ type, object, previous }) => {
        this.#enqueueOwner(object);
        if (previous) this.#enqueueOwner(previous);
        // An orphan may be adopted, but only by workloads of its namespace.
        if (type !== "deleted" && controllerOf(object) === undefined) this.#enqueueNamespace(object);
      }),
    );
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) stop();
    await Promise.all([this.#nodes, ...this.#informers.values()].map((informer) => informer.stop()));
    await this.#queue.stop();
  }

  #enqueueOwner(object: KubeObject): void {
    const owner = object.metadata.ownerReferences?.find((reference) => reference.controller);
    if (!owner || !this.#informers.has(owner.kind)) return;
    this.#queue.add(`${owner.kind} ${object.metadata.namespace}/${owner.name}`);
  }

  #enqueueNamespace(pod: Pod): void {
    for (const [kind, informer] of this.#informers) {
      if (!adopting.has(kind)) continue;
      for (const [key, object] of informer.cache) {
        if (object.metadata.namespace === pod.metadata.namespace) this.#queue.add(`${kind} ${key}`);
      }
    }
  }

  async #reconcile(key: string): Promise<void> {
    const [kind = "", object = ""] = key.split(" ");
    const workload = this.#informers.get(kind)?.cache.get(object) as Workload | undefined;
    if (!workload || workload.metadata.deletionTimestamp !== undefined) return;
    try {
      if (workload.kind === "Deployment") await this.#deployment(workload);
      else if (workload.kind === "StatefulSet") await this.#statefulSet(workload);
      else if (workload.kind === "DaemonSet") await this.#daemonSet(workload);
      else if (workload.kind === "Job") await this.#job(workload);
      else await this.#replicas(workload);
    } catch (error) {
      // Somebody wrote the object since we read it: its event brings us back, and this is in case it was earlier.
      if (!isError(error, "store.conflict") && !isError(error, "store.not-found")) throw error;
      this.#queue.add(key, REST_MS);
    }
  }

  async #replicas(owner: ReplicationController | ReplicaSet): Promise<void> {
    const labels = owner.spec.template.metadata?.labels ?? {};
    const selector =
      owner.kind === "ReplicaSet" ? owner.spec.selector : { matchLabels: owner.spec.selector ?? labels };
    // A selector that selects everything would adopt the whole namespace.
    if (Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length === 0)
      return;
    const planFor = (pods: Iterable<Pod>) => planReplicas(owner, selector, owner.spec.replicas ?? 1, pods);
    const { namespace } = owner.metadata;
    let plan = planFor(this.#pods.cache.values());
    if (plan.create + plan.remove.length + plan.adopt.length + plan.release.length > 0) {
      plan = planFor((await this.#store.list(podKind, namespace)).items);
      for (const pod of plan.adopt) await this.#setOwner(pod, owner);
      for (const pod of plan.release) await this.#setOwner(pod, undefined);
      for (let made = 0; made < plan.create; made++) {
        const name = `${owner.metadata.name}-${randomEnding()}`;
        await this.#create(podKind, podFromTemplate(owner, owner.spec.template, name));
        await breathe(made);
      }
      await this.#removeAll(plan.remove);
    }
    await this.#status(owner, plan.status);
  }

  async #statefulSet(set: StatefulSet): Promise<void> {
    const { namespace, name } = set.metadata;
    let plan = planOrdinals(set, this.#podsOf(namespace));
    if (plan.create.length + plan.remove.length > 0) {
      plan = planOrdinals(set, (await this.#store.list(podKind, namespace)).items);
      for (const ordinal of plan.create) {
        const pod = `${name}-${ordinal}`;
        const labels = {
          "apps.kubernetes.io/pod-index": String(ordinal),
          "controller-revision-hash": plan.hash,
          "statefulset.kubernetes.io/pod-name": pod,
        };
        await this.#create(podKind, podFromTemplate(set, set.spec.template, pod, labels));
      }
      await this.#removeAll(plan.remove);
    }
    await this.#status(set, plan.status);
  }

  async #daemonSet(set: DaemonSet): Promise<void> {
    // Before the nodes are known every pod would seem to be in the wrong place.
    await this.#nodes.synced;
    const nodes = [...this.#nodes.cache.values()];
    const { namespace, name } = set.metadata;
    let plan = planDaemons(set, nodes, this.#podsOf(namespace));
    if (plan.create.length + plan.remove.length > 0) {
      plan = planDaemons(set, nodes, (await this.#store.list(podKind, namespace)).items);
      for (const node of plan.create) {
        const { template } = set.spec;
        const bound = { ...template, spec: daemonSpec(template.spec, node) };
        const labels = { "controller-revision-hash": plan.hash };
        await this.#create(podKind, podFromTemplate(set, bound, `${name}-${randomEnding()}`, labels));
      }
      await this.#removeAll(plan.remove);
    }
    await this.#status(set, plan.status);
  }

  async #job(job: Job): Promise<void> {
    const { namespace, name } = job.metadata;
    const now = `${new Date(this.#now()).toISOString().slice(0, 19)}Z`;
    let plan = planJob(job, this.#podsOf(namespace), now);
    // Pods that have ended are counted for good: the watched copy may be a moment old.
    if (plan.create + plan.remove.length > 0 || endOfJob({ ...job, status: plan.status })) {
      plan = planJob(job, (await this.#store.list(podKind, namespace)).items, now);
      for (let made = 0; made < plan.create; made++) {
        const pod = podFromTemplate(job, job.spec.template, `${name}-${randomEnding()}`, jobLabels(job));
        await this.#create(podKind, pod);
        await breathe(made);
      }
      await this.#removeAll(plan.remove);
    }
    await this.#status(job, plan.status);
  }

  async #deployment(deployment: Deployment): Promise<void> {
    const { namespace, uid } = deployment.metadata;
    const own = [...this.#sets.cache.values()].filter((set) => controllerOf(set) === uid);
    const plan = planRollout(deployment, own);
    const { name, hash, replicas } = plan.current;
    const current = own.find((set) => set.metadata.name === name);
    if (!current) await this.#create(replicaSetKind, replicaSetFor(deployment, name, hash, replicas));
    else if (current.spec.replicas !== replicas) await this.#resize(current, replicas);
    for (const [old, size] of plan.old) {
      const set = own.find((candidate) => candidate.metadata.name === old);
      if (set) await this.#resize(set, size);
    }
    for (const set of plan.forget) await this.#store.delete(replicaSetKind, set.metadata.name, namespace);
    await this.#status(deployment, plan.status);
  }

  #podsOf(namespace: string | undefined): Pod[] {
    return [...this.#pods.cache.values()].filter((pod) => pod.metadata.namespace === namespace);
  }

  async #create<T extends KubeObject>(kind: Kind<T>, draft: Draft<T>): Promise<void> {
    try {
      await this.#store.create(kind, draft);
    } catch (error) {
      // The name is taken: by what we made a moment ago, or by somebody else's, whose end brings us back.
      if (!isError(error, "store.exists")) throw error;
    }
  }

  async #removeAll(pods: readonly Pod[]): Promise<void> {
    for (const [at, { metadata }] of pods.entries()) {
      await this.#store.delete(podKind, metadata.name, metadata.namespace, { uid: metadata.uid });
      await breathe(at);
    }
  }

  async #setOwner(pod: Pod, owner: KubeObject | undefined): Promise<void> {
    const others = (pod.metadata.ownerReferences ?? []).filter((reference) => !reference.controller);
    const ownerReferences = owner ? [...others, controllerReference(owner)] : others;
    await this.#store.update(podKind, { ...pod, metadata: { ...pod.metadata, ownerReferences } });
  }

  async #resize(set: ReplicaSet, replicas: number): Promise<void> {
    await this.#store.update(replicaSetKind, { ...set, spec: { ...set.spec, replicas } });
  }

  async #status(workload: Workload, figures: NonNullable<Workload["status"]>): Promise<void> {
    const kind = this.#informers.get(workload.kind)?.kind as Kind<Workload> | undefined;
    if (!kind) return;
    const generation = workload.metadata.generation;
    const status = {
      ...workload.status,
      ...figures,
      ...(generation !== undefined && { observedGeneration: generation }),
    };
    // An equal object keeps its version, so this writes only what is new.
    await this.#store.update(kind, { ...workload, status } as Workload);
  }
}

function replicaSetFor(
  deployment: Deployment,
  name: string,
  hash: string,
  replicas: number,
): Draft<ReplicaSet> {
  const { namespace = "default" } = deployment.metadata;
  const { template, selector } = deployment.spec;
  const labels = { ...template.metadata?.labels, [HASH_LABEL]: hash };
  return {
    apiVersion: replicaSetKind.apiVersion,
    kind: "ReplicaSet",
    metadata: { name, namespace, labels, ownerReferences: [controllerReference(deployment)] },
    spec: {
      replicas,
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [HASH_LABEL]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}
