// examples/source-nat as an operator uses it: the configuration, a bad one, a takeover from flannel, a fixed address.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../../../src/kernel/exec/index.ts";
import { Commands } from "../trunkline.ts";

interface Probe {
  readonly reachable: boolean;
  readonly sourceSeen: string | null;
  readonly capture?: readonly {
    place: string;
    interface: string;
    source: string;
    ttl: number;
    destination: string;
  }[];
}
interface Shown {
  readonly config: { state: string };
  readonly errors: readonly { code: string; position: { line: number; column: number } }[];
}
interface Planned {
  readonly rules: readonly { chain: string; index: number; owner: string; verdict: string }[];
  readonly edits: readonly { object: string; diff: string }[];
}

describe("source-nat", () => {
  const trunkline = new Commands();
  const { file } = trunkline;
  const masq = readFileSync("examples/source-nat/ip-masq-agent.yaml", "utf8");
  const vpc = "host/vpc-host:80";
  const internet = "host/internet-host:80";
  let own = "";

  beforeAll(async () => {
    await trunkline.up("examples/source-nat");
    await trunkline.ask("wait", "--for", "ready", "--all", "-A", "--timeout", "60s");
    const pod = await trunkline.json<{ status: { podIP: string } }>("get", "pod", "client1");
    own = pod.status.podIP;
  });
  afterAll(() => trunkline.end());

  const seen = async (to: string) => (await trunkline.json<Probe>("probe", "pod/client1", to)).sourceSeen;
  /** Asks until explain and probe say the same: a change needs a moment to reach the kernel. */
  async function agree(to: string, wanted: string): Promise<void> {
    for (let left = 50; (await seen(to)) !== wanted && left > 0; left--)
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await seen(to)).toBe(wanted);
    expect((await trunkline.json<Probe>("explain", "pod/client1", to)).sourceSeen).toBe(wanted);
  }
  const inNode = (command: string, args: string[], input = "") =>
    run(command, args, { netns: { name: `tl-${trunkline.lab}-node1` }, input });

  it("follows the ConfigMap, keeps the last good one, and says what is wrong", async () => {
    await trunkline.ask("apply", "-f", "examples/source-nat/ip-masq-agent.yaml");
    await agree(internet, "192.168.18.11");
    await agree(vpc, own);
    await trunkline.ask("apply", "-f", file("edited.yaml", masq.replace("192.168.0.0/16", "203.0.113.0/24")));
    await agree(internet, own);
    await agree(vpc, "192.168.18.11");
    await trunkline.ask("apply", "-f", file("bad.yaml", masq.replace("192.168.0.0/16", "192.168.0.1/16")));
    const shown = await trunkline.say(
      "snat",
      "show",
      "--node",
      "node1",
      "--lab",
      trunkline.lab,
      "-o",
      "json",
    );
    expect(shown.code).toBe(1);
    const { config, errors } = JSON.parse(shown.stdout) as Shown;
    expect(config.state).toBe("last-good");
    expect(errors).toMatchObject([{ code: "snat.host-bits", position: { line: 4, column: 3 } }]);
    await agree(internet, own);
    await trunkline.ask("apply", "-f", "examples/source-nat/ip-masq-agent.yaml");
    await agree(internet, "192.168.18.11");
  });

  it("shows the packet on the node's uplink and at the destination", async () => {
    await trunkline.ask("apply", "-f", "examples/source-nat/ip-masq-agent.yaml");
    await agree(internet, "192.168.18.11");
    const { capture = [] } = await trunkline.json<Probe>("probe", "pod/client1", internet, "--capture");
    const first = (place: string, link: string, to: string) =>
      capture.find((one) => one.place === place && one.interface === link && one.destination === to);
    expect(first("pod/default/client1", "eth0", "203.0.113.10")).toMatchObject({ source: own, ttl: 64 });
    expect(first("node/node1", "eth0", "203.0.113.10")).toMatchObject({ source: "192.168.18.11", ttl: 63 });
    expect(first("host/internet-host", "eth0", "203.0.113.10")).toMatchObject({
      source: "192.168.18.11",
      ttl: 62,
    });
  });

  it.each(["nft", "legacy"])("takes over from flannel (iptables %s), and gives back", async (variant) => {
    await trunkline.ask("apply", "-f", "examples/source-nat/ip-masq-agent.yaml");
    await trunkline.ask("apply", "-f", "examples/source-nat/flannel-before.yaml");
    await agree(vpc, own);
    const rules = readFileSync("examples/source-nat/postrouting-before.rules", "utf8");
    const saved = async () =>
      (await inNode(`iptables-${variant}-save`, ["-t", "nat"])).stdout.replaceAll(
        /^#.*\n| \[\d+:\d+\]$/gm,
        "",
      );
    await inNode(`iptables-${variant}-restore`, [], rules);
    try {
      const before = await saved();
      const planned = await trunkline.json<Planned>("snat", "plan", "--node", "node1");
      const deleted = planned.rules.filter(({ verdict }) => verdict === "delete");
      expect(deleted.map(({ chain, index, owner }) => `${chain} ${index} ${owner}`)).toEqual(
        [3, 4, 5, 6].map((index) => `POSTROUTING ${index} flannel (before 0.17)`),
      );
      expect(planned.edits[0]?.diff.match(/^\+.*"ipMasq": false/gm)).toHaveLength(2);
      await agree(vpc, "192.168.18.11");

      await trunkline.ask("snat", "clean", "--node", "node1", "--yes");
      const gone = before.split("\n").filter((line) => line.includes("-s 172.16.0.0/16"));
      const after = await saved();
      expect(after).toBe(
        before
          .split("\n")
          .filter((line) => !gone.includes(line))
          .join("\n"),
      );
      expect(gone).toHaveLength(4);
      await agree(vpc, own);

      await trunkline.ask("snat", "clean", "--node", "node1", "--undo", "--yes");
      expect(await saved()).toBe(before);
      await agree(vpc, "192.168.18.11");
    } finally {
      await inNode(`iptables-${variant}-restore`, [], "*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n");
    }
  });

  it("refuses while flannel is set to put the rules back", async () => {
    const daemonSet = `apiVersion: apps/v1
kind: DaemonSet
metadata: {name: kube-flannel-ds, namespace: kube-system}
spec:
  selector: {matchLabels: {app: flannel}}
  template:
    metadata: {labels: {app: flannel}}
    spec:
      containers:
      - {name: kube-flannel, image: flannel, command: [/opt/bin/flanneld, --ip-masq, --kube-subnet-mgr]}
`;
    await inNode(
      "iptables-nft-restore",
      [],
      readFileSync("examples/source-nat/postrouting-before.rules", "utf8"),
    );
    await trunkline.ask("apply", "-f", file("flannel.yaml", daemonSet));
    const refused = await trunkline.say("snat", "clean", "--node", "node1", "--yes", "--lab", trunkline.lab);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(
      "DaemonSet kube-system/kube-flannel-ds still starts flanneld with --ip-masq",
    );
    await trunkline.ask("delete", "-f", file("flannel.yaml", daemonSet));
    await inNode("iptables-nft-restore", [], "*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n");
  });
});

