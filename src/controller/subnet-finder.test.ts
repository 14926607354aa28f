import { afterEach, beforeEach, expect, it } from "vitest";
import { configMapKind } from "../api/kinds/core.ts";
import { type Subnet, subnetKind } from "../api/kinds/subnet.ts";
import { silent } from "../base/log.ts";
import { LabCloud } from "../cloud/lab/lab-cloud.ts";
import { emptyCloud } from "../cloud/lab/state.ts";
import { memoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import { SubnetFinder } from "./subnet-finder.ts";

let store: Store;
let cloud: LabCloud;
let finder: SubnetFinder;

beforeEach(() => {
  store = memoryStore();
  cloud = new LabCloud({
    state: emptyCloud(),
    subnets: [
      { id: "vsw-1", zone: "h", cidr: "10.8.0.0/24" },
      { id: "vsw-2", zone: "g", cidr: "10.9.0.0/24", vlan: 7 },
    ],
    securityGroupIDs: [],
    instances: [],
    now: () => 0,
  });
  const subnets = new Map<string, Subnet>();
  finder = new SubnetFinder({ store, logger: silent, provider: cloud.for("controller"), subnets });
  finder.start();
});
afterEach(() => finder.stop());

const name = (...ids: string[]) =>
  store.create(configMapKind, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "eni-config", namespace: "kube-system" },
    data: { eni_conf: JSON.stringify({ vswitches: { h: ids } }) },
  });
async function subnetsWhen(count: number): Promise<readonly Subnet[]> {
  for (let left = 200; left > 0; left--) {
    const { items } = await store.list(subnetKind);
    if (items.length >= count) return items;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return (await store.list(subnetKind)).items;
}

it("makes objects of the subnets that are named and that the provider has, as it has them", async () => {
  await name("vsw-1", "vsw-2", "vsw-none");
  const found = await subnetsWhen(2);
  expect(found.map(({ metadata, spec }) => [metadata.name, spec])).toEqual([
    ["vsw-1", { zone: "h", cidr: "10.8.0.0/24", gateway: "10.8.0.253" }],
    ["vsw-2", { zone: "g", cidr: "10.9.0.0/24", gateway: "10.9.0.253", vlan: 7 }],
  ]);
});

it("leaves alone what somebody else has made meanwhile, and tries again where nobody answered", async () => {
  const spec = { zone: "mine", cidr: "10.8.0.0/24" };
  const { apiVersion, kind } = subnetKind;
  await store.create(subnetKind, { apiVersion, kind, metadata: { name: "vsw-1" }, spec });
  cloud.state.faults.push({ call: "DescribeVSwitches", effect: "error:InternalError", left: 1 });
  await name("vsw-1", "vsw-2");
  while (cloud.state.faults.length > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  await finder.look();
  expect((await subnetsWhen(2)).map((one) => one.spec.zone)).toEqual(["mine", "g"]);
});
