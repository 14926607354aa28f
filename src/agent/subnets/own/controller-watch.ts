// Whether the controller acts, told from the Lease that it renews every two seconds. Clocks of two machines are never
// compared: the Lease is as old as the node has seen it unchanged. Where nobody needs one (one controller beside one file)
// there is none, and nothing can be told.
import { leaseKind } from "../../../api/kinds/lease.ts";
import type { Store } from "../../../store/store.ts";

const lease = { name: "trunkline-controller", namespace: "kube-system" } as const;
const LASTS_MS = 15_000;
/** The store may be away as well: nobody waits longer for what is only told. */
const PATIENCE_MS = 1000;

export type ControllerState =
  | { readonly is: "acting"; readonly holder: string }
  | { readonly is: "away"; readonly why: string }
  | { readonly is: "unknown" };

export class ControllerWatch {
  readonly #store: Pick<Store, "get">;
  readonly #steady: () => number;
  #seen: { readonly version: string; readonly since: number } | undefined;

  /** @param steady milliseconds of a clock that only goes forward, and that is nobody else's */
  constructor(store: Pick<Store, "get">, steady: () => number = () => performance.now()) {
    this.#store = store;
    this.#steady = steady;
  }

  /** Looks at the Lease; never rejects. What it returns is sure only once it has looked twice. */
  async look(): Promise<ControllerState> {
    const found = await this.#read();
    if (!found) return { is: "unknown" };
    const { spec, metadata } = found;
    const holder = spec?.holderIdentity ?? "";
    const now = this.#steady();
    const isSame = this.#seen?.version === metadata.resourceVersion;
    const seen = isSame && this.#seen ? this.#seen : { version: metadata.resourceVersion, since: now };
    const isFirst = this.#seen === undefined;
    this.#seen = seen;
    const where = `Lease ${lease.namespace}/${lease.name}`;
    if (holder === "") return { is: "away", why: `nobody holds ${where}` };
    const lasts = Math.max(LASTS_MS, (spec?.leaseDurationSeconds ?? 0) * 1000);
    if (now - seen.since >= lasts)
      return { is: "away", why: `${holder} has not renewed ${where} for ${Math.floor(lasts / 1000)} s` };
    return isFirst || isSame ? { is: "unknown" } : { is: "acting", holder };
  }

  async #read() {
    const late = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => late.resolve(undefined), PATIENCE_MS);
    try {
      return await Promise.race([this.#store.get(leaseKind, lease.name, lease.namespace), late.promise]);
    } catch {
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }
}
