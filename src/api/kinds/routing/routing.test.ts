import { describe, expect, it } from "vitest";
import { parseManifests } from "../../manifest/parse.ts";

const head = (kind: string, name = "default", group = "crd.projectcalico.org/v1") =>
  `apiVersion: ${group}\nkind: ${kind}\nmetadata: {name: ${name}}\n`;
const codes = (text: string) => {
  const { errors, warnings } = parseManifests(text, "f.yaml");
  return [...errors, ...warnings].map(({ code, path }) => `${code} ${path}`);
};
const peer = (spec: string) => codes(`${head("BGPPeer", "p")}spec: ${spec}\n`);
const filter = (spec: string) => codes(`${head("BGPFilter", "f")}spec: ${spec}\n`);

describe("BGPConfiguration", () => {
  it("is the same object under both of Calico's groups", () => {
    const spec = 'spec: {asNumber: "1.10", listenPort: 1179}\n';
    const [one, two] = ["crd.projectcalico.org/v1", "projectcalico.org/v3"].map(
      (group) =>
        parseManifests(head("BGPConfiguration", "default", group) + spec, "f.yaml").objects[0]?.draft,
    );
    expect(one?.apiVersion).toBe("crd.projectcalico.org/v1");
    expect(two).toEqual(one);
  });

  it("has one name, or a node's", () => {
    expect(codes(`${head("BGPConfiguration", "other")}spec: {}\n`)).toEqual(["bgp.name metadata.name"]);
    expect(codes(`${head("BGPConfiguration", "node.node1")}spec: {listenPort: 1179}\n`)).toEqual([]);
  });

  it("refuses what is no AS number, community or range, with the path", () => {
    const spec =
      'spec: {asNumber: "1.70000", prefixAdvertisements: [{cidr: 10.0.0.0/8, communities: [gold]}],' +
      " communities: [{name: silver, value: '1:2:3:4'}], serviceClusterIPs: [{cidr: 10.0.0.1/8}]}";
    expect(codes(`${head("BGPConfiguration")}${spec}\n`)).toEqual([
      "bgp.as-number spec.asNumber",
      "bgp.community spec.communities[0].value",
      "schema.cidr spec.serviceClusterIPs[0].cidr",
      "bgp.community spec.prefixAdvertisements[0].communities[0]",
    ]);
  });

  it("takes what is Calico's and not built with a warning that names the path", () => {
    const { objects, warnings } = parseManifests(
      `${head("BGPConfiguration")}spec: {logSeverityScreen: Info}\n`,
      "f.yaml",
    );
    expect(objects).toHaveLength(1);
    expect(warnings).toMatchObject([{ code: "schema.not-built", path: "spec.logSeverityScreen" }]);
  });
});

describe("BGPPeer", () => {
  it("is by address or by selector", () => {
    expect(peer("{peerIP: 10.0.0.1, asNumber: 65001}")).toEqual([]);
    expect(peer("{peerIP: '[fd00::1]:1179', asNumber: 65001}")).toEqual([]);
    expect(peer("{peerSelector: has(rr)}")).toEqual([]);
    expect(peer("{}")).toEqual(["bgp.peer spec.peerIP"]);
    expect(peer("{peerIP: 10.0.0.1}")).toEqual(["bgp.peer spec.asNumber"]);
    expect(peer("{peerIP: 10.0.0.1, asNumber: 1, peerSelector: all()}")).toEqual([
      "bgp.peer spec.peerSelector",
      "bgp.peer spec.asNumber",
    ]);
    expect(peer("{peerIP: 10.0.0.1, asNumber: 1, node: a, nodeSelector: all()}")).toEqual([
      "bgp.peer spec.nodeSelector",
    ]);
  });

  it("refuses bad values one by one", () => {
    expect(peer("{peerIP: 10.0.0.1:0, asNumber: 65001}")).toEqual(["bgp.peer-ip spec.peerIP"]);
    expect(peer("{peerSelector: 'has(rr'}")).toEqual(["schema.selector spec.peerSelector"]);
    expect(peer("{peerIP: 10.0.0.1, asNumber: 1, ttlSecurity: 256}")).toEqual([
      "bgp.number spec.ttlSecurity",
    ]);
    expect(peer("{peerIP: 10.0.0.1, asNumber: 1, maxRestartTime: 4096s}")).toEqual([
      "bgp.duration spec.maxRestartTime",
    ]);
    expect(peer("{peerIP: 10.0.0.1, asNumber: 1, reachableBy: 'fd00::1'}")).toEqual([
      "bgp.peer spec.reachableBy",
    ]);
    expect(peer("{peerIP: 10.0.0.1, asNumber: 1, keepOriginalNextHop: true, nextHopMode: Self}")).toEqual([
      "bgp.peer spec.keepOriginalNextHop",
    ]);
  });
});

