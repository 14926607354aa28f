// The calls that a PodENI's life is made of. Each can be made again after a crash: what is to be done was written down
// before, and what was done is looked for at the provider.
import type { Node, Pod } from "../../api/kinds/core.ts";
import type { PodENI } from "../../api/kinds/pod-eni.ts";
import type { PodNetworking } from "../../api/kinds/pod-networking.ts";
import {
  attachInterface,
  createInterface,
  freeInterface,
  removeInterface,
} from "../../cloud/interface-life.ts";
import { isExhausted, type ProviderPlace } from "../../cloud/provider.ts";
import { type CloudInterface, ourTags, podEniTag } from "../../cloud/types.ts";
import { instanceOf } from "../../plan/subnets/own-interface.ts";
import { eniTypeAnnotation, tokenAnnotation } from "../../plan/subnets/pod-eni/words.ts";
import type { Store } from "../../store/store.ts";
import { askedAnew, type EniType, withInterface, withTrunk } from "./eni-object.ts";
import type { NetworkFacts } from "./facts.ts";
import { Waits } from "./failures.ts";
import { kindOn, Trunks } from "./trunks.ts";

/** Writes a PodENI; returns it as it is then, or undefined if it is gone. */
export type Rewrite = (podEni: PodENI, edit: (now: PodENI) => PodENI) => Promise<PodENI | undefined>;

export class EniCalls {
  readonly #cloud: ProviderPlace;
  readonly #facts: NetworkFacts;
  readonly #rewrite: Rewrite;
  readonly #signal: AbortSignal;
  readonly #trunks: Trunks;

  constructor(parts: {
    readonly store: Store;
    readonly cloud: ProviderPlace;
    readonly facts: NetworkFacts;
    readonly rewrite: Rewrite;
    readonly signal: AbortSignal;
  }) {
    this.#cloud = parts.cloud;
    this.#facts = parts.facts;
    this.#rewrite = parts.rewrite;
    this.#signal = parts.signal;
    this.#trunks = new Trunks(parts.store, parts.cloud);
  }

