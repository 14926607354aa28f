// The kubelet's stand-in of one node: runs the pods that are assigned to it. A pod is a network namespace that the CNI
// plugins attach to the network, and sockets on its ports; its object keeps a finalizer until all that is gone again,
// so whoever sees no pod any more can rely on its address being free.
import { createHash } from "node:crypto";
import { isTerminal, type Pod, podKind } from "../../api/kinds/core.ts";
import { textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Kernel, Machine } from "../../kernel/kernel.ts";
import { change } from "../../store/change.ts";
import type { Informer } from "../../store/informer.ts";
import type { Store } from "../../store/store.ts";
import type { LabClock } from "../clock.ts";
import { type EventSink, podReference } from "../events.ts";
import { KeyedQueue } from "../keyed-queue.ts";
import { Responder } from "../net/responder.ts";
import { sendAllErrors } from "../topology/icmp.ts";
import { netnsName } from "../topology/plan.ts";
import type { Attachment, PodNetwork } from "./cni-runtime.ts";
import { endOfPod } from "./container-end.ts";
import { capabilitiesOf, portsOf } from "./pod-spec.ts";
import { endedStatus, runningStatus } from "./pod-status.ts";

/** Keeps a pod's object until the node has let go of it. */
export const POD_FINALIZER = "trunkline.dev/lab-node";
const AT_A_TIME = 8;
const INTERFACE = "eth0";
/** Timers hold no more (24 days). */
const LONGEST_MS = 2 ** 31 - 1;

export interface PodRunnerOptions {
  readonly lab: string;
  /** What its pods' namespaces are marked with. */
  readonly mark?: string | undefined;
  readonly node: { readonly name: string; readonly netns: string; readonly addresses: readonly string[] };
  readonly machine: Machine;
  readonly store: Store;
  /** Of all nodes' pods, shared. */
  readonly pods: Informer<Pod>;
  readonly cni: PodNetwork;
  readonly events: EventSink;
  readonly logger: Logger;
  /** How it waits between tries; default: by the machine's clock. */
  readonly sleep?: ((ms: number, signal: AbortSignal) => Promise<void>) | undefined;
  /** What pods that end by themselves go by. */
  readonly clock: Pick<LabClock, "sleep">;
}

/** Pods that wait for their network are tried again at least so often, in milliseconds. */
const LONGEST_PAUSE_MS = 10_000;

/** A pod of this node, from before its namespace is made until after it is removed. */
interface Sandbox {
  readonly pod: Pod;
  /** Undefined for pods that use the node's own network. */
  readonly netns: string | undefined;
  kernel?: Kernel;
  responder?: Responder;
  ips: readonly string[];
  attached: boolean;
  /** Its object says that it runs. */
  reported: boolean;
  /** Ends the wait for its containers' end. */
  readonly ending: AbortController;
  awaited?: boolean;
}

export class PodRunner {
  readonly #options: PodRunnerOptions;
  readonly #sandboxes = new Map<string, Sandbox>();
  /** The present objects of this node's pods, by uid. */
  readonly #wanted = new Map<string, Pod>();
  /** Of the pods in the node's own network. */
  readonly #hostSctpPorts = new Set<number>();
  readonly #queue: KeyedQueue;
  readonly #stops: (() => void)[] = [];
  /** The node's, now. */
  #addresses: readonly string[];

