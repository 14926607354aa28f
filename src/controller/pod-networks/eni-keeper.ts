// Looks after PodENIs: one for each pod with a network of its own, from the intent to the attached interface and back. What
// is held for a name outlives its pods. Each step is written down before it is taken, so that whoever comes after a crash
// goes on from there; a PodENI goes only once the provider no longer shows its interface. Long because all steps are here:
// which one comes next is what there is to understand, and each hands over to others.

import { equalJson } from "../../api/equal.ts";
import { type Node, type Pod, podKind } from "../../api/kinds/core.ts";
import { type PodENI, podEniKind } from "../../api/kinds/pod-eni.ts";
import type { PodNetworking } from "../../api/kinds/pod-networking.ts";
import { isError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { stampOf } from "../../base/stamp.ts";
import type { ProviderPlace } from "../../cloud/provider.ts";
import type { Clock } from "../../ipam/types.ts";
import { zoneLabel } from "../../plan/subnets/admission.ts";
import { podNetworkingAnnotation, wantsOwnNetwork } from "../../plan/subnets/demand.ts";
import { podUidAnnotation } from "../../plan/subnets/own-interface.ts";
import { releaseOf } from "../../plan/subnets/pod-eni/release.ts";
import { isHeld, podEniFinalizer, type Wait, waitMessage } from "../../plan/subnets/pod-eni/words.ts";
import { hasFixedName, isReady, networksOf } from "../../plan/subnets/pod-network.ts";
import { change } from "../../store/change.ts";
import type { EventRecorder } from "../../store/event-recorder.ts";
import type { Store } from "../../store/store.ts";
import { Work } from "../../store/work.ts";
import { EniCalls, isAbout } from "./eni-calls.ts";
import {
  askedAnew,
  boundStatus,
  draftFor,
  failureOf,
  forPod,
  isChanged,
  unboundStatus,
  withStatus,
} from "./eni-object.ts";
import type { NetworkFacts } from "./facts.ts";
import { Waits, waitAfter, zoneMismatch } from "./failures.ts";
import { LateAdmission } from "./late-admission.ts";

export interface EniKeeperOptions {
  readonly store: Store;
  readonly logger: Logger;
  readonly cloud: ProviderPlace;
  readonly clock: Pick<Clock, "now" | "sleep">;
  readonly facts: NetworkFacts;
  readonly events: Pick<EventRecorder, "record">;
}

const WIDTH = 10;
const ATTEMPTS = 10;
/** How often a pod with a fixed address is noted as seen, and an address without one is looked at, in milliseconds. */
const SEEN_MS = 60_000;
/** How soon a step that failed is tried again; the waits double up to the longest. */
const FIRST_MS = 1000;
const LONGEST_MS = 10_000;

export class EniKeeper {
  readonly #options: EniKeeperOptions;
  readonly #work: Work;
  readonly #calls: EniCalls;
  readonly #late: LateAdmission;
  readonly #ending = new AbortController();
  readonly #failures = new Map<string, number>();

  constructor(options: EniKeeperOptions) {
    this.#options = options;
    const { store, cloud, facts, clock, logger } = options;
    this.#calls = new EniCalls({
      store,
      cloud,
      facts,
      rewrite: (podEni, edit) => this.#rewrite(podEni, edit),
      signal: this.#ending.signal,
    });
    this.#late = new LateAdmission({ store, facts, clock });
    this.#work = new Work({ settle: (key) => this.#settle(key), clock, logger, width: WIDTH });
  }

  start(): void {
    const { pods, podEnis, networks, nodes, nodeConfigs } = this.#options.facts;
    pods.on(({ object }) => {
      const key = keyOfPod(object);
      if (wantsOwnNetwork(object) || podEnis.cache.has(key) || this.#late.isMeant(object))
        this.#work.add(key);
    });
    podEnis.on(({ object, previous }) => {
      // Our own words on it are no reason to look at it again.
      if (!previous || isChanged(previous, object)) this.#work.add(keyOfPod(object));
    });
    networks.on(({ type, object, previous }) => {
      if (type !== "deleted" && isReady(object) && !(previous && isReady(previous))) this.#addWaiting();
    });
    // A node that is registered, labelled or configured may be what somebody waits for.
    nodes.on(({ object, previous }) => {
      if (!equalJson(object.metadata.labels, previous?.metadata.labels))
        this.#addWaiting(object.metadata.name);
    });
    nodeConfigs.on(({ object, previous }) => {
      if (object.status?.hash !== previous?.status?.hash) this.#addWaiting(object.metadata.name);
    });
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#work.stop();
  }

  #addWaiting(node?: string): void {
    const { pods, podEnis } = this.#options.facts;
    for (const [key, pod] of pods.cache) {
      if (node !== undefined && pod.spec.nodeName !== node) continue;
      const isBound = podEnis.cache.get(key)?.status?.phase === "Bind";
      if (this.#late.isMeant(pod) || (wantsOwnNetwork(pod) && !isBound)) this.#work.add(key);
    }
  }

  async #settle(key: string): Promise<number | undefined> {
    const [namespace = "", name = ""] = key.split("/");
    const { store } = this.#options;
    const podEni = await store.get(podEniKind, name, namespace);
    // Our copy may lag behind: an interface is never taken from a pod because of that.
    const about = await store.get(podKind, name, namespace);
    const pod = isAbout(about) ? about : undefined;
    try {
      const again = podEni ? await this.#step(podEni, pod) : await this.#begin(pod);
      this.#failures.delete(key);
      return again;
    } catch (error) {
      return await this.#failed(key, error, podEni, pod);
    }
  }

  /** Writes what is waited for where people look; returns when it is tried again. */
  async #failed(
    key: string,
    error: unknown,
    known: PodENI | undefined,
    pod: Pod | undefined,
  ): Promise<number | undefined> {
    if (this.#ending.signal.aborted) return undefined;
    const wait = waitAfter(error, { node: pod?.spec.nodeName ?? "" });
    if (!wait) throw error;
    const podEni =
      known && (await this.#options.store.get(podEniKind, known.metadata.name, known.metadata.namespace));
    if (podEni) {
      await this.#note(podEni, wait);
      this.#tell(podEni, pod, failureOf(podEni), `${wait.reason}: ${wait.text}`, "Warning");
    } else if (pod) await this.#late.say(pod, wait);
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    return Math.min(FIRST_MS * 2 ** failures, LONGEST_MS);
  }

  /** There is no PodENI: one is written if a pod is to have one. */
  async #begin(pod: Pod | undefined): Promise<number | undefined> {
    const { store, facts } = this.#options;
    if (!pod || pod.metadata.deletionTimestamp !== undefined || pod.spec.nodeName === undefined)
      return undefined;
    if (!wantsOwnNetwork(pod)) {
      await this.#late.admit(pod);
      return undefined;
    }
    const node = facts.nodes.cache.get(pod.spec.nodeName);
    if (!node) return undefined;
    const namespace = facts.namespaces.cache.get(pod.metadata.namespace ?? "");
    const selecting = networksOf(pod, namespace, facts.networks.cache.values(), facts.furtherKinds);
    const named = pod.metadata.annotations?.[podNetworkingAnnotation];
    const network = selecting.find(({ metadata }) => metadata.name === named);
    if (!network) {
      const other = selecting[0]?.metadata.name;
      const what =
        named === undefined ? "it names no PodNetworking" : `PodNetworking ${named} does not select it`;
      const help = other === undefined ? "" : ` (${other} does)`;
      throw new Waits("AdmissionBypassed", `${what}${help}: delete the pod, so that it is made anew`);
    }
    if (!isReady(network))
      throw new Waits(
        "PodNetworkingNotReady",
        `PodNetworking ${named} is not Ready: ${network.status?.message ?? ""}`,
      );
    const zone = node.metadata.labels?.[zoneLabel] ?? "";
    const [vSwitchID] = await this.#calls.order(network, zone);
    if (vSwitchID === undefined)
      throw zoneMismatch(node, `PodNetworking ${named} has vSwitches in`, zonesOf(network));
    const { eniOptions, allocationType = {}, securityGroupIDs = [] } = network.spec;
    const draft = draftFor(pod, {
      network: network.metadata.name,
      allocationType,
      eniType: eniOptions?.eniType ?? "Default",
      zone,
      vSwitchID,
      securityGroupIDs,
    });
    try {
      return await this.#step(await store.create(podEniKind, draft), pod);
    } catch (error) {
      if (isError(error, "store.exists")) return 0;
      throw error;
    }
  }

  /** Takes the next step of a PodENI; returns when it is to be looked at again. */
  async #step(podEni: PodENI, pod: Pod | undefined): Promise<number | undefined> {
    const { metadata, spec } = podEni;
    const isOwn = pod !== undefined && metadata.annotations?.[podUidAnnotation] === pod.metadata.uid;
    if (metadata.deletionTimestamp !== undefined) {
      if (!isOwn) return this.#remove(podEni, pod);
      await this.#note(podEni, { reason: "PodENINotReady", text: "it is deleted once its pod is gone" });
      return undefined;
    }
    if ((spec.allocations ?? []).length === 0)
      throw new Waits("PodENINotReady", "it has no allocations: delete it, and another one is made");
    if (isOwn) return this.#serve(podEni, pod);
    // One that has never got an address holds nothing, whatever was made for it that nobody has written down.
    const { eni, ipv4 } = spec.allocations![0]!;
    const isEmpty = eni.id === "" && ipv4 === undefined;
    return isHeld(podEni) && !isEmpty ? this.#hold(podEni, pod) : this.#drop(podEni);
  }

  /** Its pod is there: it gets its interface. */
  async #serve(podEni: PodENI, pod: Pod): Promise<number | undefined> {
    const { facts, clock } = this.#options;
    const node = facts.nodes.cache.get(pod.spec.nodeName ?? "");
    if (!node) return undefined;
    const isHere = podEni.status?.instanceID === this.#calls.instanceOf(node);
    if (podEni.status?.phase === "Bind" && isHere) {
      if (!isHeld(podEni)) return undefined;
      const seen = Date.parse(podEni.status.podLastSeen ?? "");
      if (!(clock.now() - seen < SEEN_MS))
        await this.#rewrite(podEni, (now) => withStatus(now, { podLastSeen: this.#stamp() }));
      return SEEN_MS;
    }
    if (pod.metadata.deletionTimestamp !== undefined) return undefined;
    return this.#bind(podEni, pod, node);
  }

  async #bind(podEni: PodENI, pod: Pod, node: Node): Promise<number | undefined> {
    const zone = node.metadata.labels?.[zoneLabel] ?? "";
    if (zone !== podEni.spec.zone) {
      const address = podEni.spec.allocations?.[0]?.ipv4;
      const what = `its address ${address ?? ""} is held in zone`.replace("  ", " ");
      throw zoneMismatch(node, what, [podEni.spec.zone ?? ""]);
    }
    let now: PodENI | undefined = podEni;
    if (now.spec.allocations?.[0]?.eni.id === "") now = await this.#make(now, pod);
    const instanceID = this.#calls.instanceOf(node);
    now =
      now &&
      (await this.#rewrite(now, (one) =>
        withStatus(one, { phase: "Binding", ...(instanceID !== undefined && { instanceID }) }),
      ));
    if (!now) return 0;
    const done = await this.#calls.attach(now, node);
    if (!done) return 0;
    if ("gone" in done && done.gone) return await this.#remake(done.gone);
    const { attached, instanceID: at, podEni: marked } = done;
    const bound = await this.#rewrite(marked, (one) => ({
      ...one,
      status: boundStatus(one, attached, at, this.#stamp()),
    }));
    if (!bound) return 0;
    this.#tell(bound, pod, "AttachENISucceed", `${attached.id} is attached to ${node.metadata.name} (${at})`);
    await this.#late.hurry(pod);
    return isHeld(bound) ? SEEN_MS : undefined;
  }

  async #make(podEni: PodENI, pod: Pod): Promise<PodENI | undefined> {
    const { facts } = this.#options;
    const network = facts.networks.cache.get(podEni.metadata.annotations?.[podNetworkingAnnotation] ?? "");
    const others = network ? await this.#calls.order(network, podEni.spec.zone ?? "") : [];
    const made = await this.#calls.make(podEni, others);
    const first = made?.spec.allocations?.[0];
    if (made && first)
      this.#tell(
        made,
        pod,
        "CreateENISucceed",
        `${first.eni.id} in ${first.eni.vSwitchID} has ${first.ipv4}`,
      );
    return made;
  }

  /** Somebody has deleted the interface: another one is asked for with the same address. */
  async #remake(podEni: PodENI): Promise<number> {
    const { id, vSwitchID = "" } = podEni.spec.allocations![0]!.eni;
    this.#options.logger.warn(
      { interface: id, podEni: podEni.metadata.name },
      "an interface is gone: making it anew",
    );
    await this.#rewrite(podEni, (now) => askedAnew(now, vSwitchID));
    return 0;
  }

  /** It is held for its name, and the pod that it served last is gone. */
  async #hold(podEni: PodENI, pod: Pod | undefined): Promise<number | undefined> {
    const phase = podEni.status?.phase ?? "";
    if (phase !== "Unbind") {
      // The time counts from now, also where nobody was there to see the pod go.
      const stamp = phase === "Detaching" ? {} : { podLastSeen: this.#stamp() };
      const now = await this.#rewrite(podEni, (one) => withStatus(one, { phase: "Detaching", ...stamp }));
      if (!now) return 0;
      await this.#calls.detach(now);
      await this.#rewrite(now, (one) => ({ ...one, status: unboundStatus(one) }));
      this.#tell(now, undefined, "DetachENISucceed", "its pod is gone; its address is held");
      return 0;
    }
    if (pod && pod.metadata.deletionTimestamp === undefined && wantsOwnNetwork(pod))
      return this.#giveOver(podEni, pod);
    // The next pod of the name, made while nobody ran admission: its address is not to expire meanwhile.
    if (pod && (await this.#late.admit(pod))) return 0;
    return this.#expire(podEni);
  }

  /** Another pod of the name has come. */
  async #giveOver(podEni: PodENI, pod: Pod): Promise<number | undefined> {
    if (pod.spec.nodeName === undefined) return undefined;
    if (!hasFixedName(pod, this.#options.facts.furtherKinds)) {
      const [first] = podEni.spec.allocations ?? [];
      const text = `its name's address ${first?.ipv4 ?? ""} is held for a pod whose name comes back: delete the PodENI`;
      throw new Waits("PodENINotReady", text);
    }
    const given = await this.#rewrite(podEni, (now) => withStatus(forPod(now, pod), { phase: "Binding" }));
    return given ? this.#serve(given, pod) : 0;
  }

  async #expire(podEni: PodENI): Promise<number | undefined> {
    const { store, clock } = this.#options;
    const { name, namespace, uid, resourceVersion } = podEni.metadata;
    const release = releaseOf(podEni);
    if (release.what === "undecided") {
      const message = `its address is kept: ${release.why}; delete the PodENI to free it`;
      this.#tell(podEni, undefined, "ReleaseUndecided", message, "Warning");
      await this.#rewrite(podEni, (now) => withStatus(now, { msg: message }));
      return undefined;
    }
    if (release.what === "at") {
      const left = release.at - clock.now();
      if (left > 0) {
        const until = stampOf(release.at);
        await this.#rewrite(podEni, (now) => withStatus(now, { msg: `held without a pod until ${until}` }));
        return Math.min(left + 1, SEEN_MS);
      }
      await store.delete(podEniKind, name, namespace, { uid, resourceVersion });
      return undefined;
    }
    await this.#rewrite(podEni, (now) =>
      withStatus(now, { msg: "held without a pod until this PodENI is deleted" }),
    );
    return undefined;
  }

  async #drop({ metadata }: PodENI): Promise<undefined> {
    const { name, namespace, uid } = metadata;
    await this.#options.store.delete(podEniKind, name, namespace, { uid });
  }

  /** It is being deleted, and its pod is gone. */
  async #remove(podEni: PodENI, pod: Pod | undefined): Promise<number | undefined> {
    const now = await this.#rewrite(podEni, (one) => withStatus(one, { phase: "Deleting" }));
    if (!now) return pod ? 0 : undefined;
    await this.#calls.remove(now);
    this.#tell(now, undefined, "DeleteENISucceed", "its interface is gone, and its address is free");
    await this.#rewrite(now, (one) => {
      const finalizers =
        one.metadata.finalizers?.filter((own) => own !== podEniFinalizer && own !== "pod-eni") ?? [];
      return { ...one, metadata: { ...one.metadata, finalizers } };
    });
    return pod ? 0 : undefined;
  }

  async #note(podEni: PodENI, wait: Wait): Promise<void> {
    await this.#rewrite(podEni, (now) =>
      withStatus(now, { msg: waitMessage(wait, now.status?.msg, this.#stamp()) }),
    );
  }

  #rewrite({ metadata }: PodENI, edit: (now: PodENI) => PodENI): Promise<PodENI | undefined> {
    return change(
      this.#options.store,
      podEniKind,
      metadata,
      (now) => {
        const next = edit(now);
        return equalJson(next, now) ? undefined : next;
      },
      ATTEMPTS,
    );
  }

  #tell(
    { apiVersion, kind, metadata }: PodENI,
    pod: Pod | undefined,
    reason: string,
    message: string,
    type: "Normal" | "Warning" = "Normal",
  ): void {
    const { name, namespace = "default", uid } = metadata;
    const { events } = this.#options;
    events.record({ object: { apiVersion, kind, name, namespace, uid }, reason, message, type });
    if (!pod) return;
    const object = { apiVersion: "v1", kind: "Pod", name, namespace, uid: pod.metadata.uid };
    events.record({ object, reason, message, type });
  }

  #stamp(): string {
    return stampOf(this.#options.clock.now());
  }
}

function zonesOf(network: Pick<PodNetworking, "status">): readonly string[] {
  return [...new Set((network.status?.vSwitches ?? []).flatMap(({ zone }) => zone ?? []))].toSorted();
}

function keyOfPod({ metadata }: { readonly metadata: Pod["metadata"] }): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}
