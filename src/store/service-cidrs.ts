import { type ServiceCIDR, serviceCidrKind } from "../api/kinds/service-cidr.ts";
import { isError } from "../base/errors.ts";
import type { Store } from "./store.ts";

/** Returns the ServiceCIDR objects there are; none where the server does not have the kind (Kubernetes before 1.33). */
export async function listServiceCidrs(store: Store): Promise<readonly ServiceCIDR[]> {
  try {
    return (await store.list(serviceCidrKind)).items;
  } catch (error) {
    if (isError(error, "store.unserved")) return [];
    throw error;
  }
}
