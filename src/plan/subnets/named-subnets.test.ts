import { expect, it } from "vitest";
import type { ConfigMap } from "../../api/kinds/core.ts";
import type { PodNetworking } from "../../api/kinds/pod-networking.ts";
import { namedSubnets } from "./named-subnets.ts";

const meta = (name: string, namespace: string) => ({
  name,
  namespace,
  uid: name,
  resourceVersion: "1",
  creationTimestamp: "",
});
const map = (name: string, text: string, namespace = "kube-system"): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: meta(name, namespace),
  data: { eni_conf: text },
});

it("subnets are named by eni-config, by what may be laid over it, and by PodNetworkings", () => {
  const maps = [
    map("eni-config", '{"vswitches": {"h": ["vsw-2", "vsw-1"], "g": ["vsw-3"]}}'),
    map("overlay", '{"vswitches": {"h": ["vsw-4"], "g": null}}'),
    map("elsewhere", '{"vswitches": {"h": ["vsw-no"]}}', "default"),
    map("broken", '{"vswitches": {"h": ["vsw-no"'),
    map("odd", '{"vswitches": {"h": 7, "g": ["", 8]}}'),
    map("none", "[]"),
  ];
  const networks = [
    { spec: { vSwitchOptions: ["vsw-5", "vsw-1"] } },
    { spec: {} },
  ] as unknown as PodNetworking[];
  expect(namedSubnets(maps, networks)).toEqual(["vsw-1", "vsw-2", "vsw-3", "vsw-4", "vsw-5"]);
});
