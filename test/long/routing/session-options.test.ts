// What BGPPeers, BGPConfiguration and RoutingConfiguration ask of sessions, with real BIRD and FRR at the other end: each
// option does what it says, and what it keeps from standing has its own error code.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { BGPPeer } from "../../../src/api/kinds/routing/bgp.ts";
import { calico, pod, RoutingBed, routing } from "./routing-bed.ts";

const lab = `
name: options
networks: [{name: lan-a, cidrs: [192.168.18.0/24, "fd18::/64"]}, {name: dc, cidr: 10.9.0.0/24}]
nodes:
  - {name: node1, addresses: [192.168.18.11, "fd18::11"]}
  - {name: node2, addresses: [192.168.18.12, "fd18::12"]}
routers:
  - {name: frr, type: frr, addresses: [192.168.18.1, 10.9.0.1], config: frr.conf}
  - {name: mute, type: bird, addresses: [192.168.18.66], as: 65066, peers: [{address: 192.168.18.11, as: 64512}]}
  - {name: other, type: bird, addresses: [192.168.18.67], as: 65067, peers: [{address: 192.168.18.11, as: 64512, password: theirs}]}
  - {name: signs, type: frr, addresses: [192.168.18.68], as: 65068, peers: [{address: 192.168.18.11, as: 64512, password: theirs}]}
  - {name: told, type: frr, addresses: [192.168.18.69], as: 65069, peers: [{address: 192.168.18.11, as: 64512}]}
  - {name: full, type: bird, addresses: [192.168.18.70], config: full.conf}
`;
/** Takes one prefix, and is told two. */
const FULL = `router id 192.168.18.70;
protocol device {}
protocol bgp n1 {
  local 192.168.18.70 as 65070; neighbor 192.168.18.11 as 64512; connect retry time 1;
  ipv4 { import limit 1 action disable; import all; export none; };
}
`;
/** Behind an address of its own; hears from node1 with RFC 5082's guard only. */
const FRR = `interface lo
 ip address 10.77.0.1/32
exit
router bgp 65001
 bgp router-id 192.168.18.1
 no bgp ebgp-requires-policy
 neighbor 192.168.18.11 remote-as 64512
 neighbor 192.168.18.11 ttl-security hops 1
 neighbor 192.168.18.11 timers connect 1
 neighbor 192.168.18.12 remote-as 64512
 neighbor 192.168.18.12 ebgp-multihop 255
 neighbor 192.168.18.12 update-source 10.77.0.1
 neighbor 192.168.18.12 timers connect 1
exit
interface eth0
 ip rip authentication mode text
 ip rip authentication string s3cond
exit
router rip
 version 2
 network eth0
 redistribute connected
 timers basic 5 15 10
exit
`;
const secret = (rip = "r1p") => `---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: kube-system}
stringData: {mesh: "m3sh pass", rip: ${rip}, peer: nobody-else}
`;
const key = (name: string) => `{secretKeyRef: {name: keys, key: ${name}}}`;
const settings = (more = "") => calico("BGPConfiguration", "default", `{asNumber: 64512${more}}`);
const objects = [
  calico("IPPool", "pods", "{cidr: 10.1.0.0/16}"),
  calico("IPPool", "pods6", '{cidr: "fd77::/48"}'),
  settings(),
  secret(),
  routing("{protocols: [bgp]}"),
  pod("web1", "node1"),
  pod("web2", "node2"),
].join("");
const peers = ["mute", "away", "guarded", "lo", "other", "signs", "told", "full"];

