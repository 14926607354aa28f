import { describe, expect, it } from "vitest";
import type { ConfigMap } from "../../../api/kinds/core.ts";
import type { DaemonSet } from "../../../api/kinds/workloads.ts";
import { clusterFacts, nodeFacts, pod, pool } from "../facts.suite.ts";
import { planSnat } from "../plan-snat.ts";
import { backupOf, cleanSteps, undoSteps } from "./clean.ts";
import { configMapEdit, daemonSetEdit } from "./edits.ts";
import { foreignNatEffect } from "./effect.ts";
import { parseIptablesSave } from "./parse-iptables.ts";
import { parseNftJson } from "./parse-nft.ts";
import { planTakeover } from "./takeover.ts";
import type { ForeignRules } from "./types.ts";

/** A node as an operator found it: rules 3 to 6 of POSTROUTING are flannel's, from before 0.17. */
const found = `*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [4:240]
:IP-MASQ-AGENT - [0:0]
:KUBE-POSTROUTING - [0:0]
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 172.16.0.0/16 -d 172.16.0.0/16 -j RETURN
-A POSTROUTING -s 172.16.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE
-A POSTROUTING ! -s 172.16.0.0/16 -d 172.16.2.0/24 -j RETURN
-A POSTROUTING ! -s 172.16.0.0/16 -d 172.16.0.0/16 -j MASQUERADE
-A POSTROUTING -m comment --comment "ip-masq-agent: ensure nat POSTROUTING directs all non-LOCAL destination traffic to our custom IP-MASQ-AGENT chain" -m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT
COMMIT
`;
const facts = clusterFacts({
  pools: [pool("pods", "172.16.0.0/16")],
  pods: [pod("web", "172.16.2.7")],
  config: "nonMasqueradeCIDRs: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16]",
  configMaps: { "kube-flannel-cfg": { "net-conf.json": '{"Network": "172.16.0.0/16"}' } },
});
const plan = planSnat(facts, nodeFacts());
const idle = { flanneld: [], daemonSets: [], pods: [] };
const read = (text: string, store: "iptables-nft" | "iptables-legacy" = "iptables-nft"): ForeignRules => ({
  chains: parseIptablesSave(text, store),
  unreadable: [],
});
const judge = (text: string, ...rest: [ForeignRules?]) =>
  planTakeover(facts, plan, rest[0] ?? read(text), idle);
const vpc = { source: "172.16.2.7", destination: "192.168.200.253" };

