// The ConfigMap while the cluster works: connections that run, texts that are broken in every way, and no text at all.
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, Socket } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Node } from "../../../src/api/kinds/core.ts";
import { linuxMachine } from "../../../src/kernel/index.ts";
import { netnsName } from "../../../src/lab/topology/plan.ts";
import { Commands } from "../trunkline.ts";

interface Shown {
  readonly config: { readonly state: string };
  readonly errors: readonly { readonly position?: { readonly line: number; readonly column: number } }[];
  readonly rules: readonly string[];
}

const internet = "203.0.113.10";
const nodeAddress = "192.168.18.11";
const good = "nonMasqueradeCIDRs:\n- 10.0.0.0/8\n- 192.168.0.0/16\nmasqLinkLocal: false\n";

/** Each is unusable; where, as line:column. */
const broken: readonly (readonly [text: string, at: string])[] = [
  ["{*", "1:2"],
  ["nonMasqueradeCIDRs: [10.0.0.0/8", "1:32"],
  ["- 10.0.0.0/8", "1:1"],
  ["nonMasqueradeCIDRs:\n- 10.0.0.0/8\n- abcdefg", "3:3"],
  ["nonMasqueradeCIDRs:\n- 10.0.0.1/8", "2:3"],
  ["nonMasqueradeCIDRs:\n- 10.0.0.1", "2:3"],
  ["nonMasqueradeCIDRs:\n- 10.0.0.0/8\n- {a: b}", "3:3"],
  ['{"nonMasqueradeCIDRs": ["10.0.0.0/8"],\n "cidrLimit": 0}', "1:24"],
  ['{"masqLinkLocal": "yes"}', "1:19"],
  ["resyncInterval: 5d", "1:17"],
  ["cidrLimit: -1", "1:12"],
  ["enableIPv6: false\nnonMasqueradeCIDRs: ['fd00::/8']", "2:22"],
  ["toPorts: 9-1", "1:10"],
  ["masqLinkLocal: true\nMASQLINKLOCAL: false", "2:1"],
  ["masqLinkLocal: true\n---\nmasqLinkLocal: false", "2:1"],
  ["nonMasqueradeCIDRs: ['10.0.0.0/8; flush ruleset']", "1:22"],
  ["\u0000\u0001\ufffe", "1:1"],
  ["[".repeat(500), "1:501"],
];

describe("ip-masq-agent's ConfigMap", () => {
  const trunkline = new Commands();
  let own = "";
  beforeAll(async () => {
    await trunkline.up("examples/source-nat");
    await trunkline.ask("wait", "--for", "ready", "--all", "--timeout", "60s");
    own = (await trunkline.json<{ status: { podIP: string } }>("get", "pod", "client1")).status.podIP;
  });
  afterAll(() => trunkline.end());
  beforeEach(() => write(good));

  async function write(config: string): Promise<void> {
    const metadata = { name: "ip-masq-agent", namespace: "kube-system" };
    const file = path.join(trunkline.folder, "config.json");
    writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata, data: { config } }));
    await trunkline.ask("apply", "-f", file);
  }
  const remove = () => trunkline.ask("delete", "configmap", "ip-masq-agent", "-n", "kube-system");
  async function show(): Promise<Shown & { code: number }> {
    const said = await trunkline.say("snat", "show", "--node", "node1", "-o", "json", "--lab", trunkline.lab);
    return { ...(JSON.parse(said.stdout) as Shown), code: said.code };
  }
  /** A change needs a moment to reach the kernel; what is wanted must then also have been said. */
  async function agree(wanted: string): Promise<void> {
    const words = ["pod/client1", "host/internet-host:80"];
    let seen: string | null = null;
    for (let left = 30; left > 0 && seen !== wanted; left--)
      seen = (await trunkline.json<{ sourceSeen: string | null }>("probe", ...words)).sourceSeen;
    const said = (await trunkline.json<{ sourceSeen: string | null }>("explain", ...words)).sourceSeen;
    expect({ seen, said }).toEqual({ seen: wanted, said: wanted });
  }

  it("leaves running connections their translation, whatever becomes of it", async () => {
    await agree(nodeAddress);
    const machine = linuxMachine();
    const outside = machine.open({ name: netnsName(trunkline.lab, "internet-host") });
    const member = (await trunkline.ask("lab", "exec", "client1", "--", "ip", "netns", "identify")).trim();
    const inside = machine.open({ name: member });
    const server = createServer((socket) =>
      socket.on("data", () => socket.write(`${socket.remoteAddress}:${socket.remotePort}`)),
    );
    server.listen({ fd: outside.sockets.listenTcp("0.0.0.0", 9000) });
    await once(server, "listening");
    const client = new Socket({
      fd: inside.sockets.connectTcp(internet, 9000),
      readable: true,
      writable: true,
    });
    const ask = async () => {
      client.write("who?");
      return String((await once(client, "data"))[0]);
    };
    try {
      const first = await ask();
      expect(first.replace(/:\d+$/, "")).toBe(nodeAddress);
      await write(`${good}nonmasqueradecidrs: []\n`);
      expect(await ask()).toBe(first);
      await write(good.replace("10.0.0.0/8", "203.0.113.0/24"));
      await agree(own);
      expect(await ask()).toBe(first);
      await remove();
      await agree(own);
      expect(await ask()).toBe(first);
    } finally {
      client.destroy();
      server.close();
      inside.close();
      outside.close();
    }
  });

  it("stays as it was last good over every broken text, and says where that is broken", async () => {
    await agree(nodeAddress);
    const before = await show();
    expect(before).toMatchObject({ code: 0, errors: [], config: { state: "current" } });
    const found: (readonly [string, string])[] = [];
    for (const [text] of broken) {
      await write(text);
      const { code, config, errors, rules } = await show();
      expect({ text, code, state: config.state, rules }).toEqual({
        text,
        code: 1,
        state: "last-good",
        rules: before.rules,
      });
      const at = errors[0]?.position;
      found.push([text, `${at?.line}:${at?.column}`]);
    }
    expect(found).toEqual(broken);
    await agree(nodeAddress);
    const node = await trunkline.json<Node>("get", "node", "node1");
    expect(node.status?.conditions).toContainEqual(
      expect.objectContaining({ type: "SourceNATConfigured", status: "False" }),
    );
    await write(good);
    await agree(nodeAddress);
    expect(await show()).toMatchObject({ code: 0, errors: [], config: { state: "current" } });
  });

  it("is nobody's once it is deleted: pools decide", async () => {
    await agree(nodeAddress);
    await remove();
    await agree(own);
    expect(await show()).toMatchObject({ code: 0, errors: [], config: { state: "absent" } });
  });
});