/** In a lab of its own: a node that was dead has lost its routes. */
describe("a fixed address", () => {
  const trunkline = new Commands();
  const internet = "host/internet-host:80";
  beforeAll(async () => {
    await trunkline.up("examples/source-nat");
    await trunkline.ask("wait", "--for", "ready", "--all", "-A", "--timeout", "60s");
  });
  afterAll(() => trunkline.end());

  it("keeps an egress address when its node dies", async () => {
    const object = `apiVersion: trunkline.dev/v1alpha1
kind: SourceNAT
metadata: {name: fixed}
spec:
  rules:
  - podSelector: {matchLabels: {app: client}}
    destinations: [203.0.113.0/24]
    action: {type: Address, addresses: [192.168.18.250], egressNodes: {}}
`;
    const file = path.join(trunkline.folder, "egress.yaml");
    writeFileSync(file, object);
    await trunkline.ask("apply", "-f", file);
    const seen = async (from: string, timeout: string) => {
      const asked = ["probe", from, internet, "--timeout", timeout, "-o", "json", "--lab", trunkline.lab];
      return (JSON.parse((await trunkline.say(...asked)).stdout) as Probe).sourceSeen;
    };
    for (const pod of ["pod/client1", "pod/client2"]) {
      for (let turns = 50; turns > 0 && (await seen(pod, "500")) !== "192.168.18.250"; turns--)
        await new Promise((resolve) => setTimeout(resolve, 50));
      expect(await seen(pod, "500")).toBe("192.168.18.250");
    }
    const holderOf = async () =>
      (await trunkline.json<{ status: { holders: { node: string }[] } }>("get", "sourcenat", "fixed")).status
        .holders[0]?.node;
    const holder = await holderOf();
    const left = holder === "node1" ? "pod/client2" : "pod/client1";
    await run("ip", ["link", "set", "eth0", "down"], { netns: { name: `tl-${trunkline.lab}-${holder}` } });
    let last: string | null = null;
    for (let turns = 40; last !== "192.168.18.250" && turns > 0; turns--) {
      last = await seen(left, "200");
      // Nothing ever leaves with another address.
      expect([null, "192.168.18.250"]).toContain(last);
    }
    expect(last).toBe("192.168.18.250");
    expect(await holderOf()).not.toBe(holder);
  });
});
