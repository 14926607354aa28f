// Services and where they lead, for answers: agents neither read nor need them.
import { type EndpointSlice, endpointSliceKind, type Service, serviceKind } from "../api/kinds/service.ts";
import { type Kind, type KubeObject, keyOf } from "../api/object.ts";
import { isError } from "../base/errors.ts";
import type { Store } from "../store/store.ts";

export interface ServiceObjects {
  /** By `namespace/name`. */
  readonly services: ReadonlyMap<string, Service>;
  readonly slices: readonly EndpointSlice[];
  /** Why they could not be read: then any address may be a Service's. */
  readonly unread?: string;
}

export const noServices: ServiceObjects = { services: new Map(), slices: [] };

/** Returns a store's Services and EndpointSlices; whoever asks may not be allowed to read them, and a store need not have any. */
export async function collectServices(store: Store): Promise<ServiceObjects> {
  const read = async <T extends KubeObject>(kind: Kind<T>) => (await store.list(kind)).items;
  try {
    const [services, slices] = await Promise.all([read(serviceKind), read(endpointSliceKind)]);
    return { services: new Map(services.map((one) => [keyOf(one), one])), slices };
  } catch (error) {
    if (isError(error, "store.unserved")) return noServices;
    if (isError(error, "store.refused")) return { ...noServices, unread: error.message };
    throw error;
  }
}

/** Returns the Services and EndpointSlices among objects; those without a namespace go to `namespace`. */
export function servicesOf(objects: Iterable<KubeObject>, namespace = "default"): ServiceObjects {
  const services = new Map<string, Service>();
  const slices: EndpointSlice[] = [];
  for (const object of objects) {
    const placed = {
      ...object,
      metadata: { ...object.metadata, namespace: object.metadata.namespace ?? namespace },
    };
    if (object.kind === "Service" && object.apiVersion === "v1")
      services.set(keyOf(placed), placed as Service);
    if (object.kind === "EndpointSlice") slices.push(placed as EndpointSlice);
  }
  return { services, slices };
}