  constructor(options: PodRunnerOptions) {
    this.#options = options;
    this.#addresses = options.node.addresses;
    this.#queue = new KeyedQueue({
      work: (uid) => this.#sync(uid),
      width: AT_A_TIME,
      backoffMs: [100, LONGEST_PAUSE_MS],
      sleep: options.sleep,
      logger: options.logger,
    });
  }

  start(): void {
    const { pods, node } = this.#options;
    this.#stops.push(
      pods.on(({ type, object }) => {
        const { uid } = object.metadata;
        if (type !== "deleted" && object.spec.nodeName === node.name) this.#wanted.set(uid, object);
        else if (!this.#wanted.delete(uid)) return;
        if (this.#needsWork(uid)) this.#queue.add(uid);
      }),
    );
  }

  /** Stops following; pods keep running. */
  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop();
    await this.#queue.stop();
    for (const sandbox of this.#sandboxes.values()) {
      sandbox.ending.abort();
      await sandbox.responder?.stop();
      sandbox.kernel?.close();
    }
    this.#sandboxes.clear();
  }

  /** The node has other addresses now: pods say so, and those in its own network answer on them. */
  async renumber(addresses: readonly string[]): Promise<void> {
    this.#addresses = addresses;
    for (const [uid, sandbox] of this.#sandboxes) {
      if (sandbox.netns === undefined) {
        await sandbox.responder?.stop();
        delete sandbox.responder;
      }
      sandbox.reported = false;
      this.#queue.add(uid);
    }
  }

  /** Returns the handle on a running pod's namespace; undefined if no such pod runs here. */
  kernelOf(uid: string): Kernel | undefined {
    return this.#sandboxes.get(uid)?.kernel;
  }

  /** Returns the name of a running pod's namespace: its own, or the node's. */
  netnsOf(uid: string): string | undefined {
    const sandbox = this.#sandboxes.get(uid);
    return sandbox && (sandbox.netns ?? this.#options.node.netns);
  }

  #needsWork(uid: string): boolean {
    const sandbox = this.#sandboxes.get(uid);
    return this.#shouldRun(uid) ? !sandbox?.reported : sandbox !== undefined || this.#isHeld(uid);
  }

  #shouldRun(uid: string): boolean {
    const pod = this.#wanted.get(uid);
    return pod !== undefined && pod.metadata.deletionTimestamp === undefined && !isTerminal(pod);
  }

  #isHeld(uid: string): boolean {
    const { deletionTimestamp, finalizers } = this.#wanted.get(uid)?.metadata ?? {};
    return deletionTimestamp !== undefined && (finalizers ?? []).includes(POD_FINALIZER);
  }

  async #sync(uid: string): Promise<void> {
    if (!this.#needsWork(uid)) return;
    const pod = this.#wanted.get(uid);
    if (pod && this.#shouldRun(uid)) {
      await this.#run(pod);
    } else {
      await this.#end(uid);
      if (pod) await this.#release(pod);
      if (!this.#wanted.has(uid)) this.#queue.forget(uid);
    }
  }

  async #run(pod: Pod): Promise<void> {
    const sandbox: Sandbox = this.#sandboxes.get(pod.metadata.uid) ?? this.#newSandbox(pod);
    this.#sandboxes.set(pod.metadata.uid, sandbox);
    try {
      await this.#hold(pod);
      await this.#attach(sandbox);
    } catch (error) {
      this.#tell(pod, "FailedCreatePodSandBox", `could not attach the pod to the network: ${textOf(error)}`);
      throw error;
    }
    await this.#reportRunning(sandbox);
  }

  #newSandbox(pod: Pod): Sandbox {
    const netns = pod.spec.hostNetwork ? undefined : podNetns(this.#options.lab, pod.metadata.uid);
    return { pod, netns, ips: [], attached: false, reported: false, ending: new AbortController() };
  }

  /** A pod that was assigned to the node without the scheduler has no finalizer yet. */
  async #hold(pod: Pod): Promise<void> {
    if (pod.metadata.finalizers?.includes(POD_FINALIZER)) return;
    await change(this.#options.store, podKind, identity(pod), withFinalizer);
  }

  async #attach(sandbox: Sandbox): Promise<void> {
    const { machine, node, cni } = this.#options;
    const { pod, netns } = sandbox;
    if (netns === undefined) {
      sandbox.kernel ??= machine.open({ name: node.netns });
      sandbox.ips = this.#addresses;
    } else if (!sandbox.attached) {
      // Left over from an attempt of this pod's that was cut off: nobody else uses its name.
      if (!sandbox.kernel) await machine.removeNetns(netns);
      const path = machine.createNetns(netns, this.#options.mark);
      sandbox.kernel = machine.open({ name: netns });
      sendAllErrors(sandbox.kernel);
      try {
        const result = await cni.add(attachmentOf(pod, path));
        sandbox.ips = (result.ips ?? []).map(({ address }) => address.split("/")[0] ?? "");
        sandbox.attached = true;
      } catch (error) {
        sandbox.kernel.close();
        delete sandbox.kernel;
        await machine.removeNetns(netns);
        throw error;
      }
    }
    if (!sandbox.kernel) return;
    sandbox.responder ??= new Responder({
      kernel: sandbox.kernel,
      ports: portsOf(pod.spec),
      addresses: sandbox.ips,
      ...(netns === undefined && { sctpPorts: this.#hostSctpPorts }),
      onError: (error, { port, protocol }) =>
        this.#tell(pod, "PortNotOpen", `cannot listen on ${port}/${protocol}: ${textOf(error)}`),
    }).start();
  }

  async #reportRunning(sandbox: Sandbox): Promise<void> {
    const { pod, ips } = sandbox;
    const hostIp = this.#addresses[0] ?? "";
    await change(this.#options.store, podKind, identity(pod), (stored) =>
      stored.metadata.deletionTimestamp === undefined
        ? { ...stored, status: runningStatus(stored, ips, hostIp, new Date()) }
        : undefined,
    );
    sandbox.reported = true;
    this.#awaitEnd(sandbox);
  }

  /** Writes down that a pod's containers have ended, once they have; what is left of the pod is taken down by that. */
  #awaitEnd(sandbox: Sandbox): void {
    const { pod, ending } = sandbox;
    const end = endOfPod(pod.spec);
    if (!end || sandbox.awaited) return;
    sandbox.awaited = true;
    const phase = end.code === 0 ? "Succeeded" : "Failed";
    const ended = this.#options.clock.sleep(Math.min(end.afterMs, LONGEST_MS), ending.signal).then(() => {
      if (ending.signal.aborted) return undefined;
      return change(this.#options.store, podKind, identity(pod), (stored) => ({
        ...stored,
        status: endedStatus(stored, new Date(), phase),
      }));
    });
    ended.catch((error: unknown) =>
      this.#options.logger.error({ pod: pod.metadata.name, error: textOf(error) }, "its end is not written"),
    );
  }

  async #end(uid: string): Promise<void> {
    const sandbox = this.#sandboxes.get(uid);
    if (!sandbox) return;
    sandbox.ending.abort();
    const { machine, cni } = this.#options;
    const { netns, pod } = sandbox;
    await sandbox.responder?.stop();
    delete sandbox.responder;
    sandbox.reported = false;
    if (netns !== undefined) {
      try {
        await cni.del(attachmentOf(pod, `/run/netns/${netns}`));
      } catch (error) {
        // Nothing was attached: the try to take it off was for remains of a try to attach it.
        if (!sandbox.attached)
          this.#options.logger.debug({ pod: pod.metadata.name, error: textOf(error) }, "DEL failed");
        else throw this.#couldNotDetach(pod, error);
      }
    }
    sandbox.kernel?.close();
    if (netns !== undefined) await machine.removeNetns(netns);
    this.#sandboxes.delete(uid);
  }

  #couldNotDetach(pod: Pod, error: unknown): unknown {
    this.#tell(pod, "FailedKillPod", `could not take the pod off the network: ${textOf(error)}`);
    return error;
  }

  /** Lets a pod's object go, now that nothing of the pod is left here. */
  async #release(pod: Pod): Promise<void> {
    const now = new Date();
    await change(this.#options.store, podKind, identity(pod), (stored) => {
      const released = withoutFinalizer(stored);
      // Somebody else may keep the object: it says, as a kubelet's does, that nothing of the pod runs any more.
      return released && { ...released, status: endedStatus(stored, now) };
    });
  }

  #tell(pod: Pod, reason: string, message: string): void {
    this.#options.events.record({ object: podReference(pod), reason, message, type: "Warning" });
  }
}

