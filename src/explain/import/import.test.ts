import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import type { Node } from "../../api/kinds/core.ts";
import { kindOf } from "../../api/kinds/index.ts";
import type { IPPool } from "../../api/kinds/ip-pool.ts";
import { type ManifestObject, parseManifests } from "../../api/manifest/parse.ts";
import type { Surroundings } from "../../api/pools.ts";
import { validate } from "../../api/validation/validate.ts";
import { importSettings } from "./import.ts";
import { findSettings } from "./read.ts";
import { settingRows } from "./text.ts";
import type { Imported } from "./types.ts";

const nowhere: Surroundings = { nodes: [], hosts: [], serviceRanges: [], pools: [] };
const fixture = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8");

function read(texts: Readonly<Record<string, string>>) {
  const objects: ManifestObject[] = Object.entries(texts).flatMap(([file, text]) => [
    ...parseManifests(text, file, { unknownKinds: "warning", badValues: "keep" }).objects,
  ]);
  return findSettings(objects, (file) => texts[file]);
}

const old = {
  "config.yaml": fixture("calico-3.5-config.yaml"),
  "node.yaml": fixture("calico-3.5-node.yaml"),
};
const current = { "calico.yaml": fixture("calico-current.yaml") };

/** A calico-node with these variables and nothing else. */
function withVariables(variables: Readonly<Record<string, string>>): Record<string, string> {
  const env = Object.entries(variables).map(([name, value]) => ({ name, value }));
  const spec = {
    template: { spec: { containers: [{ name: "calico-node", image: "calico/node:v3.30.0", env }] } },
  };
  const metadata = { name: "calico-node", namespace: "kube-system" };
  return { "node.yaml": stringify({ apiVersion: "extensions/v1beta1", kind: "DaemonSet", metadata, spec }) };
}

function entry(imported: Imported, name: string, object = "") {
  const one = imported.settings.find(
    (setting) => setting.name === name && setting.from.object.includes(object),
  );
  if (!one) throw new Error(`no entry for ${name}`);
  return one;
}

const pool = (imported: Imported, name = "default-ipv4-ippool") =>
  imported.objects.find(({ metadata }) => metadata.name === name) as unknown as IPPool | undefined;

const node = (network: string) =>
  ({
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "node1", annotations: { "projectcalico.org/IPv4Address": network } },
  }) as unknown as Node;

const shown = (imported: Imported) =>
  `${settingRows(imported)
    .map((row) => row.join(" | "))
    .join("\n")}\n\n${imported.objects.map((object) => stringify(object)).join("---\n")}`;