describe("a node as found", () => {
  it("names every rule's owner", () => {
    const rows = judge(found).rules.map(({ rule, owner, verdict, inTheWay }) => [
      rule.index,
      owner.name,
      owner.sure,
      verdict,
      inTheWay,
    ]);
    expect(rows).toEqual([
      [1, "kube-proxy or kubelet", "certain", "keep", false],
      [2, "Docker", "likely", "keep", false],
      [3, "flannel (before 0.17)", "likely", "delete", false],
      [4, "flannel (before 0.17)", "likely", "delete", true],
      [5, "flannel (before 0.17)", "likely", "delete", false],
      [6, "flannel (before 0.17)", "likely", "delete", true],
      [7, "ip-masq-agent", "certain", "keep", false],
    ]);
  });

  it("deletes exactly the four, in one transaction", () => {
    const foreign = read(found);
    expect(cleanSteps(foreign, judge(found, foreign).rules)).toEqual([
      {
        store: "iptables-nft",
        family: 4,
        input: `*nat
-D POSTROUTING -s 172.16.0.0/16 -d 172.16.0.0/16 -j RETURN
-D POSTROUTING -s 172.16.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE
-D POSTROUTING ! -s 172.16.0.0/16 -d 172.16.2.0/24 -j RETURN
-D POSTROUTING ! -s 172.16.0.0/16 -d 172.16.0.0/16 -j MASQUERADE
COMMIT
`,
      },
    ]);
  });

  it("puts them back in their places", () => {
    const foreign = read(found);
    const backup = backupOf(foreign, judge(found, foreign).rules, { node: "n", takenAt: "", texts: {} });
    const cleaned = found.replaceAll(/-A POSTROUTING (! )?-s 172\.16.*\n/g, "");
    const [step] = undoSteps(backup, read(cleaned));
    expect(step?.input.split("\n").slice(1, -2)).toEqual([
      "-I POSTROUTING 3 -s 172.16.0.0/16 -d 172.16.0.0/16 -j RETURN",
      "-I POSTROUTING 4 -s 172.16.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE",
      "-I POSTROUTING 5 ! -s 172.16.0.0/16 -d 172.16.2.0/24 -j RETURN",
      "-I POSTROUTING 6 ! -s 172.16.0.0/16 -d 172.16.0.0/16 -j MASQUERADE",
    ]);
    // In a chain that has changed since: one more rule in front, Docker's gone.
    const changed = cleaned
      .replace("-A POSTROUTING", "-A POSTROUTING -s 9.0.0.0/8 -j ACCEPT\n-A POSTROUTING")
      .replace(/-A POSTROUTING -s 172\.17.*\n/, "");
    expect(undoSteps(backup, read(changed))[0]?.input).toContain("-I POSTROUTING 3 -s 172.16.0.0/16 -d 172");
    // What is there already is not put there twice.
    expect(undoSteps(backup, read(found))[0]?.input).toBe("*nat\nCOMMIT\n");
  });

  it("predicts the masquerade before, and the pod's own address after", () => {
    expect(foreignNatEffect(read(found), vpc)).toMatchObject({ action: "masquerade", rule: { index: 4 } });
    const cleaned = found.replaceAll(/-A POSTROUTING (! )?-s 172\.16.*\n/g, "");
    expect(foreignNatEffect(read(cleaned), vpc).action).toBe("none");
  });

  it("sees that callers are hidden from pods of other nodes only", () => {
    const to = (destination: string) =>
      foreignNatEffect(read(found), { source: "192.168.18.9", destination }).action;
    expect(to("172.16.2.7")).toBe("none");
    expect(to("172.16.3.7")).toBe("masquerade");
  });

  it("warns that new pods would be masqueraded by the CNI plugin", () => {
    const map = { "kube-flannel-cfg": { "cni-conf.json": '{"type":"flannel"}' } };
    const { warnings } = planTakeover(clusterFacts({ configMaps: map }), plan, read(""), idle);
    expect(warnings[0]).toContain("kube-flannel-cfg does not say ipMasq: false");
  });
});