function identity({ metadata }: Pod) {
  const { name, uid, namespace = "default" } = metadata;
  return { name, uid, namespace };
}

/** Returns a pod that keeps its object until the node lets go of it; undefined if it does so already. */
export function withFinalizer(pod: Pod): Pod | undefined {
  const finalizers = pod.metadata.finalizers ?? [];
  if (finalizers.includes(POD_FINALIZER)) return undefined;
  return { ...pod, metadata: { ...pod.metadata, finalizers: [...finalizers, POD_FINALIZER] } };
}

/** The opposite of withFinalizer. */
export function withoutFinalizer(pod: Pod): Pod | undefined {
  const finalizers = pod.metadata.finalizers ?? [];
  if (!finalizers.includes(POD_FINALIZER)) return undefined;
  const rest = finalizers.filter((name) => name !== POD_FINALIZER);
  return { ...pod, metadata: { ...pod.metadata, finalizers: rest } };
}

/** Returns the name of a pod's namespace; `lab down` knows the form. */
export function podNetns(lab: string, uid: string): string {
  return netnsName(lab, `pod-${createHash("sha256").update(uid).digest("hex").slice(0, 12)}`);
}

function attachmentOf(pod: Pod, netns: string): Attachment {
  const { name, namespace = "default", uid } = pod.metadata;
  return {
    containerId: createHash("sha256").update(`sandbox ${uid}`).digest("hex"),
    netns,
    ifName: INTERFACE,
    pod: { namespace, name, uid },
    capabilities: capabilitiesOf(pod),
  };
}
