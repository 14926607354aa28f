// What AddressLists hold for pods of a block pool, of a subnet, of a network of their own, behind masquerade and behind an egress
// address, all in one lab: each exactly what real packets show the far side, from the first pod on and whatever their number.
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AddressList } from "../../../src/api/kinds/address-list.ts";
import type { PodNetworking } from "../../../src/api/kinds/pod-networking.ts";
import { Commands } from "../../e2e/trunkline.ts";

const egress = "192.168.18.250";
const lab = `
name: sources
addressCooldown: 1s
networks:
  - {name: nodes, cidr: 192.168.18.0/24}
  - {name: back, cidr: 192.168.200.0/24}
routers:
  - {name: gateway, addresses: [192.168.18.1, 192.168.200.1]}
subnets:
  - {id: vsw-node, zone: h, cidr: 10.2.1.0/24}
  - {id: vsw-own, zone: h, cidr: 10.3.0.0/24}
securityGroups: [{id: sg-base}]
nodes:
  - {name: node1, address: 192.168.18.11, zone: h, labels: {terway-config: pinned}, taints: [{key: pinned, value: "yes", effect: NoSchedule}]}
  - {name: node2, address: 192.168.18.12, zone: h, labels: {egress: "yes"}}
  - {name: node3, address: 192.168.18.13, zone: h}
hosts:
  - {name: db, address: 192.168.200.10, ports: [5432]}
`;
const config = (name: string, settings: object) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "kube-system" },
  data: { eni_conf: JSON.stringify(settings) },
});
const workload = (kind: "Deployment" | "StatefulSet", name: string, spec: object = {}) => ({
  apiVersion: "apps/v1",
  kind,
  metadata: { name, namespace: "default" },
  spec: {
    replicas: 2,
    ...(kind === "StatefulSet" && { serviceName: name }),
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: "c", image: "c", ports: [{ containerPort: 80 }] }], ...spec },
    },
  },
});
const match = (name: string) => ({ podSelector: { matchLabels: { app: name } } });
const back = { destinations: ["192.168.200.0/24"] };
const objects = [
  config("eni-config", { version: "1", security_group: "sg-base", enable_eni_trunking: true }),
  config("pinned", { vswitches: { h: ["vsw-node"] } }),
  {
    apiVersion: "crd.projectcalico.org/v1",
    kind: "IPPool",
    metadata: { name: "pods" },
    spec: { cidr: "172.16.0.0/16", natOutgoing: false },
  },
  {
    apiVersion: "network.alibabacloud.com/v1beta1",
    kind: "PodNetworking",
    metadata: { name: "own" },
    spec: {
      allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "1h" },
      selector: match("own"),
      securityGroupIDs: ["sg-base"],
      vSwitchOptions: ["vsw-own"],
    },
  },
  {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "SourceNAT",
    metadata: { name: "nat" },
    spec: {
      rules: [
        { ...match("masked"), ...back, action: { type: "Masquerade" } },
        {
          ...match("egress"),
          ...back,
          action: { type: "Address", addresses: [egress], egressNodes: { matchLabels: { egress: "yes" } } },
        },
      ],
    },
  },
];
const kinds = ["block", "subnet", "own", "masked", "egress"] as const;
type Sort = (typeof kinds)[number];
const workloads = kinds.map((name) =>
  workload(
    name === "own" ? "StatefulSet" : "Deployment",
    name,
    name === "subnet"
      ? { nodeSelector: { "terway-config": "pinned" }, tolerations: [{ key: "pinned", operator: "Exists" }] }
      : {},
  ),
);
/** What is expected of an entry, besides that it is what packets show. */
const forms: Readonly<Record<Sort, RegExp>> = {
  block: /^172\.16\.\d+\.\d+\/32$/,
  subnet: /^10\.2\.1\.\d+\/32$/,
  own: /^10\.3\.0\.\d+\/32$/,
  masked: /^192\.168\.18\.1[23]\/32$/,
  egress: /^192\.168\.18\.250\/32$/,
};

interface Cell {
  readonly from: string;
  readonly to: string;
  readonly reachable: boolean;
  readonly sourceSeen: string | null;
}