describe("signs", () => {
  const jumping = (chain: string, rules: string, comment = "") =>
    `*nat\n:POSTROUTING ACCEPT [0:0]\n:${chain} - [0:0]\n-A POSTROUTING ${comment} -j ${chain}\n${rules}COMMIT\n`;
  const owners = (text: string) => judge(text).rules.map(({ owner, verdict }) => `${owner.name}: ${verdict}`);

  it("flannel 0.20: chains of its own, deleted with the jump", () => {
    const text = jumping(
      "FLANNEL-POSTRTG",
      '-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 -m comment --comment "flanneld masq" -j RETURN\n' +
        "-A FLANNEL-POSTRTG -s 172.16.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE --random-fully\n",
      '-m comment --comment "flanneld masq"',
    );
    expect(new Set(owners(text))).toEqual(new Set(["flannel (0.20 or later): delete"]));
    const foreign = read(text);
    const { rules } = planTakeover(facts, plan, foreign, idle);
    expect(cleanSteps(foreign, rules)[0]?.input).toContain("-X FLANNEL-POSTRTG\n");
    const backup = backupOf(foreign, rules, { node: "n", takenAt: "", texts: {} });
    const lines = undoSteps(backup, read("*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n"))[0]?.input.split("\n");
    expect(lines?.slice(1, 5)).toEqual([
      ":FLANNEL-POSTRTG - [0:0]",
      '-I POSTROUTING 1 -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG',
      '-I FLANNEL-POSTRTG 1 -m mark --mark 0x4000/0x4000 -m comment --comment "flanneld masq" -j RETURN',
      "-I FLANNEL-POSTRTG 2 -s 172.16.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE --random-fully",
    ]);
  });

  it.each([
    ["KUBE-ROUTER-X", "kube-router"],
    ["KUBE-POSTROUTING", "kube-proxy or kubelet"],
    ["cali-POSTROUTING", "Calico"],
    ["CNI-0123456789abcdef01234567", "CNI plugins"],
    ["CNI-HOSTPORT-MASQ", "CNI plugins"],
    ["CILIUM_POST_nat", "Cilium"],
    ["OLD_CILIUM_POST_nat", "Cilium"],
    ["DOCKER", "Docker"],
    ["ANTREA-POSTROUTING", "Antrea"],
    ["OPENSHIFT-MASQUERADE", "OpenShift"],
    ["IP-MASQ", "GKE ip-masq-agent"],
    ["MINE", "unknown"],
    ["CNI-short", "unknown"],
  ])("chain %s is of %s", (chain, owner) => expect(owners(jumping(chain, ""))).toEqual([`${owner}: keep`]));

  it("flannel 0.17 to 0.19: comments", () => {
    const text =
      '*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 10.9.0.0/16 -m comment --comment "flanneld masq" -j RETURN\nCOMMIT\n';
    expect(owners(text)).toEqual(["flannel (0.17 to 0.19): delete"]);
  });

  it("three of the four shapes, or another network, are not sure enough", () => {
    expect(
      owners(found.replace(/-A POSTROUTING ! -s 172\.16\.0\.0\/16 -d 172\.16\.0\.0\/16.*\n/, ""))[3],
    ).toBe("unknown: keep");
    expect(owners(found.replaceAll("172.16.", "10.99."))[3]).toBe("flannel (before 0.17): keep");
  });

  it("ip-masq-agent with another chain: only the comments are left", () => {
    const comment = '-m comment --comment "ip-masq-agent: ensure nat POSTROUTING directs"';
    const [judged] = judge(jumping("OTHER", "", comment)).rules;
    expect(judged?.owner).toMatchObject({ name: "ip-masq-agent", sure: "likely" });
  });
});

describe("prediction", () => {
  const effect = (rules: string, more: object = {}) =>
    foreignNatEffect(read(`*nat\n:POSTROUTING ACCEPT [0:0]\n:SUB - [0:0]\n${rules}\nCOMMIT\n`), {
      ...vpc,
      ...more,
    });

  it.each([
    ["a return before", "-A POSTROUTING -d 192.168.0.0/16 -j RETURN\n-A POSTROUTING -j MASQUERADE", "none"],
    [
      "a return in a sub-chain only leaves it",
      "-A POSTROUTING -j SUB\n-A POSTROUTING -j MASQUERADE\n-A SUB -j RETURN",
      "masquerade",
    ],
    [
      "an accept in a sub-chain ends it all",
      "-A POSTROUTING -j SUB\n-A POSTROUTING -j MASQUERADE\n-A SUB -j ACCEPT",
      "none",
    ],
    [
      "a goto does not come back",
      "-A POSTROUTING -g SUB\n-A POSTROUTING -j MASQUERADE\n-A SUB -d 9.9.9.9/32 -j ACCEPT",
      "none",
    ],
    ["a mark that is not set", "-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE", "none"],
    ["a source address", "-A POSTROUTING -s 172.16.2.7/32 -j SNAT --to-source 198.51.100.1", "snat"],
    ["what leaves by a bridge of Docker", "-A POSTROUTING -o docker0 -j MASQUERADE", "none"],
    ["what comes for the node", "-A POSTROUTING -m addrtype --dst-type LOCAL -j MASQUERADE", "none"],
  ])("%s", (_, rules, action) => expect(effect(rules).action).toBe(action));

  it("does not take a match that it does not know for one that always holds", () => {
    const answer = effect("-A POSTROUTING -m statistic --mode random --probability 0.5 -j MASQUERADE");
    expect(answer.action).toBe("none");
    expect(answer.uncertain).toHaveLength(1);
  });

  it("takes the protocol and the interface into account where they are known", () => {
    const rules = "-A POSTROUTING -o eth1 -p tcp -j MASQUERADE";
    expect(effect(rules, { protocol: "tcp", outInterface: "eth1" }).action).toBe("masquerade");
    expect(effect(rules, { protocol: "udp", outInterface: "eth1" })).toMatchObject({
      action: "none",
      uncertain: [],
    });
    expect(effect(rules).uncertain).toHaveLength(1);
  });
});