  /** Returns a network's vSwitches of a zone in the order in which they are tried. @throws `cloud.…` */
  async order(network: PodNetworking, zone: string): Promise<readonly string[]> {
    const ids = (network.status?.vSwitches ?? []).filter((one) => one.zone === zone).map(({ id }) => id);
    const policy = network.spec.vSwitchSelectOptions?.vSwitchSelectionPolicy ?? "ordered";
    if (policy === "random") return shuffled(ids);
    if (policy === "ordered" || ids.length < 2) return ids;
    const free = new Map(
      (await this.#cloud.provider.describeSubnets(ids)).map(({ id, available }) => [id, available] as const),
    );
    return ids.toSorted((a, b) => (free.get(b) ?? 0) - (free.get(a) ?? 0));
  }

  /**
   * Makes the interface that a PodENI asks for; from the other vSwitches where its own has no address left.
   * @param others those that it may be in, in their order
   */
  async make(podEni: PodENI, others: readonly string[]): Promise<PodENI | undefined> {
    const own = podEni.spec.allocations?.[0]?.eni.vSwitchID ?? "";
    const address = podEni.spec.allocations?.[0]?.ipv4;
    const rest = address === undefined ? others.filter((id) => id !== own) : [];
    let now: PodENI | undefined = podEni;
    let last: unknown;
    for (const vSwitchID of [own, ...rest]) {
      if (vSwitchID !== now.spec.allocations?.[0]?.eni.vSwitchID)
        now = await this.#rewrite(now, (one) => askedAnew(one, vSwitchID));
      if (!now) return undefined;
      try {
        return await this.#makeIn(now, vSwitchID);
      } catch (error) {
        if (!isExhausted(error)) throw error;
        last = error;
      }
    }
    if (isExhausted(last)) {
      const zone = podEni.spec.zone ?? "";
      const all = [own, ...rest].join(", ");
      const help =
        "delete pods that have addresses of it, or add a vSwitch of that zone to vSwitchOptions of the network";
      throw new Waits("VSwitchExhausted", `vSwitch ${all} (zone ${zone}) has no free address; ${help}`);
    }
    throw last;
  }

  /** Attaches a PodENI's interface to a node. @returns the interface as the provider shows it then, and the object */
  async attach(podEni: PodENI, node: Node) {
    const { provider } = this.#cloud;
    const { name } = node.metadata;
    const instanceID = this.instanceOf(node);
    if (instanceID === undefined)
      throw new Waits(
        "ProviderError",
        `node ${name} has no spec.providerID, so the provider does not know its machine`,
      );
    const config = this.#facts.nodeConfigs.cache.get(name);
    const { memberAdapterLimit } = await provider.describeInstance(instanceID);
    const eniType = (podEni.metadata.annotations?.[eniTypeAnnotation] ?? "Default") as EniType;
    const kind = kindOn(eniType, node, config, memberAdapterLimit);
    if ("cannot" in kind) throw new Waits("NodeConfigError", kind.cannot);
    const marked = await this.#rewrite(podEni, (now) => withTrunk(now, kind.trunk));
    const eni = marked?.spec.allocations?.[0]?.eni;
    if (!marked || !eni) return undefined;
    const trunkENIID = kind.trunk ? await this.#trunk(node, instanceID, marked) : undefined;
    const [before] = await provider.describeInterfaces({ ids: [eni.id] });
    if (!before) return { gone: marked };
    const isThere =
      before.status === "InUse" && before.instanceID === instanceID && before.trunkENIID === trunkENIID;
    if (isThere) return { attached: before, instanceID, podEni: marked };
    // Half attached, or still where it was before.
    if (before.status !== "Available")
      await freeInterface(provider, before, before.instanceID ?? instanceID, this.#signal);
    const attached = await attachInterface(provider, eni.id, instanceID, this.#signal, trunkENIID);
    return { attached, instanceID, podEni: marked };
  }

  /** Detaches a PodENI's interfaces from whatever machine they are on; settles when the provider shows them as free. */
  async detach({ spec }: PodENI): Promise<void> {
    const { provider } = this.#cloud;
    const ids = (spec.allocations ?? []).map(({ eni }) => eni.id).filter((id) => id !== "");
    if (ids.length === 0) return;
    for (const one of await provider.describeInterfaces({ ids }))
      await freeInterface(provider, one, one.instanceID ?? "", this.#signal);
  }

  /** Deletes a PodENI's interfaces, those too whose ids nobody has written down; settles when none is listed any more. */
  async remove({ spec, metadata }: PodENI): Promise<void> {
    const { provider, cluster } = this.#cloud;
    const tags = { ...ourTags(cluster), [podEniTag]: metadata.uid };
    const ids = (spec.allocations ?? []).map(({ eni }) => eni.id).filter((id) => id !== "");
    const named = ids.length === 0 ? [] : await provider.describeInterfaces({ ids });
    const tagged = await provider.describeInterfaces({ tags });
    const all = new Map([...named, ...tagged].map((one) => [one.id, one]));
    for (const { id, instanceID } of all.values())
      await removeInterface(provider, id, instanceID ?? "", this.#signal);
  }

  instanceOf(node: Node): string | undefined {
    return this.#cloud.machinesAreNodes === true ? node.metadata.name : instanceOf(node);
  }

  /**
   * Makes an interface with an address that nobody else holds. Where somebody has deleted the interface of another PodENI, the
   * provider takes that one's address for free: then it stays occupied until there is another one for us.
   */
  async #makeIn(podEni: PodENI, vSwitchID: string): Promise<PodENI | undefined> {
    const spare: CloudInterface[] = [];
    let now: PodENI | undefined = podEni;
    try {
      let made = await this.#create(now);
      while (this.#isAnothers(made, now)) {
        spare.push(made);
        now = await this.#rewrite(now, (one) => askedAnew(one, vSwitchID));
        if (!now) return undefined;
        made = await this.#create(now);
      }
      const cidr = await this.#cidrOf(made.vSwitchID);
      const own = made;
      return await this.#rewrite(now, (one) => withInterface(one, own, cidr));
    } finally {
      for (const { id } of spare) await removeInterface(this.#cloud.provider, id, "", this.#signal);
    }
  }

  /** Returns whether another PodENI holds an address of an interface that was made for this one. */
  #isAnothers({ addresses }: CloudInterface, { metadata }: PodENI): boolean {
    for (const { metadata: other, spec } of this.#facts.podEnis.cache.values())
      if (other.uid !== metadata.uid && spec.allocations?.some(({ ipv4 = "" }) => addresses.includes(ipv4)))
        return true;
    return false;
  }

  #create({ spec, metadata }: PodENI): Promise<CloudInterface> {
    const { provider, cluster } = this.#cloud;
    const [first] = spec.allocations ?? [];
    const token = metadata.annotations?.[tokenAnnotation];
    return createInterface(provider, {
      ...(token !== undefined && { token }),
      vSwitchID: first?.eni.vSwitchID ?? "",
      securityGroupIDs: first?.eni.securityGroupIDs ?? [],
      type: "Secondary",
      ...(first?.ipv4 !== undefined && { address: first.ipv4 }),
      tags: { ...ourTags(cluster), [podEniTag]: metadata.uid },
    });
  }

  async #cidrOf(id: string): Promise<string | undefined> {
    const [found] = await this.#cloud.provider.describeSubnets([id]);
    return found?.cidr;
  }

  #trunk(node: Node, instanceID: string, { spec }: PodENI): Promise<string> {
    const { name } = node.metadata;
    const { vSwitchIDs = [], securityGroupIDs = [] } = this.#facts.nodeConfigs.cache.get(name)?.status ?? {};
    const own = spec.allocations?.[0]?.eni;
    const groups = securityGroupIDs.length > 0 ? securityGroupIDs : (own?.securityGroupIDs ?? []);
    const place = { node: name, instanceID, vSwitchID: vSwitchIDs[0] ?? own?.vSwitchID ?? "" };
    return this.#trunks.of({ ...place, securityGroupIDs: groups }, this.#signal);
  }
}

function shuffled<T>(list: readonly T[]): T[] {
  return list
    .map((one) => ({ one, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ one }) => one);
}

/** Returns whether a pod is still about, even if it is being deleted. */
export function isAbout(pod: Pod | undefined): pod is Pod {
  const phase = pod?.status?.phase;
  return pod !== undefined && phase !== "Succeeded" && phase !== "Failed";
}