describe("BGPFilter", () => {
  it("wants operator and range together, of the right family", () => {
    expect(filter("{importV4: [{action: Accept, cidr: 10.0.0.0/8, matchOperator: In}]}")).toEqual([]);
    expect(filter("{importV4: [{action: Accept, cidr: 10.0.0.0/8}]}")).toEqual([
      "bgp.filter spec.importV4[0].matchOperator",
    ]);
    expect(filter("{exportV6: [{action: Accept, cidr: 10.0.0.0/8, matchOperator: In}]}")).toEqual([
      "bgp.filter spec.exportV6[0].cidr",
    ]);
    expect(filter("{importV4: [{action: Reject, prefixLength: {min: 33, max: 8}}]}")).toEqual([
      "bgp.filter spec.importV4[0].prefixLength.min",
      "bgp.filter spec.importV4[0].prefixLength.min",
      "bgp.filter spec.importV4[0].prefixLength",
    ]);
  });

  it("takes operations of accepted routes only", () => {
    const operations =
      "operations: [{addCommunity: {value: '65000:1:2'}}, {prependASPath: {prefix: [65001, '1.1']}}, {setPriority: {value: 5}}]";
    expect(filter(`{exportV4: [{action: Accept, ${operations}}]}`)).toEqual([]);
    expect(filter(`{exportV4: [{action: Reject, ${operations}}]}`)).toEqual([
      "bgp.filter spec.exportV4[0].operations",
    ]);
  });
});

describe("RoutingConfiguration", () => {
  const routing = (spec: string, name?: string) =>
    codes(`${head("RoutingConfiguration", name, "trunkline.dev/v1alpha1")}spec: ${spec}\n`);

  it("takes all methods of finding the node's address", () => {
    for (const method of [
      "first-found",
      "interface=eth.*,ens0",
      "can-reach=10.0.0.1",
      "cidr=10.0.0.0/8",
      "none",
    ])
      expect(routing(`{nodeAddress: {ipv4: '${method}'}}`)).toEqual([]);
    for (const method of ["last-found", "interface=(", "cidr=10.0.0.1/8", "can-reach="])
      expect(routing(`{nodeAddress: {ipv4: '${method}'}}`)).toEqual([
        "routing.node-address spec.nodeAddress.ipv4",
      ]);
  });

  it("has one name, known protocols, and times that RIP can have", () => {
    expect(routing("{protocols: [bgp, rip], rip: {updateTime: 2s}, mtu: {pod: 0, vxlan: 1400}}")).toEqual([]);
    expect(routing("{}", "mine")).toEqual(["routing.name metadata.name"]);
    expect(routing("{protocols: [ospf]}")).toEqual(["schema.value spec.protocols[0]"]);
    expect(routing("{rip: {updateTime: 0s, timeoutTime: 1500ms}}")).toEqual([
      "bgp.duration spec.rip.updateTime",
      "bgp.duration spec.rip.timeoutTime",
    ]);
  });
});