describe("native nft rules", () => {
  const match = (field: string, addr: string, len: number, op = "==") => ({
    match: { op, left: { payload: { protocol: "ip", field } }, right: { prefix: { addr, len } } },
  });
  const ruleOf = (handle: number, ...expr: object[]) => ({
    rule: { family: "ip", table: "flannel-ipv4", chain: "postrtg", handle, expr },
  });
  const objects = [
    { metainfo: {} },
    {
      chain: {
        family: "ip",
        table: "flannel-ipv4",
        name: "postrtg",
        type: "nat",
        hook: "postrouting",
        prio: 100,
        policy: "accept",
      },
    },
    ruleOf(3, { match: { op: "==", left: { meta: { key: "mark" } }, right: 16384 } }, { return: null }),
    ruleOf(4, match("saddr", "172.16.0.0", 16), match("daddr", "224.0.0.0", 4, "!="), { masquerade: null }),
  ];
  const foreign = { chains: parseNftJson(objects, (_, handle) => `text ${handle}`), unreadable: [] };

  it("are read, judged and deleted by handle", () => {
    const { rules } = planTakeover(facts, plan, foreign, idle);
    expect(rules.map(({ owner, inTheWay }) => [owner.name, inTheWay])).toEqual([
      ["flannel (0.20 or later)", false],
      ["flannel (0.20 or later)", true],
    ]);
    expect(cleanSteps(foreign, rules)[0]?.input).toBe(
      "delete rule ip flannel-ipv4 postrtg handle 3\ndelete rule ip flannel-ipv4 postrtg handle 4\ndelete chain ip flannel-ipv4 postrtg\n",
    );
    const backup = backupOf(foreign, rules, { node: "n", takenAt: "", texts: {} });
    expect(undoSteps(backup, { chains: [], unreadable: [] })[0]?.input).toBe(
      "add table ip flannel-ipv4\nadd chain ip flannel-ipv4 postrtg { type nat hook postrouting priority 100; policy accept; }\n" +
        "insert rule ip flannel-ipv4 postrtg text 3\nadd rule ip flannel-ipv4 postrtg index 0 text 4\n",
    );
  });

  it("take part in predictions", () => {
    expect(foreignNatEffect(foreign, vpc).action).toBe("masquerade");
    expect(foreignNatEffect(foreign, { ...vpc, mark: 0x4000 }).action).toBe("none");
  });
});

describe("a rule that stands behind flannel's", () => {
  it("is in the way once those are gone, and is warned of before", () => {
    const agents = "-A IP-MASQ-AGENT -j MASQUERADE --random-fully";
    const { rules, warnings } = judge(found.replace("COMMIT", `${agents}\nCOMMIT`));
    const last = rules.find(({ rule }) => rule.chain === "IP-MASQ-AGENT");
    expect(last).toMatchObject({ verdict: "keep", inTheWay: true });
    expect(warnings).toEqual([expect.stringContaining("rule 1 of IP-MASQ-AGENT (ip-masq-agent)")]);
    expect(judge(found).warnings).toEqual([]);
  });
});