describe("AddressLists of every kind of source", () => {
  const trunkline = new Commands();
  const apply = (name: string, items: readonly object[]) =>
    trunkline.ask(
      "apply",
      "-f",
      trunkline.file(name, JSON.stringify({ apiVersion: "v1", kind: "List", items })),
    );
  const list = (name: Sort) => ({
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "AddressList",
    metadata: { name },
    spec: {
      for: [
        { namespaces: ["default"], workload: `${name === "own" ? "statefulset" : "deployment"}/${name}` },
      ],
      to: "host/db:5432",
      rest: "1s",
      sinks: [{ name: "copy", file: { path: `${trunkline.folder}/${name}.txt` } }],
    },
  });
  beforeAll(async () => {
    await trunkline.up(trunkline.file("lab.yaml", lab));
    await apply("objects.json", objects);
    const network = () => trunkline.json<PodNetworking>("get", "podnetworking", "own");
    while ((await network()).status?.status !== "Ready") await pause(200);
    await apply("lists.json", kinds.map(list));
    await apply("workloads.json", workloads);
    await trunkline.ask("wait", "--for", "ready", "--all", "--timeout", "90s");
  }, 240_000);
  afterAll(() => trunkline.end());

  const status = async (name: Sort) => (await trunkline.json<AddressList>("get", "addresslist", name)).status;
  /** Entries that somebody needs; those that rest go by themselves. */
  async function settled(name: Sort): Promise<readonly string[]> {
    let used: readonly string[] = [];
    const rests = async () => {
      const { entries = [], revision, sinks = [] } = (await status(name)) ?? {};
      used = entries.map(({ range }) => range);
      const isTaken = sinks.length === 1 && sinks.every((sink) => sink.revision === revision);
      return !isTaken || entries.some(({ unusedSince }) => unusedSince !== undefined);
    };
    await expect.poll(rests, { timeout: 60_000, interval: 300 }).toBe(false);
    return used;
  }

  /** Every list is what the database sees of its pods, and so is what the command says and what the sink has. */
  async function exact(counts: Readonly<Record<Sort, number>>): Promise<void> {
    const used = new Map<Sort, readonly string[]>();
    for (const name of kinds) used.set(name, await settled(name));
    const all = ["probe", "--all", "-n", "default", "--port", "5432/tcp", "--timeout", "10s", "-o", "json"];
    const { stdout } = await trunkline.say(...all, "--lab", trunkline.lab);
    const cells = (JSON.parse(stdout) as { cells: Cell[] }).cells.filter(({ to }) => to === "host/db");
    for (const name of kinds) {
      const mine = cells.filter(({ from }) => from.startsWith(`pod/default/${name}-`));
      expect({ name, pods: mine.length, refused: mine.filter(({ reachable }) => !reachable) }).toEqual({
        name,
        pods: counts[name],
        refused: [],
      });
      const seen = [...new Set(mine.map(({ sourceSeen }) => `${sourceSeen}/32`))].toSorted();
      expect({ name, list: used.get(name)?.toSorted() }).toEqual({ name, list: seen });
      for (const range of seen) expect(range).toMatch(forms[name]);
      const ranges = (await status(name))?.ranges ?? [];
      expect(readFileSync(`${trunkline.folder}/${name}.txt`, "utf8")).toBe(
        ranges.map((range) => `${range}\n`).join(""),
      );
    }
  }

  it("hold exactly what the far side sees, of few pods, of many, and of few again", async () => {
    await exact({ block: 2, subnet: 2, own: 2, masked: 2, egress: 2 });
    const scale = async (replicas: number) => {
      for (const name of kinds) {
        const object = `${name === "own" ? "statefulset" : "deployment"}/${name}`;
        if (name !== "own") await trunkline.ask("scale", object, "--replicas", `${replicas}`);
      }
      await trunkline.ask("wait", "--for", "ready", "--all", "--timeout", "90s");
    };
    await scale(7);
    await exact({ block: 7, subnet: 7, own: 2, masked: 7, egress: 7 });
    await scale(2);
    await exact({ block: 2, subnet: 2, own: 2, masked: 2, egress: 2 });
  }, 400_000);

  it("keep fixed addresses of pods that are away, which come back with them", async () => {
    const before = (await status("own"))?.entries?.map(({ range }) => range);
    expect(before).toHaveLength(2);
    await trunkline.ask("scale", "statefulset/own", "--replicas", "0");
    await expect
      .poll(async () => (await status("own"))?.entries?.map(({ pods }) => pods), { timeout: 60_000 })
      .toEqual([0, 0]);
    // No sooner than they would have rested.
    await expect
      .poll(async () => (await status("own"))?.entries, { timeout: 20_000 })
      .toEqual(
        before?.map((range) =>
          expect.objectContaining({ range, neededBy: [expect.stringMatching(/own-\d/)] }),
        ),
      );
    await trunkline.ask("scale", "statefulset/own", "--replicas", "2");
    await trunkline.ask("wait", "--for", "ready", "statefulset/own", "--timeout", "90s");
    await exact({ block: 2, subnet: 2, own: 2, masked: 2, egress: 2 });
    expect((await status("own"))?.entries?.map(({ range }) => range)).toEqual(before);
  }, 300_000);
});
