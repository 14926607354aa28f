// The controller's part in pods' own interfaces, made by hand: for tests of what a node makes of PodENIs, whatever
// controller writes them.

import { podKind } from "../../src/api/kinds/core.ts";
import { type PodENI, podEniKind } from "../../src/api/kinds/pod-eni.ts";
import type { Draft } from "../../src/api/object.ts";
import { remoteCloud } from "../../src/cloud/lab/client.ts";
import type { CloudProvider } from "../../src/cloud/provider.ts";
import type { CloudInterface } from "../../src/cloud/types.ts";
import type { LabPaths } from "../../src/lab/life/state.ts";
import { openSqliteStore } from "../../src/store/sqlite/store.ts";
import type { Store } from "../../src/store/store.ts";

export interface Given {
  readonly vSwitchID: string;
  readonly groups: readonly string[];
  /** Id of the trunk that the interface is to be a member of. */
  readonly trunk?: string;
}

export class HandMadeEnis {
  readonly cloud: CloudProvider;
  readonly #lab: string;
  readonly #store: Store;

  /** @param paths where the lab keeps its store and its door */
  constructor(lab: string, paths: Pick<LabPaths, "store" | "control">) {
    this.#lab = lab;
    this.#store = openSqliteStore(paths.store);
    this.cloud = remoteCloud(paths.control, "test");
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  /** Makes a node's trunk; returns its id. */
  async trunk(node: string, vSwitchID: string, group: string): Promise<string> {
    const { id } = await this.#make(`trunk ${node}`, "Trunk", { vSwitchID, groups: [group] });
    await this.cloud.attachInterface({ id, instanceID: `i-${node}` });
    return id;
  }

  /** Makes a pod's interface and attaches it to the pod's node; writes its PodENI, in phase Bind. */
  async give(name: string, given: Given): Promise<void> {
    const pod = await this.#store.get(podKind, name, "default");
    const node = pod?.spec.nodeName;
    if (!pod || node === undefined) throw new Error(`pod ${name} is not on a node`);
    const { id } = await this.#make(`${pod.metadata.uid}`, "Secondary", given);
    const { trunk } = given;
    const instanceID = `i-${node}`;
    await this.cloud.attachInterface({ id, instanceID, ...(trunk !== undefined && { trunkENIID: trunk }) });
    const [one] = await this.cloud.describeInterfaces({ ids: [id] });
    const draft = podEniOf(name, pod.metadata.uid, one!);
    const made = await this.#store.create(podEniKind, draft);
    await this.#store.update(podEniKind, { ...made, ...(draft.status && { status: draft.status }) });
  }

  /** Gives a PodENI over to the pod that has its name now. */
  async takeOver(name: string): Promise<void> {
    const [pod, before] = await Promise.all([
      this.#store.get(podKind, name, "default"),
      this.#store.get(podEniKind, name, "default"),
    ]);
    if (!pod || !before) throw new Error(`${name} has no pod or no PodENI`);
    const annotations = { ...before.metadata.annotations, "k8s.aliyun.com/pod-uid": pod.metadata.uid };
    await this.#store.update(podEniKind, { ...before, metadata: { ...before.metadata, annotations } });
  }

  /** Takes a pod's interface away again, and its PodENI. */
  async take(name: string): Promise<void> {
    const podEni = await this.#store.get(podEniKind, name, "default");
    const id = podEni?.spec.allocations?.[0]?.eni.id;
    if (id === undefined) throw new Error(`${name} has no PodENI`);
    await this.cloud.detachInterface({ id, instanceID: podEni?.status?.instanceID ?? "" });
    await this.cloud.deleteInterface(id);
    await this.#store.delete(podEniKind, name, "default");
  }

  #make(token: string, type: "Secondary" | "Trunk", { vSwitchID, groups }: Given) {
    const tags = { creator: "trunkline", "trunkline.dev/cluster": this.#lab };
    return this.cloud.createInterface({ token, vSwitchID, securityGroupIDs: groups, type, tags });
  }
}

function podEniOf(name: string, uid: string, one: CloudInterface): Draft<PodENI> {
  const { id, mac, zone, vSwitchID, securityGroupIDs, addresses, trunkENIID, vid, type, instanceID } = one;
  const eni = { id, mac, zone, vSwitchID, securityGroupIDs };
  const allocation = { eni, ipv4: addresses[0]!, interface: "eth0", defaultRoute: true };
  const info = { id, type: type === "Member" ? type : ("Secondary" as const), status: "Bind" as const };
  return {
    apiVersion: podEniKind.apiVersion,
    kind: "PodENI",
    metadata: { name, namespace: "default", annotations: { "k8s.aliyun.com/pod-uid": uid } },
    spec: { zone, allocations: [allocation] },
    status: {
      phase: "Bind",
      ...(instanceID !== undefined && { instanceID }),
      ...(trunkENIID !== undefined && { trunkENIID }),
      eniInfos: { [id]: { ...info, ...(vid !== undefined && { vid }) } },
    },
  };
}
