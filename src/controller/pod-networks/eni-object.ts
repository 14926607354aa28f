// A PodENI as it is written first, before anything is asked of the provider, and how its fields change from then on.
import { randomUUID } from "node:crypto";
import { equalJson } from "../../api/equal.ts";
import type { Pod } from "../../api/kinds/core.ts";
import { type PodENI, type PodEniAllocation, type PodEniPhase, podEniKind } from "../../api/kinds/pod-eni.ts";
import type { AllocationType, PodNetworking } from "../../api/kinds/pod-networking.ts";
import type { Draft } from "../../api/object.ts";
import type { CloudInterface } from "../../cloud/types.ts";
import { podNetworkingAnnotation } from "../../plan/subnets/demand.ts";
import { podUidAnnotation } from "../../plan/subnets/own-interface.ts";
import {
  eniTypeAnnotation,
  nodeLabel,
  podEniFinalizer,
  tokenAnnotation,
} from "../../plan/subnets/pod-eni/words.ts";

export type EniType = NonNullable<NonNullable<PodNetworking["spec"]["eniOptions"]>["eniType"]>;

export interface Wanted {
  readonly network: string;
  readonly allocationType: AllocationType;
  readonly eniType: EniType;
  readonly zone: string;
  readonly vSwitchID: string;
  readonly securityGroupIDs: readonly string[];
}

/** Returns the intent: who is to have what kind of interface, and the token of the call that makes it. */
export function draftFor(pod: Pod, wanted: Wanted): Draft<PodENI> {
  const { name, namespace = "default", uid } = pod.metadata;
  const { zone, vSwitchID, securityGroupIDs, allocationType, eniType, network } = wanted;
  return {
    apiVersion: podEniKind.apiVersion,
    kind: "PodENI",
    metadata: {
      name,
      namespace,
      finalizers: [podEniFinalizer],
      labels: { [nodeLabel]: pod.spec.nodeName ?? "" },
      annotations: {
        [podUidAnnotation]: uid,
        [podNetworkingAnnotation]: network,
        [eniTypeAnnotation]: eniType,
        [tokenAnnotation]: randomUUID(),
      },
    },
    spec: {
      zone,
      allocations: [
        {
          allocationType,
          eni: { id: "", zone, vSwitchID, securityGroupIDs: [...securityGroupIDs] },
          interface: "eth0",
          defaultRoute: true,
        },
      ],
    },
  };
}

/** Returns the same PodENI for another vSwitch or another try: what was asked for by the old token is another interface. */
export function askedAnew(podEni: PodENI, vSwitchID: string): PodENI {
  const annotations = { ...podEni.metadata.annotations, [tokenAnnotation]: randomUUID() };
  return withAllocation({ ...podEni, metadata: { ...podEni.metadata, annotations } }, (one) => ({
    ...one,
    eni: { ...one.eni, id: "", vSwitchID },
  }));
}

/** Returns a PodENI with the interface that was made for it. */
export function withInterface(podEni: PodENI, made: CloudInterface, cidr: string | undefined): PodENI {
  const { id, mac, zone, vSwitchID, addresses } = made;
  const next = withAllocation(podEni, (one) => ({
    ...one,
    eni: { ...one.eni, id, mac, zone, vSwitchID },
    ...(addresses[0] !== undefined && { ipv4: addresses[0] }),
    ...(cidr !== undefined && { ipv4CIDR: cidr }),
  }));
  return { ...next, spec: { ...next.spec, zone } };
}

/** Returns a PodENI given over to a pod. */
export function forPod(podEni: PodENI, pod: Pod): PodENI {
  const { metadata } = podEni;
  return {
    ...podEni,
    metadata: {
      ...metadata,
      labels: { ...metadata.labels, [nodeLabel]: pod.spec.nodeName ?? "" },
      annotations: { ...metadata.annotations, [podUidAnnotation]: pod.metadata.uid },
    },
  };
}

export function withTrunk(podEni: PodENI, trunk: boolean): PodENI {
  return withAllocation(podEni, (one) => ({ ...one, eni: { ...one.eni, attachmentOptions: { trunk } } }));
}

/** Returns the status of one whose interface is attached. */
export function boundStatus(podEni: PodENI, attached: CloudInterface, instanceID: string, at: string) {
  const { id, type, trunkENIID, vid } = attached;
  const { msg: _msg, trunkENIID: _before, ...status } = podEni.status ?? {};
  const isMember = type === "Member" || trunkENIID !== undefined;
  const info = {
    id,
    type: isMember ? ("Member" as const) : ("Secondary" as const),
    ...(vid !== undefined && { vid }),
    status: "Bind" as const,
  };
  return {
    ...status,
    phase: "Bind" as const,
    instanceID,
    ...(trunkENIID !== undefined && { trunkENIID }),
    podLastSeen: at,
    eniInfos: { [id]: info },
  };
}

/** Returns the status of one whose interface is attached to nothing. */
export function unboundStatus({ spec, status }: PodENI) {
  const { msg: _msg, instanceID: _instance, trunkENIID: _trunk, ...rest } = status ?? {};
  const infos = (spec.allocations ?? []).map(({ eni: { id } }) => [id, { id, status: "Unbind" as const }]);
  return { ...rest, phase: "Unbind" as const, eniInfos: Object.fromEntries(infos) as never };
}

function withAllocation(podEni: PodENI, edit: (one: PodEniAllocation) => PodEniAllocation): PodENI {
  const [first, ...others] = podEni.spec.allocations ?? [];
  return first ? { ...podEni, spec: { ...podEni.spec, allocations: [edit(first), ...others] } } : podEni;
}

/** Returns it with more of a status. */
export function withStatus(podEni: PodENI, change: Partial<NonNullable<PodENI["status"]>>): PodENI {
  const { msg: _msg, ...status } = podEni.status ?? {};
  // A phase that has come about waits for nothing yet.
  const isNew = change.phase !== undefined && change.phase !== podEni.status?.phase;
  return { ...podEni, status: { ...(isNew ? status : podEni.status), ...change } };
}

/** Whether what somebody else says on it has changed, and not only our own words. */
export function isChanged(before: PodENI, after: PodENI): boolean {
  const said = ({ metadata, spec, status }: PodENI) => {
    const { [tokenAnnotation]: _token, ...annotations } = metadata.annotations ?? {};
    const { labels, deletionTimestamp, finalizers } = metadata;
    const allocations = spec.allocations?.map(({ allocationType }) => allocationType);
    return { labels, annotations, deletionTimestamp, finalizers, allocations, phase: status?.phase };
  };
  return !equalJson(said(before), said(after));
}

/** Returns an event's reason: what could not be done, by the phase that it was to be done in. */
export function failureOf({ spec, status, metadata }: PodENI): string {
  if (metadata.deletionTimestamp !== undefined) return "DeleteENIFailed";
  const phase: PodEniPhase = status?.phase ?? "";
  if (phase === "Detaching") return "DetachENIFailed";
  return spec.allocations?.[0]?.eni.id === "" ? "CreateENIFailed" : "AttachENIFailed";
}
