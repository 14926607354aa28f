// The chart, rendered by Helm itself, is what `trunkline manifests` prints, with any settings.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { run } from "../../src/kernel/exec/index.ts";
import { Commands } from "../e2e/trunkline.ts";
import { kubeFolder } from "./api-server.ts";

const trunkline = new Commands();
const chart = path.resolve(import.meta.dirname, "../../deploy/chart");
afterAll(() => trunkline.end());

function objectsOf(text: string): ReadonlyMap<string, unknown> {
  const all = parseAllDocuments(text).flatMap((document) => {
    const object = document.toJS() as { kind: string; metadata: { name: string } } | null;
    return object === null ? [] : [[`${object.kind}/${object.metadata.name}`, object] as const];
  });
  return new Map(all.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

it.each([
  ["as they are", {}],
  [
    "all others",
    {
      namespace: "net",
      image: { repository: "registry.example/trunkline", tag: "1e3", pullPolicy: "Never" },
      pool: {
        ipv4: "10.1.0.0/16",
        ipv6: "fd00:1::/64",
        blockSize: "27",
        natOutgoing: "false",
        vxlan: "Always",
        nodeSelector: "zone == 'a'",
      },
      startupTaint: "",
      bgp: { passwords: true },
      provider: "alibaba:cn-hangzhou",
      providerCredentials: "ram-role:node",
      providerSecret: "keys",
      providerEndpoint: "https://PRODUCT-vpc.cn-hangzhou.aliyuncs.com",
      providerGroups: "sg-1,sg-2",
      clusterName: "blue",
      agent: { resources: { limits: { memory: "1Gi" } }, healthPort: 9000, stateDir: "/srv/trunkline" },
      controller: { replicas: 1, resources: { requests: null } },
      ui: { listen: "[::1]:7080", tokenSecret: "page", hostNames: "trunkline.example:8443,other.example" },
      logLevel: "debug",
    },
  ],
  ["with subnets of VLANs", { provider: "vlan" }],
])("settings %s", async (_, values: object) => {
  const file = path.join(trunkline.folder, "values.json");
  writeFileSync(file, JSON.stringify(values));
  const rendered = await run(
    path.join(kubeFolder(), "helm"),
    ["template", "t", chart, "--kube-version", "1.37.2", "-f", file],
    {
      timeoutMs: 60_000,
    },
  );
  const words = flat(values).flatMap((one) => ["--set", one]);
  const { code, stdout, stderr } = await trunkline.say("manifests", ...words);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const [ours, helms] = [objectsOf(stdout), objectsOf(rendered.stdout)];
  expect([...helms.keys()]).toEqual([...ours.keys()]);
  for (const [name, object] of ours) expect(helms.get(name), name).toEqual(object);
});

function flat(values: object, prefix = ""): string[] {
  return Object.entries(values).flatMap(([name, value]) =>
    typeof value === "object" && name !== "resources"
      ? flat(value as object, `${prefix}${name}.`)
      : [`${prefix}${name}=${typeof value === "string" ? value : JSON.stringify(value)}`],
  );
}