describe.each([
  { name: "calico-3.5", files: old },
  { name: "calico-current", files: current },
])("the manifests of $name", ({ name, files }) => {
  const imported = importSettings(read(files), nowhere);

  it("become these objects", async () => {
    await expect(shown(imported)).toMatchFileSnapshot(`golden/${name}.txt`);
  });

  it("have an entry for every variable and key, at its place", () => {
    let counted = 0;
    for (const [file, text] of Object.entries(files)) {
      const lines = text.split("\n");
      for (const [at, line] of lines.entries()) {
        const variable = /\bname: ([A-Z][A-Z0-9_]+)\b/.exec(line)?.[1];
        const key = /^ {2}([a-z_]+): ["|]/.exec(line)?.[1];
        const field = /^ {10}"(\w+)": [^{]/.exec(line)?.[1];
        const wanted = variable ?? key ?? (field && `cni_network_config.plugins[0].${field}`);
        if (wanted === undefined) continue;
        const here = imported.settings.filter(({ from }) => from.file === file && from.line === at + 1);
        expect(here.map((one) => one.name)).toContain(wanted);
        counted++;
      }
    }
    const deep = imported.settings.filter(({ name: setting, verdict }) => {
      const inner = setting.startsWith("cni_network_config.") && !/plugins\[0\]\.\w+$/.test(setting);
      return verdict !== "default" && !inner;
    });
    expect(counted).toBe(deep.length);
  });

  it("leave nothing open, and each reason is given", () => {
    const open = imported.settings.filter(({ verdict }) => /no-equivalent|refused/.test(verdict));
    expect(open).toEqual([]);
    expect(imported.settings.filter(({ why }) => why === "")).toEqual([]);
  });

  it("become objects that apply takes, and every entry's value is in them", () => {
    expect(imported.objects.length).toBeGreaterThan(1);
    for (const object of imported.objects) {
      const kind = kindOf(object.apiVersion, object.kind);
      if (!kind) throw new Error(object.kind);
      expect(validate(kind, object)).toEqual({ errors: [], warnings: [] });
    }
    for (const { became } of imported.settings) {
      if (!became) continue;
      const object = imported.objects.find((one) => `${one.kind}/${one.metadata.name}` === became.object);
      const value = became.path
        .split(".")
        .reduce<unknown>((inner, step) => (inner as Record<string, unknown>)[step], object);
      expect(value).toEqual(became.value);
    }
  });
});

describe("places and values", () => {
  it("follows a reference, and fills a placeholder of the CNI configuration", () => {
    const imported = importSettings(read(old), nowhere);
    expect(entry(imported, "FELIX_IPINIPMTU")).toMatchObject({
      value: "1440",
      became: { object: "RoutingConfiguration/default", path: "spec.mtu.ipip", value: 1440 },
      verdict: "same",
    });
    expect(entry(imported, "cni_network_config.plugins[0].mtu")).toMatchObject({
      value: "1440",
      from: { file: "config.yaml", line: 25, column: 18, object: "ConfigMap/kube-system/calico-config" },
      became: { path: "spec.mtu.pod", value: 1440 },
    });
  });

  it("says that a configuration cannot be read, and where", () => {
    const broken = old["config.yaml"].replace('"log_level": "info",', '"log_level": "info" "x",');
    const { errors } = read({ "config.yaml": broken });
    expect(errors[0]?.position).toMatchObject({ file: "config.yaml", line: 23 });
  });

  it("does not guess what a missing ConfigMap says", () => {
    const imported = importSettings(read({ "node.yaml": old["node.yaml"] }), nowhere);
    expect(entry(imported, "CALICO_NETWORKING_BACKEND")).toMatchObject({
      value: null,
      verdict: "no-equivalent",
    });
    expect(entry(imported, "ETCD_ENDPOINTS").verdict).toBe("unneeded");
    expect(imported.findings.map(({ code }) => code)).toContain("import.no-equivalent");
  });

  it("follows envFrom, and says what it cannot follow", () => {
    const container = { name: "calico-node", envFrom: [{ configMapRef: { name: "more" } }] };
    const metadata = { name: "calico-node", namespace: "kube-system" };
    const spec = { template: { spec: { containers: [container] } } };
    const set = stringify({ apiVersion: "extensions/v1beta1", kind: "DaemonSet", metadata, spec });
    const more = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { ...metadata, name: "more" },
      data: { AS: "65010" },
    };
    const whole = importSettings(read({ "node.yaml": set, "more.yaml": stringify(more) }), nowhere);
    expect(entry(whole, "AS")).toMatchObject({ verdict: "same", became: { value: 65_010 } });
    const part = importSettings(read({ "node.yaml": set }), nowhere);
    expect(entry(part, "envFrom more").verdict).toBe("no-equivalent");
  });

  it("lets what calico-node is given overrule calico-config", () => {
    const given = withVariables({ CALICO_NETWORKING_BACKEND: "vxlan" });
    const imported = importSettings(read({ ...given, "config.yaml": old["config.yaml"] }), nowhere);
    expect(entry(imported, "CALICO_NETWORKING_BACKEND")).toMatchObject({
      verdict: "same",
      became: { value: [] },
    });
    expect(entry(imported, "calico_backend")).toMatchObject({ verdict: "changed", became: { value: [] } });
  });
});

describe("what nobody sets", () => {
  it("is as calico-node has it at its first start", () => {
    const imported = importSettings(read(withVariables({})), nowhere);
    expect(new Set(imported.settings.map(({ verdict }) => verdict))).toEqual(new Set(["default"]));
    expect(pool(imported)?.spec).toMatchObject({
      cidr: "192.168.0.0/16",
      ipipMode: "Always",
      vxlanMode: "Never",
      natOutgoing: true,
      blockSize: 26,
    });
    expect(imported.findings.map(({ code }) => code)).toEqual(["import.host-open"]);
  });

  it("is no IP in IP where VXLAN is on, and no pool where none is wanted", () => {
    const vxlan = importSettings(read(withVariables({ CALICO_IPV4POOL_VXLAN: "Always" })), nowhere);
    expect(pool(vxlan)?.spec).toMatchObject({ ipipMode: "Never", vxlanMode: "Always" });
    const none = importSettings(read(withVariables({ NO_DEFAULT_POOLS: "true" })), nowhere);
    expect(pool(none)).toBeUndefined();
  });
});

describe("refuses", () => {
  const refused = (variables: Readonly<Record<string, string>>, around = nowhere) =>
    importSettings(read(withVariables(variables)), around);

  it.each<[string, Partial<Surroundings>]>([
    ["the network of node node1 192.168.18.0/24", { nodes: [node("192.168.18.11/24")] }],
    ["the range of Services 192.168.64.0/20", { serviceRanges: ["192.168.64.0/20"] }],
    [
      "pool other 192.168.128.0/24",
      {
        pools: [
          {
            kind: "IPPool",
            metadata: { name: "other" },
            spec: { cidr: "192.168.128.0/24" },
          } as unknown as IPPool,
        ],
      },
    ],
  ])("a pool that overlaps %s, with all of its settings", (who, around) => {
    const imported = importSettings(read(old), { ...nowhere, ...around });
    expect(entry(imported, "CALICO_IPV4POOL_CIDR")).toMatchObject({
      verdict: "refused",
      became: null,
      why: expect.stringContaining(who) as unknown,
    });
    expect(entry(imported, "CALICO_IPV4POOL_IPIP")).toMatchObject({ verdict: "refused", became: null });
    expect(pool(imported)).toBeUndefined();
    expect(imported.findings.filter(({ code }) => code === "import.refused")).toHaveLength(1);
    expect(entry(imported, "CALICO_NETWORKING_BACKEND").verdict).toBe("same");
  });

  it("a change of a pool that exists", () => {
    const before = { metadata: { name: "default-ipv4-ippool" }, spec: { cidr: "10.1.0.0/16" } };
    const imported = importSettings(read(old), { ...nowhere, pools: [before as unknown as IPPool] });
    expect(entry(imported, "CALICO_IPV4POOL_CIDR").verdict).toBe("refused");
  });

  it.each([
    ["CALICO_IPV4POOL_CIDR", "10.0.0.0/33"],
    ["CALICO_IPV4POOL_BLOCK_SIZE", "8"],
    ["CALICO_IPV4POOL_BLOCK_SIZE", "many"],
    ["CALICO_IPV4POOL_IPIP", "Sometimes"],
    ["CALICO_IPV4POOL_NAT_OUTGOING", "perhaps"],
  ])("the whole pool for %s %s", (name, value) => {
    const imported = refused({ [name]: value });
    expect(entry(imported, name).verdict).toBe("refused");
    expect(pool(imported)).toBeUndefined();
  });

  it.each([
    ["AS", "0"],
    ["CNI_MTU", "70"],
    ["IP_AUTODETECTION_METHOD", "the-best"],
    ["CALICO_NETWORKING_BACKEND", "gre"],
  ])("%s %s alone", (name, value) => {
    const imported = refused({ [name]: value });
    expect(entry(imported, name).verdict).toBe("refused");
    expect(pool(imported)).toBeDefined();
  });
});

it.each([
  ["FELIX_WIREGUARDENABLED", "true"],
  ["FELIX_BPFENABLED", "true"],
  ["FELIX_DEFAULTENDPOINTTOHOSTACTION", "Drop"],
  ["CALICO_NETWORKING_BACKEND", "none"],
  ["IP", "192.0.2.1"],
  ["SOMETHING_NEW", "1"],
])("has no equivalent of %s %s", (name, value) => {
  const imported = importSettings(read(withVariables({ [name]: value })), nowhere);
  expect(entry(imported, name)).toMatchObject({ verdict: "no-equivalent", became: null });
});

it("warns of an etcd whose address is in the pool", () => {
  const { findings } = importSettings(read(old), nowhere);
  expect(findings).toMatchObject([{ code: "import.address-in-pool", file: "config.yaml", line: 9 }]);
});
