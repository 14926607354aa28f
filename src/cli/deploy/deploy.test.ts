import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { chartFiles } from "./chart.ts";
import { objects, parts } from "./objects.ts";
import { readSettings, type SettingName, settings } from "./settings.ts";

interface Named {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}
const chart = path.resolve(import.meta.dirname, "../../../deploy/chart");
const all = (...words: string[]) => objects(readSettings(words)) as unknown as readonly Named[];

describe("settings", () => {
  it.each([
    ["image.tga=1", "did you mean image.tag?"],
    ["nonsense", "there is none of that name"],
    ["image.tag", "the form is NAME=VALUE"],
    ["image.tag=a b", "does not fit"],
    ["cni.binDir=opt", "does not fit"],
    ["controller.replicas=two", "a whole number is needed"],
    ["bgp.passwords=yes", "true or false is needed"],
    ["agent.resources={", "JSON is needed"],
    ["logLevel=info\n- --store=elsewhere", "does not fit"],
    ["startupTaint=a'b", "does not fit"],
    ["ui.listen=7080", "does not fit"],
  ])("refuse %s", (word, why) => {
    expect(() => readSettings([word])).toThrow(why);
  });

  it("keep an = in their value, the last one counts, and the rest is as usual", () => {
    const values = readSettings(["pool.nodeSelector=zone == 'a'", "image.tag=1", "image.tag=2"]);
    expect(values("pool.nodeSelector")).toBe("zone == 'a'");
    expect(values("image.tag")).toBe("2");
    expect(values("namespace")).toBe("kube-system");
  });

  it("all are used", () => {
    const used = new Set<string>();
    const list = parts((name) => {
      used.add(name);
      return settings[name].usual;
    });
    for (const { when } of list)
      if (when !== undefined) used.add(typeof when === "string" ? when : when.setting);
    expect(Object.keys(settings).filter((name) => !used.has(name))).toEqual([]);
    for (const { usual, ...setting } of Object.values(settings))
      if ("form" in setting) expect(String(usual)).toMatch(setting.form);
  });
});

describe("the objects", () => {
  it("have names of their own, and namespaces where they need one", () => {
    const names = all().map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ""}/${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
    for (const { kind, metadata } of all("namespace=net"))
      if (["ServiceAccount", "DaemonSet", "Deployment", "PodDisruptionBudget"].includes(kind))
        expect(metadata.namespace).toBe("net");
  });

  it("let agents read Secrets only where a setting says so", () => {
    const reads = (words: string[]) => JSON.stringify(all(...words)).includes('"secrets"');
    expect(reads([])).toBe(false);
    expect(reads(["bgp.passwords=true"])).toBe(true);
  });

  it("let them write books and pods' status only where there is a provider that needs it", () => {
    const roles = (...words: string[]) =>
      all(...words).flatMap(({ kind, metadata }) =>
        kind === "ClusterRole" ? [metadata.name.replace("trunkline-", "")] : [],
      );
    expect(roles()).toEqual(["agent", "controller"]);
    const any = ["agent", "agent-provider", "controller", "controller-provider"];
    expect(roles("provider=vlan").toSorted()).toEqual([...any, "agent-vlan", "controller-vlan"].toSorted());
    expect(roles("provider=alibaba:cn-hangzhou").toSorted()).toEqual(
      [...any, "controller-alibaba"].toSorted(),
    );
    expect(() => readSettings(["provider=alibaba"])).toThrow("does not fit");
    expect(roles("ui.listen=127.0.0.1:7080").toSorted()).toEqual(["agent", "controller", "controller-page"]);
  });

  it("bind every role to an account that is there, and give nobody a wildcard", () => {
    const accounts = all().flatMap(({ kind, metadata }) =>
      kind === "ServiceAccount" ? [metadata.name] : [],
    );
    const bound = all().flatMap((one) =>
      one.kind.endsWith("RoleBinding")
        ? (one as unknown as { subjects: { name: string }[] }).subjects.map(({ name }) => name)
        : [],
    );
    expect(new Set(bound)).toEqual(new Set(accounts));
    expect(JSON.stringify(all().filter(({ kind }) => kind.endsWith("Role")))).not.toContain('"*"');
  });
});

describe("the chart", () => {
  it("in the tree is the one that is made (node scripts/chart.ts)", () => {
    const made = chartFiles();
    const found = readdirSync(chart, { recursive: true, withFileTypes: true }).flatMap((entry) =>
      entry.isFile() ? [path.relative(chart, path.join(entry.parentPath, entry.name))] : [],
    );
    expect(found.toSorted()).toEqual([...made.keys()].toSorted());
    for (const [name, text] of made) expect(readFileSync(path.join(chart, name), "utf8"), name).toBe(text);
  });

  it("has a place for every setting, and leaves no mark behind", () => {
    const text = [...chartFiles()]
      .flatMap(([name, one]) => (name.startsWith("templates/") ? [one] : []))
      .join("");
    expect(text).not.toContain("@@");
    for (const name of Object.keys(settings) as SettingName[]) expect(text).toContain(`.Values.${name}`);
  });
});
