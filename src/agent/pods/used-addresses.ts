// Which addresses pods use: what nobody may be given, whatever became of a journal.
import type { UsedAddress } from "../../ipam/context.ts";
import { type Endpoint, podKey } from "./endpoint.ts";
import type { FoundWire } from "./found-wires.ts";

/** Returns what pods use by the journal and, whatever that says, by the kernel. */
export function usesOf(endpoints: readonly Endpoint[], wires: readonly FoundWire[]): UsedAddress[] {
  const use =
    ({ containerId, ifName, pod }: Pick<Endpoint, "containerId" | "ifName" | "pod">) =>
    (address: string) => ({
      address,
      pod: podKey(pod),
      uid: pod?.uid ?? "",
      ...(containerId !== "" && { containerId, ifName }),
    });
  const known = endpoints.flatMap((one) => (one.phase === "ready" ? one.ips.map(use(one)) : []));
  const addresses = new Set(known.map(({ address }) => address));
  const nobody = { containerId: "", ifName: "", pod: undefined };
  const found = wires.flatMap(({ ips, owner }) => ips.map(use(owner ?? nobody)));
  return [...known, ...found.filter(({ address }) => !addresses.has(address))];
}