describe("options of sessions", () => {
  const bed = new RoutingBed();
  const eventually = { timeout: 60_000, interval: 300 };
  const of = async (name: string) =>
    (await bed.sessions()).filter(({ object }) => object === `BGPPeer/${name}`);
  const codeOf = async (name: string) => (await of(name))[0]?.error?.code;
  const stateOf = async (name: string) => (await of(name))[0]?.state;

  beforeAll(async () => {
    bed.commands.file("frr.conf", FRR);
    bed.commands.file("full.conf", FULL);
    await bed.commands.up(bed.commands.file("lab.yaml", lab));
    await bed.apply(objects);
    await bed.commands.ask("wait", "--for", "ready", "--all", "--timeout", "60s");
  }, 120_000);
  // Tests come in any order: each begins with the mesh alone.
  beforeEach(async () => {
    for (const name of peers)
      await bed.commands.say("delete", "bgppeer", name, "--ignore-not-found", "--lab", bed.commands.lab);
    await bed.apply(settings() + routing("{protocols: [bgp]}"));
    await bed.established(4);
  }, 120_000);
  afterAll(() => bed.commands.end());

  it("tell a peer that signs nothing, and an address where nobody listens", async () => {
    await bed.apply(
      calico(
        "BGPPeer",
        "mute",
        `{node: node1, peerIP: 192.168.18.66, asNumber: 65066, password: ${key("peer")}}`,
      ) +
        // A port of the router's on which nobody listens.
        calico("BGPPeer", "away", `{node: node2, peerIP: "192.168.18.1:1179", asNumber: 65001}`),
    );
    await expect.poll(() => codeOf("mute"), eventually).toBe("password-not-sent");
    await expect.poll(() => codeOf("away"), eventually).toBe("connection-refused");
  });

  it("tell bad peers apart, though all of them are there at once", async () => {
    const peer = (name: string, last: number, more = "") =>
      calico("BGPPeer", name, `{node: node1, peerIP: 192.168.18.${last}, asNumber: 650${last}${more}}`);
    const password = `, password: ${key("peer")}`;
    await bed.apply(
      [
        peer("mute", 66, password),
        peer("other", 67, password),
        peer("signs", 68),
        peer("told", 69).replace("65069", "65099"),
        peer("full", 70),
      ].join(""),
    );
    const expected = {
      mute: "password-not-sent",
      other: "wrong-password",
      signs: "password-unexpected",
      told: "wrong-as",
      full: "too-many-prefixes",
    };
    const codes = async () => {
      const all = (await bed.sessions()).filter(({ object }) => object.startsWith("BGPPeer/"));
      return Object.fromEntries(all.map(({ object, error }) => [object.slice(8), error?.code]));
    };
    await expect.poll(codes, eventually).toEqual(expected);
    // Those that only hang know of nobody but the one they mean.
    for (const name of ["mute", "other", "signs"])
      expect((await of(name))[0]?.error?.message).not.toContain("without saying of whom");
    const { problems } = await bed.commands.json<{ problems: { code: string; object: string }[] }>(
      "route",
      "show",
    );
    expect(Object.fromEntries(problems.map(({ code, object }) => [object.slice(8), code]))).toEqual(expected);
    const reasonOf = async (name: string) =>
      (await bed.commands.json<BGPPeer>("get", "bgppeer", name)).status?.conditions?.[0]?.reason;
    for (const [name, code] of Object.entries(expected)) expect(await reasonOf(name)).toBe(code);
  });

  it("tell of a session that goes and comes, on the BGPPeer and as events", async () => {
    await bed.apply(calico("BGPPeer", "mute", "{node: node1, peerIP: 192.168.18.66, asNumber: 65066}"));
    await expect.poll(() => stateOf("mute"), eventually).toBe("Established");
    await bed.commands.ask("lab", "process", "stop", "router/mute");
    const condition = async () =>
      (await bed.commands.json<BGPPeer>("get", "bgppeer", "mute")).status?.conditions?.[0]?.status;
    await expect.poll(condition, eventually).toBe("False");
    await bed.commands.ask("lab", "process", "start", "router/mute");
    await expect.poll(condition, eventually).toBe("True");
    const events = await bed.commands.ask("get", "events", "-A");
    expect(events).toContain("BGPSessionDown");
    expect(events).toContain("BGPSessionUp");
  });

  it("guard a session by the packets' time to live, both ends", async () => {
    const guarded = (more: string) =>
      calico("BGPPeer", "guarded", `{node: node1, peerIP: 192.168.18.1, asNumber: 65001${more}}`);
    // Whose packets may have come from further away is not heard: neither the node by FRR, nor BIRD by the node.
    await bed.apply(
      guarded("") +
        calico("BGPPeer", "mute", "{node: node1, peerIP: 192.168.18.66, asNumber: 65066, ttlSecurity: 1}"),
    );
    await expect.poll(() => codeOf("guarded"), eventually).toBe("no-answer");
    await expect.poll(() => codeOf("mute"), eventually).toBe("no-answer");
    // Both have been tried by then.
    await sleep(6000);
    expect([await stateOf("guarded"), await stateOf("mute")]).not.toContain("Established");
    await bed.apply(calico("BGPPeer", "mute", "{node: node1, peerIP: 192.168.18.66, asNumber: 65066}"));
    await expect.poll(() => stateOf("mute"), eventually).toBe("Established");
    await bed.apply(guarded(", ttlSecurity: 1"));
    await expect.poll(() => stateOf("guarded"), eventually).toBe("Established");
    expect((await of("guarded"))[0]).toMatchObject({ ttlSecurity: 1 });
    expect(await bed.exec("frr", "vtysh", "-c", "show bgp neighbors 192.168.18.11")).toMatch(
      /External BGP neighbor may be up to 1 hops? away/,
    );
  });

  it("reach a peer by the gateway that is named", async () => {
    const route = () => bed.exec("node2", "ip", "route", "show", "10.77.0.1");
    await bed.apply(
      calico("BGPPeer", "lo", "{node: node2, peerIP: 10.77.0.1, asNumber: 65001, reachableBy: 192.168.18.1}"),
    );
    await expect.poll(() => stateOf("lo"), eventually).toBe("Established");
    await expect.poll(route, eventually).toMatch(/via 192\.168\.18\.1 dev eth0 proto bird/);
    await bed.commands.ask("delete", "bgppeer", "lo");
    await expect.poll(route, eventually).not.toContain("bird");
  });

  it("listen on the node's address alone, and sign the mesh", async () => {
    await bed.apply(settings(`, bindMode: NodeIP, nodeMeshPassword: ${key("mesh")}`));
    await bed.until(
      () => bed.sessions(),
      (list) => list.length === 4 && list.every((one) => one.password && one.state === "Established"),
    );
    const list = await bed.established(4);
    expect(list.every(({ password }) => password)).toBe(true);
    // The sessions of before are closed once their other ends have copied the routes.
    const listening = () => bed.exec("node1", "ss", "-Htln", "sport = :179");
    await expect.poll(listening, eventually).toContain("192.168.18.11:179");
    expect(await listening()).not.toMatch(/(0\.0\.0\.0|\*|\[::\]):179/);
  });

  it("announce ranges of Services, and put communities on what lies within", async () => {
    await bed.apply(
      settings(
        `, serviceClusterIPs: [{cidr: 172.21.0.0/20}], prefixAdvertisements: [{cidr: 10.1.0.0/16, communities: ["65000:100"]}]`,
      ) +
        calico("BGPPeer", "guarded", "{node: node1, peerIP: 192.168.18.1, asNumber: 65001, ttlSecurity: 1}"),
    );
    await expect.poll(() => stateOf("guarded"), eventually).toBe("Established");
    const learned = () => bed.exec("frr", "ip", "route", "show", "proto", "bgp");
    await expect.poll(learned, eventually).toContain("172.21.0.0/20 ");
    const block = (await bed.rows()).find(
      ({ announcedBy, prefix }) => announcedBy === "node1" && !prefix.includes(":"),
    );
    await expect
      .poll(() => bed.exec("frr", "vtysh", "-c", `show bgp ipv4 unicast ${block?.prefix}`), eventually)
      .toContain("65000:100");
    // Who hears of the range from the other node before the settings come has it in its kernel until they do.
    for (const node of ["node1", "node2"])
      await expect.poll(() => bed.kernel(node), eventually).not.toContain("172.21.0.0/20");
  });

  it("speak RIP with a password, which others must know, and RIPng for IPv6", async () => {
    await bed.apply(secret() + routing(`{protocols: [rip], rip: {updateTime: 2s, password: ${key("rip")}}}`));
    const through = async () =>
      (await bed.rows("--node", "node1"))
        .filter(({ through: way, inKernel }) => way === "rip" && inKernel)
        .map(({ prefix }) => (prefix.includes(":") ? "v6" : "v4"))
        .toSorted();
    await expect.poll(through, eventually).toEqual(["v4", "v6"]);
    expect(await bed.reaches("pod/web1", "pod/web2:80")).toBe(true);
    const text = await bed.exec("node1", "birdc", "show", "protocols");
    expect(text).toMatch(/rip4 .* up /);
    expect(text).toMatch(/rip6 .* up /);
    // FRR tells 10.9.0.0/24 every five seconds, by another password.
    await sleep(7000);
    const told = () => bed.kernel("node1");
    const learned = () => bed.exec("frr", "vtysh", "-c", "show ip rip");
    expect(await told()).not.toContain("10.9.0.0/24");
    expect(await learned()).not.toContain("10.1.");
    await bed.apply(secret("s3cond"));
    await expect.poll(told, eventually).toMatch(/10\.9\.0\.0\/24 via 192\.168\.18\.1 dev eth0 proto bird/);
    await expect.poll(learned, eventually).toContain("10.1.");
  });
});