describe("while the owner runs", () => {
  const set = (command: readonly string[], ...env: { name: string; value: string }[]): DaemonSet => ({
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: {
      name: "kube-flannel-ds",
      namespace: "kube-system",
      uid: "u",
      resourceVersion: "1",
      creationTimestamp: "",
    },
    spec: {
      selector: {},
      template: { spec: { containers: [{ name: "kube-flannel", ...({ command, env } as object) }] } },
    },
  });
  const flags = ["/opt/bin/flanneld", "--ip-masq", "--kube-subnet-mgr"];
  const blockers = (running: Parameters<typeof planTakeover>[3]) =>
    planTakeover(facts, plan, read(found), running).blockers;

  it("refuses", () => {
    expect(blockers({ flanneld: [flags], daemonSets: [], pods: [] })).toHaveLength(1);
    expect(blockers({ flanneld: [["flanneld"]], daemonSets: [], pods: [] })).toHaveLength(1);
    expect(blockers({ flanneld: [], daemonSets: [set(flags)], pods: [] })).toHaveLength(1);
    expect(blockers(idle)).toEqual([]);
    expect(blockers({ flanneld: [["flanneld", "--kube-subnet-mgr"]], daemonSets: [], pods: [] })).toEqual([]);
  });

  it("prints the removal of --ip-masq", () => {
    const edit = daemonSetEdit(set(flags));
    expect(edit?.diff).toContain('-      "--ip-masq",');
    expect(edit && blockers({ flanneld: [], daemonSets: [edit.edited as DaemonSet], pods: [] })).toEqual([]);
    expect(daemonSetEdit(set(["/opt/bin/flanneld", "--ip-masq=false"]))).toBeUndefined();
    const shell = daemonSetEdit(set(["sh", "-c", "flanneld --ip-masq --iface eth0"]))?.edited as DaemonSet;
    expect(JSON.stringify(shell)).toContain("flanneld --iface eth0");
  });

  it("knows the variable that says the same", () => {
    const running = (value: string) => [set(["flanneld", "-v=1"], { name: "FLANNELD_IP_MASQ", value })];
    expect(blockers({ ...idle, daemonSets: running("true") })).toHaveLength(1);
    expect(blockers({ ...idle, daemonSets: running("false") })).toEqual([]);
    const edited = running("true").map((one) => daemonSetEdit(one)?.edited as DaemonSet);
    expect(blockers({ ...idle, daemonSets: edited })).toEqual([]);
  });
});

describe("kube-flannel-cfg", () => {
  const map = (text: string): ConfigMap => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name: "kube-flannel-cfg",
      namespace: "kube-system",
      uid: "u",
      resourceVersion: "1",
      creationTimestamp: "",
    },
    data: { "cni-conf.json": text },
  });

  it.each([
    ['{"name":"cb0","type":"flannel","delegate":{"isDefaultGateway":true}}'],
    ['{"name":"cbr0","plugins":[{"type":"flannel"},{"type":"portmap"}]}'],
    ['{"type":"flannel","ipMasq":true,"delegate":{"ipMasq":true}}'],
  ])("gets ipMasq: false twice: %s", (text) => {
    const edited = configMapEdit(map(text))?.edited as ConfigMap;
    expect(edited.data?.["cni-conf.json"]?.match(/"ipMasq": false/g)).toHaveLength(2);
    expect(configMapEdit(edited)).toBeUndefined();
  });

  it("shows a diff that keeps every other line", () => {
    const text =
      '{\n  "name": "cb0",\n  "type": "flannel",\n  "delegate": {\n    "isDefaultGateway": true\n  }\n}\n';
    expect(configMapEdit(map(text))?.diff).toMatchInlineSnapshot(`
      "--- ConfigMap/kube-system/kube-flannel-cfg data["cni-conf.json"]
      +++ ConfigMap/kube-system/kube-flannel-cfg data["cni-conf.json"]
      @@ -1,7 +1,9 @@
       {
         "name": "cb0",
         "type": "flannel",
         "delegate": {
      -    "isDefaultGateway": true
      -  }
      +    "isDefaultGateway": true,
      +    "ipMasq": false
      +  },
      +  "ipMasq": false
       }
      "
    `);
  });
});
