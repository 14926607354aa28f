// A node's trunk: one interface that carries the VLANs of many pods, made when the first of them comes.
import { randomUUID } from "node:crypto";
import { type Node, nodeKind } from "../../api/kinds/core.ts";
import type { NodeConfig } from "../../api/kinds/node-config.ts";
import { attachInterface, createInterface, freeInterface } from "../../cloud/interface-life.ts";
import type { ProviderPlace } from "../../cloud/provider.ts";
import { ourTags, trunkTag } from "../../cloud/types.ts";
import { isExclusiveNode } from "../../plan/subnets/own-interface.ts";
import { tokenAnnotation, trunkAnnotation } from "../../plan/subnets/pod-eni/words.ts";
import { change } from "../../store/change.ts";
import type { Store } from "../../store/store.ts";
import type { EniType } from "./eni-object.ts";

const ATTEMPTS = 5;

export interface TrunkPlace {
  readonly node: string;
  readonly instanceID: string;
  readonly vSwitchID: string;
  readonly securityGroupIDs: readonly string[];
}

/** What kind of interface a pod gets on a node, or why it can have none there. */
export type KindOfInterface = { readonly trunk: boolean } | { readonly cannot: string };

/** Returns what a network's wish comes to on a node. @param memberLimit members that its machine's trunk takes */
export function kindOn(
  eniType: EniType,
  node: Node,
  config: NodeConfig | undefined,
  memberLimit: number,
): KindOfInterface {
  const isWished = config?.status?.config?.["enable_eni_trunking"] === true;
  const canTrunk = isWished && memberLimit > 0 && !isExclusiveNode(node);
  if (eniType === "ENI") return { trunk: false };
  if (eniType === "Default" || canTrunk) return { trunk: canTrunk };
  const { name } = node.metadata;
  if (isExclusiveNode(node))
    return { cannot: `the network wants Trunk, and node ${name} gives each pod an interface (eniOnly)` };
  const help = isWished
    ? "its machine takes no members: let the pod run on another node"
    : "set enable_eni_trunking in eni-config, or eniType of the network to Default";
  return { cannot: `the network wants Trunk, and node ${name} has none: ${help}` };
}

export class Trunks {
  readonly #store: Store;
  readonly #cloud: ProviderPlace;
  readonly #making = new Map<string, Promise<string>>();

  constructor(store: Store, cloud: ProviderPlace) {
    this.#store = store;
    this.#cloud = cloud;
  }

  /** Returns the id of a node's trunk, which is attached to it. @throws `cloud.…`, `store.…` */
  of(place: TrunkPlace, signal: AbortSignal): Promise<string> {
    const { node } = place;
    const before = this.#making.get(node);
    if (before) return before;
    const made = this.#make(place, signal).finally(() => this.#making.delete(node));
    this.#making.set(node, made);
    return made;
  }

  async #make(place: TrunkPlace, signal: AbortSignal): Promise<string> {
    const { node, instanceID, vSwitchID, securityGroupIDs } = place;
    const { provider, cluster } = this.#cloud;
    const tags = { ...ourTags(cluster), [trunkTag]: node };
    // The provider is believed, not the annotation: somebody may have taken the trunk away.
    const there = await provider.describeInterfaces({ tags });
    const attached = there.find((one) => one.status === "InUse" && one.instanceID === instanceID);
    if (attached) {
      await this.#annotate(node, { [trunkAnnotation]: attached.id });
      return attached.id;
    }
    const [before] = there;
    // Half attached, or attached to a machine that the node was before.
    if (before) await freeInterface(provider, before, before.instanceID ?? instanceID, signal);
    const { id } = before ?? (await this.#create(node, { vSwitchID, securityGroupIDs, tags }));
    await attachInterface(provider, id, instanceID, signal);
    await this.#annotate(node, { [trunkAnnotation]: id });
    return id;
  }

  async #create(
    node: string,
    wanted: {
      vSwitchID: string;
      securityGroupIDs: readonly string[];
      tags: Readonly<Record<string, string>>;
    },
  ) {
    const token = await this.#annotate(node, { [tokenAnnotation]: randomUUID() });
    return createInterface(this.#cloud.provider, { ...wanted, type: "Trunk", token });
  }

  async #annotate(name: string, wanted: Readonly<Record<string, string>>): Promise<string> {
    const [value = ""] = Object.values(wanted);
    await change(
      this.#store,
      nodeKind,
      { name },
      (node) => {
        const { annotations } = node.metadata;
        if (Object.entries(wanted).every(([key, one]) => annotations?.[key] === one)) return undefined;
        return { ...node, metadata: { ...node.metadata, annotations: { ...annotations, ...wanted } } };
      },
      ATTEMPTS,
    );
    return value;
  }
}
