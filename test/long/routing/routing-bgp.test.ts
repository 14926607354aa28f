// BGP between nodes, an FRR router and a BIRD router that announces what it must not: real daemons, agents as processes
// of their own. Nothing here is about time except that what must come does come.
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { BGPPeer } from "../../../src/api/kinds/routing/bgp.ts";
import type { SessionReport } from "../../../src/plan/routing/bird/report.ts";
import { pod, RoutingBed } from "./routing-bed.ts";

const lab = `
name: routing
networks: [{name: lan-a, cidr: 192.168.18.0/24}, {name: lan-b, cidr: 192.168.28.0/24}, {name: dc, cidr: 10.9.0.0/24}]
nodes:
  - {name: node1, address: 192.168.18.11}
  - {name: node2, address: 192.168.18.12}
  - {name: node3, address: 192.168.28.13}
routers:
  - name: r1
    type: frr
    addresses: [192.168.18.1, 192.168.28.1, 10.9.0.1]
    as: 65001
    peers: [{nodes: true, as: 64512}]
    announce: [10.9.0.0/24]
  - name: bad
    type: bird
    addresses: [192.168.18.66]
    as: 65066
    peers: [{address: 192.168.18.11, as: 64512, password: right}]
    announce: [0.0.0.0/0, 10.1.77.0/24, 10.0.0.0/8, 192.168.18.11/32, 10.66.0.0/16]
hosts:
  - {name: outside, address: 10.9.0.9, ports: [80]}
`;
const calico = (kind: string, name: string, spec: string) =>
  `---\napiVersion: projectcalico.org/v3\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
const objects = [
  calico("IPPool", "pods", "{cidr: 10.1.0.0/16}"),
  calico("BGPConfiguration", "default", "{asNumber: 64512}"),
  calico(
    "BGPPeer",
    "r1-a",
    "{nodeSelector: \"kubernetes.io/hostname != 'node3'\", peerIP: 192.168.18.1, asNumber: 65001}",
  ),
  calico("BGPPeer", "r1-b", "{node: node3, peerIP: 192.168.28.1, asNumber: 65001}"),
  ...["node1", "node2", "node3"].map((node, at) => pod(`web${at + 1}`, node)),
].join("");
const secret = (text: string) =>
  `---\napiVersion: v1\nkind: Secret\nmetadata: {name: bgp, namespace: kube-system}\nstringData: {bad: ${text}}\n`;
const badPeer = (as: number, more: string) =>
  calico("BGPPeer", "bad", `{node: node1, peerIP: 192.168.18.66, asNumber: ${as}${more}}`);
const signed = ", password: {secretKeyRef: {name: bgp, key: bad}}";

const off = `---
apiVersion: trunkline.dev/v1alpha1
kind: RoutingConfiguration
metadata: {name: default}
spec: {protocols: []}
`;
/** All that tests add. */
const extra = [badPeer(1, ""), calico("BGPFilter", "some", "{}"), secret("any"), off].join("");

describe("BGP in two LANs with a router between them", () => {
  const bed = new RoutingBed();
  const trunkline = bed.commands;
  const { file } = trunkline;
  const sessions = () => bed.sessions();
  const rows = (...more: string[]) => bed.rows(...more);
  const apply = (text: string) => bed.apply(text);
  const kernel = (node: string) => bed.kernel(node);
  const until = <T>(ask: () => Promise<T>, good: (value: T) => boolean) => bed.until(ask, good, 20);
  const allUp = (list: readonly SessionReport[]) => list.every(({ state }) => state === "Established");
  const reach = (from: string, to: string) => bed.reaches(from, to);
  const toBad = async () => (await sessions()).find(({ object }) => object === "BGPPeer/bad");

  beforeAll(async () => {
    await trunkline.up(file("lab.yaml", lab), "--separate");
    await trunkline.ask("apply", "-f", file("objects.yaml", objects));
    await trunkline.ask("wait", "--for", "ready", "--all", "--timeout", "60s");
  }, 120_000);
  // Tests come in any order: each begins with nothing but r1's peerings, and routes that have come with them.
  beforeEach(async () => {
    await trunkline.say(
      "delete",
      "-f",
      file("extra.yaml", extra),
      "--ignore-not-found",
      "--lab",
      trunkline.lab,
    );
    await until(sessions, (list) => list.length === 9 && allUp(list));
    await until(
      () => rows("--node", "node1"),
      (list) =>
        list.length === 4 && list.every((row) => row.inKernel && (row.via === null || row.through === "bgp")),
    );
  }, 60_000);
  afterAll(() => trunkline.end());

  it("brings pods' ranges through the router, and says who announced what", async () => {
    expect(await reach("host/outside", "pod/web3:80")).toBe(true);
    expect(await reach("pod/web1", "pod/web3:80")).toBe(true);
    const all = await rows();
    const ways = all.filter((row) => !row.outside).map((row) => `${row.announcedBy} ${row.through}`);
    expect(ways.toSorted()).toEqual(["node1 bgp", "node2 bgp", "node3 bgp"]);
    expect(all.filter((row) => row.outside).map(({ prefix, announcedBy }) => [prefix, announcedBy])).toEqual([
      ["10.9.0.0/24", "192.168.18.1"],
      ["10.9.0.0/24", "192.168.28.1"],
    ]);
    const block = (name: string) => all.find(({ announcedBy }) => announcedBy === name)!.prefix;
    // BIRD's and FRR's own words agree: the owner is the next hop, never the node that passes it on.
    const frr = await trunkline.ask("lab", "exec", "r1", "--", "vtysh", "-c", "show ip route bgp");
    expect(frr).toMatch(new RegExp(`${block("node3")} .* via 192\\.168\\.28\\.13`));
    expect(frr).toMatch(new RegExp(`${block("node1")} .* via 192\\.168\\.18\\.11`));
    const name = (await sessions()).find(
      ({ node, peer }) => node === "node1" && peer === "192.168.18.1",
    )!.protocol;
    const told = await trunkline.ask("lab", "exec", "node1", "--", "birdc", "show", "route", "export", name);
    expect(told).toContain(block("node1"));
    expect(told).not.toContain("10.9.0.0/24");
    expect(await kernel("node1")).toMatch(
      new RegExp(`${block("node3")} via 192\\.168\\.18\\.1 dev eth0 proto bird`),
    );
    // Copies that were held while sessions came up are let go once these have delivered.
    await expect
      .poll(() => kernel("node1"), { timeout: 30_000 })
      .not.toMatch(new RegExp(`${block("node3")}.*proto 84`));
  });

  it("loses no packet of a flow when BIRD on either side, or the agent, is killed", async () => {
    const { status } = await trunkline.json<{ status: { podIP: string } }>("get", "pod", "web3");
    const sender = path.resolve(import.meta.dirname, "../flow-sender.ts");
    const flow = trunkline.ask("lab", "exec", "node1", "--", "node", sender, status.podIP, "25");
    await sleep(1000);
    for (const name of ["bird/node1", "agent/node1", "bird/node3"]) {
      await trunkline.ask("lab", "process", "kill", name);
      await sleep(7000);
    }
    const { sent, answers } = JSON.parse(await flow) as { sent: number; answers: number };
    expect(sent).toBeGreaterThan(1000);
    expect(sent - answers).toBe(0);
    await until(sessions, allUp);
    // No copy stays once all is settled.
    const table = await until(
      () => kernel("node1"),
      (text) => !text.includes("1000000513"),
    );
    expect(table).not.toContain("1000000513");
  });

  it("says what is wrong with a peer: no Secret, another password, none on either side, another AS", async () => {
    await apply(badPeer(65_066, signed));
    // The session that was there before goes down a moment after that is known.
    expect(await until(toBad, (one) => one?.error != null && one.state === "Down")).toMatchObject({
      error: { code: "secret-missing" },
    });
    await apply(secret("wrong"));
    const wrong = await until(toBad, (one) => one?.error?.code === "wrong-password");
    expect(wrong).toMatchObject({ password: true, error: { code: "wrong-password" } });
    const peer = await until(
      () => trunkline.json<BGPPeer>("get", "bgppeer", "bad"),
      (one) => one.status?.conditions?.[0]?.reason === "wrong-password",
    );
    expect(peer.status?.conditions).toMatchObject([
      { type: "Established", status: "False", reason: "wrong-password" },
    ]);
    expect(peer.status?.sessions).toHaveLength(1);
    await apply(badPeer(65_066, ""));
    await trunkline.ask("delete", "bgppeer", "bad");
    await apply(badPeer(65_066, ""));
    expect(await until(toBad, (one) => one?.error?.code === "password-unexpected")).toMatchObject({
      error: { code: "password-unexpected" },
    });
    await trunkline.ask("delete", "bgppeer", "bad");
    await apply(secret("right") + badPeer(65_067, signed));
    expect(await until(toBad, (one) => one?.error?.code === "wrong-as")).toMatchObject({
      error: { code: "wrong-as" },
    });
    expect(await trunkline.ask("get", "secret", "bgp", "-n", "kube-system", "-o", "yaml")).not.toMatch(
      /right|cmlnaHQ/,
    );
  });

  it("takes no default route and none of our ranges from outside, unless a filter names it", async () => {
    await apply(secret("right") + badPeer(65_066, signed));
    await until(toBad, (one) => one?.state === "Established");
    const refused = await until(
      async () => (await rows()).filter((row) => !row.accepted),
      (list) => list.length === 4,
    );
    expect(refused.map(({ prefix }) => prefix)).toEqual([
      "0.0.0.0/0",
      "10.0.0.0/8",
      "10.1.77.0/24",
      "192.168.18.11/32",
    ]);
    expect(
      refused.every(({ announcedBy, why }) => announcedBy === "192.168.18.66" && why.startsWith("refused: ")),
    ).toBe(true);
    const table = await until(
      () => kernel("node2"),
      (text) => text.includes("10.66.0.0/16"),
    );
    expect(table).toMatch(/10\.66\.0\.0\/16 via 192\.168\.18\.66 dev eth0 proto bird/);
    for (const prefix of ["10.1.77.0/24", "10.0.0.0/8"]) expect(table).not.toContain(prefix);
    expect(table).not.toMatch(/default.*proto bird/);
    const before = (await toBad())?.since;
    await apply(
      calico(
        "BGPFilter",
        "some",
        "{importV4: [{action: Reject, cidr: 10.66.0.0/16, matchOperator: Equal}, {action: Accept, cidr: 10.1.77.0/24, matchOperator: In}]}",
      ),
    );
    await apply(badPeer(65_066, `${signed}, filters: [some]`));
    const filtered = await until(
      () => kernel("node2"),
      (text) => text.includes("10.1.77.0/24") && !text.includes("10.66.0.0/16"),
    );
    expect(filtered).toContain("10.1.77.0/24");
    expect(filtered).not.toContain("10.66.0.0/16");
    // A change of filters keeps the session.
    expect((await toBad())?.since).toBe(before);
    await apply(badPeer(65_066, `${signed}, filters: [none]`));
    const closed = await until(
      () => kernel("node2"),
      (text) => !text.includes("10.1.77.0/24"),
    );
    expect(closed).not.toContain("10.1.77.0/24");
    const { findings } = JSON.parse(
      (await trunkline.say("route", "sessions", "--lab", trunkline.lab, "-o", "json")).stdout,
    ) as {
      findings: { code: string }[];
    };
    expect(findings.map(({ code }) => code)).toContain("filter-missing");
  });

  it("goes back to direct routes and ends BIRD when no protocol is asked for", async () => {
    await apply(off);
    const table = await until(
      () => kernel("node1"),
      (text) => !text.includes("proto bird"),
    );
    expect(table).not.toContain("proto bird");
    expect(table).toMatch(/via 192\.168\.18\.12 dev eth0 proto 84 metric 512/);
    const { processes } = await trunkline.json<{ processes: { name: string; running: boolean }[] }>(
      "lab",
      "process",
      "list",
    );
    expect(processes.filter(({ name, running }) => name.startsWith("bird/") && running)).toEqual([]);
    expect((await trunkline.say("route", "sessions", "--lab", trunkline.lab)).code).toBe(0);
  });
});
