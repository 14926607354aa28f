// Addresses of a node's tunnel devices are held like a pod's, by an owner that is no pod.
import type { Owner } from "./types.ts";

const PREFIX = "tunnel-";

/** Returns who holds the address of a tunnel device. */
export function tunnelOwner(device: string): Owner {
  return { containerId: `${PREFIX}${device}`, ifName: device, pod: "", uid: "" };
}

/** Returns the tunnel device that an owner stands for; undefined for pods. Runtimes name containers by hex digits. */
export function tunnelDeviceOf({
  containerId,
  ifName,
}: Pick<Owner, "containerId" | "ifName">): string | undefined {
  return containerId === `${PREFIX}${ifName}` ? ifName : undefined;
}
