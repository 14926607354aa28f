// Looks after PodNetworkings: whether the provider has their vSwitches and groups, and whether two of them select the same
// pod. A network that was Ready stays so while nobody answers.

import { withCondition } from "../../api/conditions.ts";
import { equalJson } from "../../api/equal.ts";
import { isTerminal } from "../../api/kinds/core.ts";
import { type PodNetworking, podNetworkingKind } from "../../api/kinds/pod-networking.ts";
import { isError, textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { stampOf } from "../../base/stamp.ts";
import type { ProviderPlace } from "../../cloud/provider.ts";
import type { Clock } from "../../ipam/types.ts";
import { isReady, networksOf } from "../../plan/subnets/pod-network.ts";
import { change } from "../../store/change.ts";
import type { EventRecorder } from "../../store/event-recorder.ts";
import type { Store } from "../../store/store.ts";
import { Work } from "../../store/work.ts";
import type { NetworkFacts } from "./facts.ts";

export interface NetworkKeeperOptions {
  readonly store: Store;
  readonly logger: Logger;
  readonly cloud: ProviderPlace | undefined;
  readonly clock: Pick<Clock, "now" | "sleep">;
  readonly facts: NetworkFacts;
  readonly events: Pick<EventRecorder, "record">;
}

/** How long a network counts as looked at; one that lacks something is looked at again sooner. */
const READY_MS = 540_000;
const FAIL_MS = 5000;
const GATHER_MS = 300;
const ATTEMPTS = 10;

const onlyMatch = {
  type: "Conflict",
  status: "False",
  reason: "OnlyMatch",
  message: "no pod is selected twice",
} as const;

type Status = NonNullable<PodNetworking["status"]>;

export class NetworkKeeper {
  readonly #options: NetworkKeeperOptions;
  readonly #work: Work;
  /** What was asked for when a network was looked at last, and when. */
  readonly #looked = new Map<string, { readonly asked: string; readonly at: number }>();
  #timer: NodeJS.Timeout | undefined;
  #telling: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: NetworkKeeperOptions) {
    this.#options = options;
    const { clock, logger } = options;
    this.#work = new Work({ settle: (name) => this.#settle(name), clock, logger, width: 2 });
  }

  start(): void {
    const { facts } = this.#options;
    facts.networks.on(({ type, object }) => {
      if (type === "deleted") this.#looked.delete(object.metadata.name);
      else this.#work.add(object.metadata.name);
      this.#noteConflicts();
    });
    facts.pods.on(() => this.#noteConflicts());
    facts.namespaces.on(() => this.#noteConflicts());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await Promise.all([this.#work.stop(), this.#telling]);
  }

  async #settle(name: string): Promise<number | undefined> {
    const { facts, clock } = this.#options;
    const network = facts.networks.cache.get(name);
    if (!network || network.metadata.deletionTimestamp !== undefined) return undefined;
    const { vSwitchOptions = [], securityGroupIDs = [] } = network.spec;
    const asked = JSON.stringify([network.metadata.uid, vSwitchOptions, securityGroupIDs]);
    const looked = this.#looked.get(name);
    const rest = looked?.asked === asked ? looked.at + READY_MS - clock.now() : 0;
    if (isReady(network) && rest > 0) return rest;
    if (looked?.asked === asked && !isReady(network)) {
      const left = looked.at + FAIL_MS - clock.now();
      if (left > 0) return left;
    }
    const at = clock.now();
    const found = await this.#look(network);
    if (!found) return FAIL_MS;
    this.#looked.set(name, { asked, at });
    await this.#write(name, { ...found, updateAt: stampOf(at) });
    return found.status === "Ready" ? READY_MS : FAIL_MS;
  }

  /** Returns what the provider has of a network; undefined where nobody answers and it was Ready. */
  async #look(
    network: PodNetworking,
  ): Promise<Required<Pick<Status, "status" | "message" | "vSwitches">> | undefined> {
    const { cloud, logger } = this.#options;
    const before = network.status?.vSwitches ?? [];
    const { vSwitchOptions = [], securityGroupIDs = [] } = network.spec;
    const fail = (message: string) => ({ status: "Fail" as const, message, vSwitches: before });
    if (!cloud) return fail("the controller has no provider of subnets: start it with --provider");
    if (vSwitchOptions.length === 0) return fail("it has no vSwitchOptions: name one");
    if (securityGroupIDs.length === 0) return fail("it has no securityGroupIDs: name one");
    try {
      const subnets = await cloud.provider.describeSubnets(vSwitchOptions);
      const groups = await cloud.provider.describeSecurityGroups(securityGroupIDs);
      const noSubnets = vSwitchOptions.filter((id) => !subnets.some((one) => one.id === id));
      const noGroups = securityGroupIDs.filter((id) => !groups.includes(id));
      if (noSubnets.length + noGroups.length > 0) {
        const what = [
          ...noSubnets.map((id) => `vSwitch ${id}`),
          ...noGroups.map((id) => `security group ${id}`),
        ];
        return fail(`the provider has no ${what.join(", no ")}: make it there, or name another one`);
      }
      const vSwitches = vSwitchOptions.map((id) => ({
        id,
        zone: subnets.find((one) => one.id === id)?.zone ?? "",
      }));
      return { status: "Ready", message: "", vSwitches };
    } catch (error) {
      if (!isError(error, "cloud.refused") && !isError(error, "cloud.no-answer")) throw error;
      logger.warn(
        { network: network.metadata.name, error: textOf(error) },
        "a network could not be looked at",
      );
      return isReady(network) ? undefined : fail(`the provider could not be asked: ${textOf(error)}`);
    }
  }

  async #write(name: string, found: Partial<Status>): Promise<void> {
    await this.#change(name, (network) => {
      const before = network.status;
      if (before?.status !== found.status || before?.message !== found.message) {
        const isGood = found.status === "Ready";
        const reason = isGood ? "SyncPodNetworkingSucceed" : "SyncPodNetworkingFailed";
        const zones = (found.vSwitches ?? []).map(({ id, zone }) => `${id} (${zone ?? ""})`).join(", ");
        this.#tell(network, reason, isGood ? `the provider has ${zones}` : (found.message ?? ""), isGood);
      }
      const { status, message } = found;
      const isReady = status === "Ready";
      const ready = {
        type: "Ready",
        status: isReady ? "True" : "False",
        reason: isReady ? "Found" : "NotUsable",
        message: isReady ? "the provider has its vSwitches and security groups" : (message ?? ""),
      } as const;
      const at = stampOf(this.#options.clock.now());
      const known = before?.conditions ?? [];
      // Told from the start, so that whoever waits for a condition has one to look at.
      const told = known.some(({ type }) => type === "Conflict")
        ? known
        : withCondition(known, onlyMatch, at);
      return { ...before, ...found, conditions: withCondition(told, ready, at) };
    });
  }

  async #change(name: string, edit: (network: PodNetworking) => Status): Promise<void> {
    const { store } = this.#options;
    await change(
      store,
      podNetworkingKind,
      { name },
      (network) => {
        const status = edit(network);
        return equalJson(status, network.status) ? undefined : { ...network, status };
      },
      ATTEMPTS,
    );
  }

  #tell(
    { apiVersion, kind, metadata }: PodNetworking,
    reason: string,
    message: string,
    isGood: boolean,
  ): void {
    const object = { apiVersion, kind, name: metadata.name, uid: metadata.uid };
    this.#options.events.record({ object, reason, message, type: isGood ? "Normal" : "Warning" });
  }

  #noteConflicts(): void {
    if (this.#timer || this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#telling = this.#tellConflicts().catch((error: unknown) => {
        this.#options.logger.warn({ error: textOf(error) }, "conflicts of networks could not be written");
        this.#noteConflicts();
      });
    }, GATHER_MS);
    this.#timer.unref();
  }

  async #tellConflicts(): Promise<void> {
    const found = this.#findConflicts();
    const { facts } = this.#options;
    for (const [name, network] of facts.networks.cache) {
      const message = found.get(name);
      const before = network.status?.conditions?.find(({ type }) => type === "Conflict");
      if (message === undefined && before?.status !== "True") continue;
      if (message !== undefined && before?.status === "True" && before.message === message) continue;
      const condition =
        message === undefined
          ? onlyMatch
          : ({ type: "Conflict", status: "True", reason: "SeveralMatch", message } as const);
      await this.#change(name, (now) => ({
        ...now.status,
        conditions: withCondition(
          now.status?.conditions ?? [],
          condition,
          stampOf(this.#options.clock.now()),
        ),
      }));
      if (message !== undefined) this.#tell(network, "PodNetworkingConflict", message, false);
    }
  }

  /** Returns what is said of networks that select the same pod, by name. A pod that stands for all keeps doing so. */
  #findConflicts(): Map<string, string> {
    const { facts } = this.#options;
    const networks = [...facts.networks.cache.values()];
    const found = new Map<string, { others: Set<string>; pod: string; winner: string }>();
    if (networks.length < 2) return new Map();
    const kinds = facts.furtherKinds;
    const pods = [...facts.pods.cache].toSorted(([a], [b]) => (a < b ? -1 : 1));
    for (const [key, pod] of pods) {
      if (isTerminal(pod)) continue;
      const selecting = networksOf(
        pod,
        facts.namespaces.cache.get(pod.metadata.namespace ?? ""),
        networks,
        kinds,
      );
      if (selecting.length < 2) continue;
      const names = selecting.map(({ metadata }) => metadata.name);
      const winner = (selecting.find(isReady) ?? selecting[0])?.metadata.name ?? "";
      for (const name of names) {
        const entry = found.get(name) ?? { others: new Set<string>(), pod: key, winner };
        for (const other of names) if (other !== name) entry.others.add(other);
        found.set(name, entry);
      }
    }
    return new Map(
      [...found].map(([name, { others, pod, winner }]) => [
        name,
        `pod ${pod} is also selected by ${[...others].toSorted().join(", ")}: ${winner} has it, as the oldest one; ` +
          "make their selectors exclude each other",
      ]),
    );
  }
}
