// Makes AddressLists of what pods ask the webhook injector for, and takes those away again that nobody asks for any more, once
// their sinks hold nothing.
import { type AddressList, addressListKind } from "../../api/kinds/address-list.ts";
import { isTerminal, type Pod, podKind } from "../../api/kinds/core.ts";
import { keyOf } from "../../api/object.ts";
import { isError, TrunklineError, textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import {
  injectorLabel,
  injectorValue,
  listOfWish,
  type Wish,
  wishesOf,
} from "../../explain/allowlist/injector.ts";
import type { Clock } from "../../ipam/types.ts";
import type { CloudCaller } from "../../sinks/sink.ts";
import { EventRecorder } from "../../store/event-recorder.ts";
import { Informer } from "../../store/informer.ts";
import type { Store } from "../../store/store.ts";
import { Work } from "../../store/work.ts";

export interface InjectedListsOptions {
  readonly store: Store;
  readonly logger: Logger;
  readonly clock: Pick<Clock, "sleep">;
  /** As `cn-hangzhou`. */
  readonly region: string;
  readonly cloud: CloudCaller;
  /** Somebody else starts and stops it. */
  readonly lists: Informer<AddressList>;
}

/** The cloud may know the instance later. */
const AGAIN_MS = 30_000;
const WIDTH = 2;

/** Runs from start() to stop(). */
export class InjectedLists {
  readonly #options: InjectedListsOptions;
  readonly #pods: Informer<Pod>;
  readonly #events: EventRecorder;
  readonly #work: Work;
  /** By pod: names of lists. */
  readonly #asked = new Map<string, readonly string[]>();
  /** By name of the list: who asks for it. */
  readonly #wishes = new Map<string, { readonly wish: Wish; readonly pods: Set<string> }>();
  #unfollow: () => void = () => {};

  constructor(options: InjectedListsOptions) {
    const { store, logger, clock } = options;
    this.#options = options;
    this.#pods = new Informer(store, podKind, { logger });
    this.#events = new EventRecorder(store, { component: "trunkline-controller" }, logger);
    this.#work = new Work({ settle: (name) => this.#settle(name), clock, logger, width: WIDTH });
  }

  start(): void {
    this.#pods.on(({ type, object }) => this.#read(object, type === "deleted"));
    this.#pods.start();
    // Before all pods are known, it might only seem that nobody asks.
    void this.#pods.synced.then(() => {
      this.#unfollow = this.#options.lists.on(({ object }) => this.#work.add(object.metadata.name));
    });
  }

  async stop(): Promise<void> {
    await this.#pods.stop();
    this.#unfollow();
    await this.#work.stop();
  }

  #read(pod: Pod, isGone: boolean): void {
    const key = keyOf(pod);
    const { wishes, problems } =
      isGone || isTerminal(pod) ? { wishes: [], problems: [] } : wishesOf(pod.metadata.annotations);
    for (const { annotation, why } of problems) this.#tell(pod, `annotation ${annotation} ${why}`);
    const before = this.#asked.get(key) ?? [];
    const names = wishes.map(({ name }) => name);
    if (names.length === 0) this.#asked.delete(key);
    else this.#asked.set(key, names);
    for (const name of before) {
      if (names.includes(name)) continue;
      const known = this.#wishes.get(name);
      known?.pods.delete(key);
      if (known?.pods.size === 0) this.#wishes.delete(name);
      this.#work.add(name);
    }
    for (const wish of wishes) {
      const known = this.#wishes.get(wish.name);
      if (known) known.pods.add(key);
      else this.#wishes.set(wish.name, { wish, pods: new Set([key]) });
      if (!known) this.#work.add(wish.name);
    }
  }

  async #settle(name: string): Promise<number | undefined> {
    const { store, lists, region, logger } = this.#options;
    const wanted = this.#wishes.get(name);
    const list = lists.cache.get(name);
    if (wanted && !list) {
      try {
        const to = await this.#placeOf(wanted.wish);
        await store.create<AddressList>(addressListKind, listOfWish(wanted.wish, region, to));
      } catch (error) {
        if (isError(error, "store.exists")) return undefined;
        logger.warn(
          { list: name, error: textOf(error) },
          "what pods ask the webhook injector for cannot be had",
        );
        for (const key of wanted.pods) {
          const pod = this.#pods.cache.get(key);
          if (pod) this.#tell(pod, `there is no AddressList ${name}: ${textOf(error)}`);
        }
        return AGAIN_MS;
      }
    }
    if (!wanted && list && isOver(list))
      await store.delete(addressListKind, name, undefined, { uid: list.metadata.uid });
    return undefined;
  }

  /** Returns an address that connections are to: what is seen of pods hangs on where they go. */
  async #placeOf({ type, id }: Wish): Promise<string> {
    const { cloud } = this.#options;
    let found: readonly { readonly IPAddress?: string; readonly IPType?: string }[];
    if (type === "rds") {
      const answer = await cloud.call<RdsNet>("rds", "DescribeDBInstanceNetInfo", { DBInstanceId: id });
      found = answer.DBInstanceNetInfos?.DBInstanceNetInfo ?? [];
    } else if (type === "redis") {
      const answer = await cloud.call<RedisNet>("r-kvstore", "DescribeDBInstanceNetInfo", { InstanceId: id });
      found = answer.NetInfoItems?.InstanceNetInfo ?? [];
    } else {
      const answer = await cloud.call<Interfaces>("ecs", "DescribeNetworkInterfaces", {
        SecurityGroupId: id,
      });
      const all = answer.NetworkInterfaceSets?.NetworkInterfaceSet ?? [];
      found = all.map(({ PrivateIpAddress: IPAddress = "" }) => ({ IPAddress, IPType: "Private" }));
    }
    const isPublic = ({ IPType }: { readonly IPType?: string }) => IPType === "Public";
    const addresses = found.filter(({ IPAddress = "" }) => IPAddress !== "");
    const best = addresses.find((one) => !isPublic(one)) ?? addresses[0];
    if (best?.IPAddress !== undefined) return best.IPAddress;
    const why = "the cloud knows no address of it, so that it cannot be told what is seen there";
    throw new TrunklineError("sinks.refused", { what: id, why });
  }

  #tell({ metadata }: Pod, message: string): void {
    const { namespace = "default", name, uid } = metadata;
    const object = { apiVersion: "v1", kind: "Pod", namespace, name, uid };
    this.#events.record({ object, reason: "AddressListUnknown", message, type: "Warning", once: true });
  }
}

interface RdsNet {
  readonly DBInstanceNetInfos?: {
    readonly DBInstanceNetInfo?: readonly { readonly IPAddress?: string; readonly IPType?: string }[];
  };
}

interface RedisNet {
  readonly NetInfoItems?: {
    readonly InstanceNetInfo?: readonly { readonly IPAddress?: string; readonly IPType?: string }[];
  };
}

interface Interfaces {
  readonly NetworkInterfaceSets?: {
    readonly NetworkInterfaceSet?: readonly { readonly PrivateIpAddress?: string }[];
  };
}

/** One of ours whose entries have rested, and whose sinks have taken that. */
function isOver({ metadata, status }: AddressList): boolean {
  const { ranges, revision = 0, sinks = [] } = status ?? {};
  return (
    metadata.labels?.[injectorLabel] === injectorValue &&
    ranges?.length === 0 &&
    sinks.length > 0 &&
    sinks.every((sink) => sink.revision >= revision)
  );
}
