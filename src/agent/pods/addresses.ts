// Where the agent gets pods' addresses from: the node's allocator, seen through what ADD and DEL need of it.
import type { Family } from "../../base/ip.ts";
import type { PodIdentity } from "../../cni/args.ts";
import type { PoolRange } from "../../ipam/types.ts";
import type { Manager } from "../managers/manager.ts";

export interface AddressRequest {
  readonly containerId: string;
  readonly ifName: string;
  readonly pod: PodIdentity | undefined;
}

/** As AddressRequest, where the pod may not be known. */
export type AddressOwner = Pick<AddressRequest, "containerId" | "ifName"> & Partial<AddressRequest>;

/** What the agent knows to use addresses. */
export interface AddressesInUse {
  readonly attachments: readonly Pick<AddressRequest, "containerId" | "ifName">[];
  /** Asks the kernel: called only where something is to be judged by it. */
  readonly addresses: () => ReadonlySet<string>;
}

/** Addresses of the node's own tunnel devices. */
export interface TunnelAddresses {
  /** What a device holds, of which pool. */
  held(device: string): { readonly address: string; readonly pool: string } | undefined;
  /** Holds an address of one of these pools for a device, or returns the one that it holds. @throws `ipam.…` */
  hold(device: string, pools: readonly PoolRange[], family: Family): Promise<string>;
  /** Gives back what a device holds; succeeds if it holds nothing. */
  release(device: string): Promise<void>;
}

export interface AddressSource {
  /**
   * Returns addresses (without prefix length) for that interface: the same ones as long as they are not released.
   * @throws `ipam.…` where none can be had
   */
  allocate(request: AddressRequest): Promise<readonly string[]>;
  /** Gives back what that interface holds; succeeds if it holds nothing. */
  release(owner: AddressOwner): Promise<void>;
  /** Gives back what was held for nothing that lives for `graceMs`; to be called now and then. */
  collect?(living: AddressesInUse, graceMs: number): Promise<void>;
  /** What the node's tunnel devices hold; absent where there are no tunnels. */
  readonly tunnels?: TunnelAddresses;
  /** On which interfaces of subnets addresses stand; those of pools are not there. */
  places?(): ReadonlyMap<string, { readonly groups: readonly string[]; readonly own: boolean }>;
  /** Who holds addresses now, also those of which the agent knows nothing (any more). */
  owners(): readonly Pick<AddressOwner, "containerId" | "ifName" | "pod">[];
  /** Why no addresses can be handed out now; undefined when they can. */
  notReady(): string | undefined;
  /** What of its memory was found damaged at the start, in words; undefined where all was whole. */
  readonly damage?: string | undefined;
  /** Settles when `notReady` has become undefined for the first time. */
  readonly ready?: Promise<unknown>;
  /** Called before all others with what the cluster says. */
  readonly managers?: readonly Manager[];
  stop?(): Promise<void>;
}
