// Agents' rests and retries go by the lab's clock.
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Pod } from "../../../src/api/kinds/core.ts";
import { Commands } from "../../e2e/trunkline.ts";

const lab = `
name: subnet-clock
networks: [{name: machines, cidr: 192.168.20.0/24}]
routers: [{name: vpc, addresses: [192.168.20.1]}]
subnets: [{id: vsw-1, zone: h, cidr: 10.2.1.0/29}]
securityGroups: [{id: sg-1}]
nodes: [{name: node1, address: 192.168.20.11, zone: h}]
addressCooldown: 1h
`;
const config = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "eni-config", namespace: "kube-system" },
  data: {
    eni_conf: JSON.stringify({ vswitches: { h: ["vsw-1"] }, security_group: "sg-1", max_pool_size: 5 }),
  },
};
const pod = (name: string) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "default" },
  spec: { containers: [{ name: "c", image: "c" }] },
});

const trunkline = new Commands();
beforeAll(async () => {
  await trunkline.up(trunkline.file("lab.yaml", lab));
}, 60_000);
afterAll(() => trunkline.end());

it("an address that rests for an hour is given again once the clock was moved, to the pod that waits", async () => {
  const apply = (...objects: object[]) => {
    const list = { apiVersion: "v1", kind: "List", items: objects };
    return trunkline.ask("apply", "-f", trunkline.file("objects.json", JSON.stringify(list)));
  };
  const read = (name: string) => trunkline.json<Pod>("get", "pod", name);
  const reasonOf = ({ status }: Pod) =>
    status?.conditions?.find(({ type }) => type === "trunkline.dev/NetworkReady")?.reason;
  await apply(config, ...["a", "b", "c", "d"].map(pod));
  await trunkline.ask("wait", "--for", "ready", "--all", "--timeout", "60s");
  const freed = (await read("a")).status?.podIP;
  await trunkline.ask("delete", "pod", "a");
  await apply(pod("e"));
  for (let left = 100; left > 0 && reasonOf(await read("e")) !== "VSwitchExhausted"; left--) await pause(200);
  expect(reasonOf(await read("e"))).toBe("VSwitchExhausted");
  await trunkline.ask("lab", "clock", "advance", "59m");
  await pause(1000);
  expect((await read("e")).status?.podIP).toBeUndefined();
  await trunkline.ask("lab", "clock", "advance", "2m");
  await trunkline.ask("wait", "--for", "ready", "pod/e", "--timeout", "60s");
  expect((await read("e")).status?.podIP).toBe(freed);
}, 120_000);
