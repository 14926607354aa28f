// PodENIs and subnets for tests.
import type { PodENI } from "../../api/kinds/pod-eni.ts";
import { podEniKind } from "../../api/kinds/pod-eni.ts";
import type { Subnet } from "../../api/kinds/subnet.ts";
import { podUidAnnotation } from "./own-interface.ts";

const meta = (name: string) => ({
  name,
  uid: name,
  resourceVersion: "1",
  creationTimestamp: "2026-11-01T00:00:00Z",
});

export function subnetsOf(ranges: Readonly<Record<string, string>>): ReadonlyMap<string, Subnet> {
  return new Map(
    Object.entries(ranges).map(([id, cidr]) => [
      id,
      {
        apiVersion: "trunkline.dev/v1alpha1",
        kind: "Subnet",
        metadata: meta(id),
        spec: { zone: "h", cidr },
      } satisfies Subnet,
    ]),
  );
}

/** Returns the PodENI of pod `default/p` with uid `u`, attached to machine i-a: a whole interface, or a trunk's member. */
export function podEni(type: "Secondary" | "Member", more: Partial<PodENI["status"] & object> = {}): PodENI {
  const id = "eni-1";
  const isMember = type === "Member";
  const eni = { id, mac: "00:16:3E:00:00:01", vSwitchID: "vsw-1", securityGroupIDs: ["sg-2", "sg-1"] };
  return {
    apiVersion: podEniKind.apiVersion,
    kind: "PodENI",
    metadata: { ...meta("p"), namespace: "default", annotations: { [podUidAnnotation]: "u" } },
    spec: { zone: "h", allocations: [{ eni, ipv4: "10.2.1.7" }] },
    status: {
      phase: "Bind",
      instanceID: "i-a",
      ...(isMember && { trunkENIID: "eni-trunk" }),
      eniInfos: { [id]: { id, type, status: "Bind", ...(isMember && { vid: 12 }) } },
      ...more,
    },
  };
}
