// Pods' addresses out of block pools: the decision of src/plan/addressing, carried out by the node's allocator.
import path from "node:path";
import { type Pod, podKind } from "../../api/kinds/core.ts";
import { textOf } from "../../base/errors.ts";
import type { PodIdentity } from "../../cni/args.ts";
import type { UsedAddress } from "../../ipam/context.ts";
import { NodeIpam } from "../../ipam/node-ipam.ts";
import { isRecovered } from "../../ipam/recovery.ts";
import { tunnelDeviceOf, tunnelOwner } from "../../ipam/tunnel-owner.ts";
import { ownerKey } from "../../ipam/types.ts";
import { chooseAddresses, wantsOf } from "../../plan/addressing/choose.ts";
import { poolsOfNode } from "../../plan/addressing/pools.ts";
import type { ClusterFacts } from "../../plan/facts.ts";
import { tunnelTypes } from "../../plan/routing/tunnels.ts";
import type { Changes, Manager } from "../managers/manager.ts";
import type { AgentParts } from "../options.ts";
import type {
  AddressesInUse,
  AddressOwner,
  AddressRequest,
  AddressSource,
  TunnelAddresses,
} from "./addresses.ts";
import { podKey } from "./endpoint.ts";
import { NamedAddresses } from "./named-addresses.ts";

/** How long ADD waits for a pod's object that the node has not heard of yet, in milliseconds. */
const POD_WAIT_MS = 1000;

/** Starts the node's allocator; its journal is in the folder `ipam` of the agent's state. @throws `ipam.journal` */
export async function poolAddresses(parts: AgentParts): Promise<PoolAddresses> {
  const named = new NamedAddresses(parts.facts.pods);
  const ipam = new NodeIpam({
    store: parts.store,
    node: parts.node,
    journal: path.join(parts.stateDir, "ipam"),
    logger: parts.logger,
    settings: parts.addressCooldownMs === undefined ? {} : { cooldownMs: parts.addressCooldownMs },
    inUse: async () => [...parts.inUse(), ...tunnelsInUse(parts)],
    isNamed: (address) => named.has(address),
    ...(parts.clock && { clock: parts.clock }),
  });
  await ipam.start();
  return new PoolAddresses(parts, ipam, named);
}

/** What the node's tunnel devices have, for when the journal is lost. */
function tunnelsInUse({ kernel }: AgentParts): UsedAddress[] {
  return tunnelTypes.flatMap(({ device }) => {
    const link = kernel.links.get(device);
    if (!link) return [];
    return kernel.addresses
      .list(link.index)
      .filter(({ scope }) => scope === "global")
      .map(({ address }) => ({ ...tunnelOwner(device), address: address.split("/")[0] ?? "" }));
  });
}

export class PoolAddresses implements AddressSource {
  readonly ipam: NodeIpam;
  /** Tells the allocator what the cluster says about this node and its pools. */
  readonly manager: Manager;
  readonly ready: Promise<void>;
  readonly tunnels: TunnelAddresses = {
    held: (device) => {
      const [held] = this.ipam.holdings.get(ownerKey(tunnelOwner(device)))?.addresses ?? [];
      return held && !held.lost ? { address: held.address, pool: held.pool } : undefined;
    },
    hold: async (device, pools, family) => {
      const holding = await this.ipam.allocate({ owner: tunnelOwner(device), wants: [{ family, pools }] });
      return holding.addresses[0]?.address ?? "";
    },
    release: async (device) => void (await this.ipam.release(tunnelOwner(device))),
  };
  readonly #parts: AgentParts;
  readonly #named: NamedAddresses;
  #verified = false;

  constructor(parts: AgentParts, ipam: NodeIpam, named: NamedAddresses) {
    this.#parts = parts;
    this.ipam = ipam;
    this.#named = named;
    this.manager = {
      name: "addresses",
      concerns: [],
      kinds: ["pods", "nodes", "ippools"],
      apply: async (facts, node, changes) => this.#follow(facts, node.node, changes),
      resync: async () => {},
    };
    this.ready = ipam.ready().then((verified) => {
      this.#verified = verified;
    });
  }

  async allocate(request: AddressRequest): Promise<readonly string[]> {
    const { facts, node } = this.#parts;
    const { containerId, ifName, pod } = request;
    const owner = { containerId, ifName, pod: podKey(pod), uid: pod?.uid ?? "" };
    const known = await this.ipam.held(owner);
    if (known) return known.addresses.map(({ address }) => address);
    const annotations = (await this.#objectOf(pod))?.metadata.annotations;
    const decision = chooseAddresses(
      facts,
      {
        namespace: pod?.namespace ?? "",
        name: pod?.name ?? containerId,
        ...(annotations && { annotations }),
      },
      node,
    );
    const holding = await this.ipam.allocate({
      owner,
      wants: wantsOf(decision, node),
    });
    return holding.addresses.map((held) => held.address);
  }

  async release({ containerId, ifName, pod }: AddressOwner): Promise<void> {
    await this.ipam.release({
      containerId,
      ifName,
      ...(pod !== undefined && { pod: podKey(pod), uid: pod.uid }),
    });
  }

  async collect(living: AddressesInUse, graceMs: number): Promise<void> {
    for (const { owner, addresses } of await this.ipam.collect(living, graceMs)) {
      const facts = { ...owner, ips: addresses.map(({ address }) => address) };
      this.#parts.logger.warn(
        facts,
        "addresses were held for nothing that is left on this node: they are free",
      );
    }
  }

  get damage(): string | undefined {
    return this.ipam.damage;
  }

  owners() {
    return [...this.ipam.holdings.values()]
      .filter(({ owner }) => !isRecovered(owner) && tunnelDeviceOf(owner) === undefined)
      .map(({ owner: { containerId, ifName, pod, uid } }) => {
        const [namespace = "", name = ""] = pod.split("/");
        return { containerId, ifName, pod: name === "" ? undefined : { namespace, name, uid } };
      });
  }

  notReady(): string | undefined {
    if (this.ipam.fault !== undefined) return this.ipam.fault;
    return this.#verified ? undefined : "the store has not confirmed this node's blocks yet";
  }

  stop(): Promise<void> {
    return this.ipam.close();
  }

  #follow(facts: ClusterFacts, node: string, changes: Changes): void {
    const pods = changes.get("pods");
    if (pods !== undefined) this.#named.follow(pods);
    if (changes.has("nodes")) this.ipam.setRegistered(facts.nodes.has(node));
    if (changes.has("nodes") || changes.has("ippools")) this.ipam.setWantedPools(poolsOfNode(facts, node));
  }

  /** The pod's object; the runtime may be quicker than the watch. A store that is away must not hold up pods. */
  async #objectOf(pod: PodIdentity | undefined): Promise<Pod | undefined> {
    if (pod === undefined) return undefined;
    const { facts, store, logger } = this.#parts;
    const known = facts.pods.get(podKey(pod));
    if (known !== undefined && (pod.uid === "" || known.metadata.uid === pod.uid)) return known;
    const late = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => late.resolve(undefined), POD_WAIT_MS);
    try {
      return await Promise.race([store.get(podKind, pod.name, pod.namespace), late.promise]);
    } catch (error) {
      logger.warn(
        { pod: podKey(pod), error: textOf(error) },
        "the pod's object cannot be read: no annotations",
      );
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }
}
