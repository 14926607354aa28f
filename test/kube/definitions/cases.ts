// Specifications of each kind that validation takes, and that it refuses; and texts that are nearly what a field's grammar says.

interface Cases {
  readonly good: readonly object[];
  readonly bad: readonly object[];
}

const rule = (action: object, more: object = {}) => ({ rules: [{ action, ...more }] });
const filter = (one: object) => ({ importV4: [{ action: "Accept", ...one }] });
const sink = (one: object) => ({ for: [{}], to: "host/db:5432", sinks: [{ name: "s", ...one }] });
const peer = (more: object) => ({ peerIP: "10.0.0.1", asNumber: 65_001, ...more });
const block = { cidr: "10.1.0.0/26", pool: "p", node: "n", state: "confirmed" };
const at = "2026-01-31T12:00:00Z";
const held = (more: object) => ({ allocationType: { type: "Fixed", ...more } });
const ledger = (more: object) => ({
  interfaces: [
    {
      id: "eni-1",
      token: "t",
      status: "InUse",
      mac: "02:00:00:00:00:01",
      securityGroupIDs: [],
      addresses: ["10.2.1.1"],
      tags: {},
      createdAt: at,
      ...more,
    },
  ],
});
const selector = (operator: string, values?: readonly string[]) => ({
  podSelector: { matchExpressions: [{ key: "a.example/b", operator, ...(values && { values }) }] },
});
const many = (count: number, make: (at: number) => unknown) =>
  Array.from({ length: count }, (_, one) => make(one));

export const cases: Readonly<Record<string, Cases>> = {
  IPPool: {
    good: [
      { cidr: "10.1.0.0/16" },
      { cidr: "10.1.0.0/16", blockSize: 26, ipipMode: "Always", vxlanMode: "Never", natOutgoing: true },
      {
        cidr: "fd00:1::/64",
        blockSize: 122,
        vxlanMode: "CrossSubnet",
        ipipMode: "Never",
        nodeSelector: "all()",
      },
      {
        cidr: "10.1.0.0/26",
        allowedUses: ["Workload", "Tunnel"],
        assignmentMode: "Manual",
        ipip: { enabled: true },
      },
      { cidr: "10.1.0.0/32", blockSize: 32, nodeSelector: "", namespaceSelector: "zone in {'a', 'b'}" },
    ],
    bad: [
      {},
      { cidr: "10.1.0.1/16" },
      { cidr: "10.1.0.0/16", blockSize: 19 },
      { cidr: "10.1.0.0/16", blockSize: 33 },
      { cidr: "fd00:1::/64", blockSize: 26 },
      { cidr: "10.1.0.0/28" },
      { cidr: "10.1.0.0/28", blockSize: 26 },
      { cidr: "10.1.0.0/16", blockSize: "26" },
      { cidr: "10.1.0.0/16", ipipMode: "Always", vxlanMode: "CrossSubnet" },
      { cidr: "fd00:1::/64", ipipMode: "Always" },
      { cidr: "10.1.0.0/16", ipipMode: "Sometimes" },
      { cidr: "10.1.0.0/16", allowedUses: ["Pods"] },
    ],
  },
  AddressBlock: {
    good: [
      block,
      { ...block, loans: [{ address: "10.1.0.1", node: "m", seq: 0, returned: true }] },
      { ...block, requests: [{ node: "m", count: 1, at: "2026-01-31T12:00:00.123Z", address: "10.1.0.9" }] },
      { ...block, releases: [{ node: "m", seq: 1, at, address: "10.1.0.9" }] },
      { ...block, cidr: "fd00::/122", state: "pending", loans: [], requests: [], releases: [] },
    ],
    bad: [
      { ...block, cidr: "10.1.0.1/26" },
      { ...block, state: "gone" },
      { ...block, node: "" },
      { ...block, loans: [{ address: "10.1.0", node: "m" }] },
      { ...block, loans: [{ address: "10.1.0.1" }] },
      { ...block, loans: many(2, () => ({ address: "10.1.0.1", node: "m" })) },
      { ...block, requests: [{ node: "m", count: -1, at }] },
      { ...block, requests: [{ node: "m", count: 1, at: "soon" }] },
      { ...block, releases: [{ node: "m", seq: 1.5, at, address: "10.1.0.9" }] },
    ],
  },
  SourceNAT: {
    good: [
      { rules: [] },
      { priority: -5, ...rule({ type: "None" }, { destinations: ["10.0.0.0/8", "fd00::/8", "0.0.0.0/0"] }) },
      rule({ type: "Masquerade", addresses: ["what has no effect"] }),
      rule({
        type: "Address",
        addresses: ["10.0.0.4", "10.0.0.0/28", "10.0.0.4-10.0.0.7", "fd00::1-fd00::2"],
      }),
      rule({ type: "Address", addresses: ["10.0.0.4"], egressNodes: { matchLabels: { egress: "" } } }),
      rule({ type: "None" }, selector("In", ["a", ""])),
      rule({ type: "None" }, selector("Exists")),
    ],
    bad: [
      {},
      { rules: [{}] },
      { priority: 1.5, rules: [] },
      rule({ type: "Some" }),
      rule({ type: "Address" }),
      rule({ type: "Address", addresses: [] }),
      rule({ type: "Address", addresses: ["10.0.0.4-10.0.0.5-10.0.0.6"] }),
      rule({ type: "Address", addresses: ["10.0.0.4/28"] }),
      rule({ type: "None" }, { destinations: ["10.0.0.1/8"] }),
      rule({ type: "None" }, selector("In")),
      rule({ type: "None" }, selector("Exists", ["a"])),
      rule({ type: "None" }, selector("Like", ["a"])),
      rule({ type: "None" }, selector("In", ["a b"])),
      rule({ type: "None" }, { podSelector: { matchLabels: { a: "b c" } } }),
      { rules: many(65, () => ({ action: { type: "None" } })) },
    ],
  },
  AddressList: {
    good: [
      { for: [{}], to: "host/db:5432" },
      {
        for: [
          {
            namespaces: ["shop"],
            workload: "deployment/web",
            annotations: { a: "b" },
            ...selector("Exists"),
          },
        ],
        to: "10.0.0.0/24",
        entries: "Ranges",
        maxEntries: 100_000,
        rest: "1h",
        wait: "0s",
      },
      sink({ file: { path: "/var/lib/lists/db.json", form: "json" } }),
      sink({ host: "proxy", nginx: { path: "/etc/nginx/a.conf", config: "/etc/nginx/nginx.conf" } }),
      sink({ host: "proxy", haproxy: { path: "/etc/h.lst", socket: "/run/h.sock", value: "a:b/c" } }),
      sink({ nodes: { matchLabels: { db: "yes" } }, nft: { family: "inet", table: "guard", ipv6Set: "db" } }),
      sink({
        postgres: { path: "/a", port: 5432, users: ["app"], databases: ["a.b"], connection: "hostssl" },
      }),
      sink({ configMap: { namespace: "shop", name: "admitted" } }),
      sink({
        http: {
          url: "https://lists.example.org/db?a=b",
          tokenSecret: { namespace: "a", name: "b", key: "c" },
        },
      }),
      sink({ rds: { region: "cn-hangzhou", instance: "rm-1", listName: "trunkline_shop" } }),
      sink({ securityGroup: { region: "cn-hangzhou", group: "sg-1", protocol: "tcp", ports: "80/443" } }),
    ],
    bad: [
      {},
      { for: [], to: "10.0.0.9" },
      { for: [{ workload: "web" }], to: "10.0.0.9" },
      { for: [{ namespaces: ["A b"] }], to: "10.0.0.9" },
      { for: [{}], to: "10.0.0.9", maxEntries: 0 },
      { for: [{}], to: "10.0.0.9", rest: "2h" },
      { for: [{}], to: "10.0.0.9", entries: "Some" },
      sink({}),
      sink({ file: { path: "/a" }, nginx: { path: "/a" } }),
      sink({ file: { path: "/a" }, host: "db", nodes: {} }),
      sink({ host: "db", configMap: { namespace: "a", name: "b" } }),
      sink({ host: "A", file: { path: "/a" } }),
      sink({ nft: { family: "inet", table: "t" } }),
      sink({ nft: { family: "inet", table: "trunkline", ipv4Set: "s" } }),
      sink({ nft: { family: "inet", table: "t; flush ruleset", ipv4Set: "s" } }),
      sink({ postgres: { path: "/a", users: ["a\nhost all all 0.0.0.0/0 trust"] } }),
      sink({ postgres: { path: "/a", method: "trust #" } }),
      sink({ postgres: { path: "/a", port: 0 } }),
      sink({ haproxy: { path: "/a", socket: "/b", value: "x;y" } }),
      sink({ rds: { region: "cn-hangzhou", instance: "rm-1", listName: "default" } }),
      sink({ name: "-", file: { path: "/a" } }),
      {
        ...sink({ file: { path: "/a" } }),
        sinks: many(2, (one) => ({ name: "s", file: { path: `/${one}` } })),
      },
    ],
  },
  Host: {
    good: [
      { addresses: [] },
      {
        addresses: ["10.0.0.9", "fd00::9"],
        ports: [{ port: 80 }, { port: 53, protocol: "UDP" }],
        admit: ["10.0.0.0/8"],
        role: "router",
      },
    ],
    bad: [
      {},
      { addresses: ["10.0.0.0/8"] },
      { addresses: [], ports: [{ port: 65_536 }] },
      { addresses: [], ports: [{ port: 80, protocol: "ICMP" }] },
      { addresses: [], admit: ["10.0.0.9"] },
      { addresses: [], role: "switch" },
    ],
  },
  Subnet: {
    good: [
      { zone: "a", cidr: "10.2.1.0/24" },
      { zone: "a", cidr: "10.2.1.0/29", gateway: "10.2.1.1", vlan: 4094, parents: [{ interface: "eth1" }] },
    ],
    bad: [
      { cidr: "10.2.1.0/24" },
      { zone: "", cidr: "10.2.1.0/24" },
      { zone: "a", cidr: "10.2.1.0/30" },
      { zone: "a", cidr: "fd00::/64" },
      { zone: "a", cidr: "10.2.1.0/24", gateway: "10.2.2.1" },
      { zone: "a", cidr: "10.2.1.0/24", gateway: "fd00::1" },
      { zone: "a", cidr: "10.2.1.0/24", gateway: "router" },
      { zone: "a", cidr: "10.2.1.0/24", vlan: 4095 },
      { zone: "a", cidr: "10.2.1.0/24", parents: [{ interface: "" }] },
    ],
  },
  SubnetLedger: {
    good: [{ interfaces: [] }, ledger({}), ledger({ assigned: [{ token: "a", addresses: ["10.2.1.2"] }] })],
    bad: [
      {},
      ledger({ id: "" }),
      ledger({ status: "Lost" }),
      ledger({ addresses: ["10.2.1"] }),
      ledger({ addresses: ["fd00::1"] }),
      ledger({ createdAt: "then" }),
      { interfaces: [...ledger({}).interfaces, ...ledger({ token: "u" }).interfaces] },
    ],
  },
  SecurityGroup: {
    good: [
      {},
      { ingress: [], egress: [{ peers: ["10.0.0.0/8", "sg-1"], ports: ["80/tcp", "65535/udp", "9/sctp"] }] },
    ],
    bad: [
      { ingress: [{}] },
      { ingress: [{ peers: [""] }] },
      { ingress: [{ peers: [], ports: ["80"] }] },
      { ingress: [{ peers: [], ports: ["0/tcp"] }] },
      { ingress: [{ peers: [], ports: ["65536/tcp"] }] },
      { ingress: [{ peers: [], ports: ["80/icmp"] }] },
    ],
  },
  PodNetworking: {
    good: [
      {},
      {
        eniOptions: { eniType: "Trunk" },
        ...selector("Exists"),
        vSwitchOptions: ["vsw-1"],
        securityGroupIDs: ["sg-1"],
      },
      { selector: { podSelector: { matchLabels: { foo: "bar" } }, namespaceSelector: {} } },
      held({ releaseStrategy: "TTL", releaseAfter: "1h" }),
      held({ releaseStrategy: "Never", releaseAfter: "1h" }),
      held({}),
      { allocationType: { releaseAfter: "90m" } },
    ],
    bad: [
      { eniOptions: { eniType: "Other" } },
      { vSwitchOptions: [""] },
      { securityGroupIDs: many(11, (one) => `sg-${one}`) },
      { vSwitchSelectOptions: { vSwitchSelectionPolicy: "least" } },
      held({ releaseStrategy: "TTL" }),
      held({ releaseStrategy: "TTL", releaseAfter: "0s" }),
      held({ releaseStrategy: "Never", releaseAfter: "soon" }),
      held({ releaseAfter: "-1h" }),
      { allocationType: { type: "Sticky" } },
    ],
  },
  PodENI: {
    good: [
      {},
      {
        zone: "a",
        allocations: [{ eni: { id: "eni-1" }, ipv4: "whatever it was", allocationType: { type: "Odd" } }],
      },
    ],
    bad: [{ allocations: [{}] }, { zone: 7 }],
  },
  BGPConfiguration: {
    good: [
      {},
      {
        asNumber: 64_512,
        listenPort: 1179,
        communities: [{ name: "gold", value: "65000:100" }],
        prefixAdvertisements: [{ cidr: "10.1.0.0/16", communities: ["gold", "65000:1:2"] }],
        nodeMeshPassword: { secretKeyRef: { name: "bgp", key: "mesh" } },
        nodeMeshMaxRestartTime: "120s",
        serviceClusterIPs: [{ cidr: "172.21.0.0/20" }],
        ignoredInterfaces: ["docker*", "veth?", "eth0.7@x"],
        bindMode: "NodeIP",
        logSeverityScreen: "Info",
      },
    ],
    bad: [
      { listenPort: 0 },
      { communities: [{ name: "", value: "65000:100" }] },
      { communities: [{ name: "a", value: "65536:1" }] },
      { prefixAdvertisements: [{ cidr: "10.1.0.0/16", communities: ["gold"] }] },
      { nodeMeshPassword: { secretKeyRef: { name: "bgp" } } },
      { nodeMeshMaxRestartTime: "1.5s" },
      { serviceClusterIPs: [{ cidr: "172.21.0.1/20" }] },
      { ignoredInterfaces: ['eth0"; '] },
      { bindMode: "Some" },
    ],
  },
  BGPPeer: {
    good: [
      peer({}),
      peer({ node: "n", nodeSelector: "", peerSelector: "" }),
      peer({ nextHopMode: "Self", ttlSecurity: 255, numAllowedLocalASNumbers: 0, localASNumber: "1.10" }),
      peer({
        password: { secretKeyRef: { name: "a", key: "b", optional: true } },
        filters: ["f"],
        reachableBy: "10.0.0.2",
      }),
      { peerIP: "", peerSelector: "has(rr)", reversePeering: "Manual" },
      { localWorkloadSelector: "all()" },
    ],
    bad: [
      {},
      { peerIP: "10.0.0.1" },
      peer({ node: "n", nodeSelector: "all()" }),
      peer({ peerSelector: "all()" }),
      { peerSelector: "all()", asNumber: 65_001 },
      { peerSelector: "all()", reachableBy: "10.0.0.2" },
      peer({ keepOriginalNextHop: true, nextHopMode: "Keep" }),
      peer({ ttlSecurity: 256 }),
      peer({ numAllowedLocalASNumbers: -1 }),
      peer({ reachableBy: "fd00::1" }),
      peer({ reachableBy: "router" }),
      peer({ sourceAddress: "Any" }),
      peer({ filters: [""] }),
      peer({ maxRestartTime: "2h" }),
    ],
  },
  BGPFilter: {
    good: [
      {},
      filter({}),
      filter({
        cidr: "10.0.0.0/8",
        matchOperator: "In",
        prefixLength: { min: 8, max: 32 },
        source: "RemotePeers",
      }),
      filter({
        interface: "eth*",
        peerType: "eBGP",
        priority: 1,
        communities: { values: ["1:2"] },
        asPathPrefix: [1, "1.2"],
      }),
      filter({
        operations: [
          { addCommunity: { value: "1:2:3" } },
          { prependASPath: { prefix: [64_512, "1.10"] } },
          { setPriority: { value: 2_147_483_647 } },
        ],
      }),
      {
        exportV6: [
          { action: "Reject", cidr: "fd00::/8", matchOperator: "NotEqual", prefixLength: { max: 128 } },
        ],
      },
    ],
    bad: [
      { importV4: [{}] },
      { importV4: [{ action: "accept" }] },
      filter({ cidr: "10.0.0.0/8" }),
      filter({ matchOperator: "In" }),
      filter({ cidr: "fd00::/8", matchOperator: "In" }),
      { importV6: [{ action: "Accept", cidr: "10.0.0.0/8", matchOperator: "In" }] },
      filter({ prefixLength: { min: 8 } }),
      filter({ cidr: "10.0.0.0/8", matchOperator: "In", prefixLength: { min: 33 } }),
      filter({ cidr: "10.0.0.0/8", matchOperator: "In", prefixLength: { min: 9, max: 8 } }),
      filter({ source: "Anybody" }),
      filter({ interface: 'eth0" then accept; #' }),
      filter({ interface: "eth0\naccept" }),
      filter({ priority: 0 }),
      filter({ communities: { values: ["1:2:3:4"] } }),
      filter({ asPathPrefix: [0] }),
      filter({ asPathPrefix: ["x"] }),
      filter({ operations: [{}] }),
      filter({ operations: [{ addCommunity: { value: "1:2" }, setPriority: { value: 1 } }] }),
      filter({ operations: [{ setPriority: { value: 2_147_483_648 } }] }),
      { importV4: [{ action: "Reject", operations: [{ addCommunity: { value: "1:2" } }] }] },
      { importV4: many(257, () => ({ action: "Accept" })) },
    ],
  },
  RoutingConfiguration: {
    good: [
      {},
      {
        protocols: ["bgp", "rip"],
        rip: {
          interfaces: ["eth.*"],
          updateTime: "5s",
          timeoutTime: "1m",
          garbageTime: "65535s",
          password: {},
        },
        nodeAddress: { ipv4: "cidr=10.0.0.0/8, 192.168.0.0/16", ipv6: "none" },
        mtu: { pod: 0, ipip: 1480, vxlan: 576 },
        gracefulRestartTime: "4095s",
        flowTables: "Auto",
      },
    ],
    bad: [
      { protocols: ["ospf"] },
      { rip: { interfaces: [""] } },
      { rip: { updateTime: "0s" } },
      { nodeAddress: { ipv4: "cidr=fd00::/8" } },
      { nodeAddress: { ipv6: "can-reach=10.0.0.1" } },
      { mtu: { pod: 575 } },
      { mtu: { pod: 65_536 } },
      { gracefulRestartTime: "4096s" },
      { flowTables: "Perhaps" },
    ],
  },
};

/** What servers have no words for, and take: where it is used it counts as absent, or shuts, and that is told. */
export const toldHereOnly: readonly (readonly [kind: string, spec: object])[] = [
  ["IPPool", { cidr: "10.1.0.0/16", nodeSelector: "zone ==" }],
  ["BGPPeer", { peerSelector: "has(" }],
  ["RoutingConfiguration", { rip: { interfaces: ["eth("] } }],
  ["RoutingConfiguration", { nodeAddress: { ipv4: "interface=eth(" } }],
  ["SourceNAT", rule({ type: "Address", addresses: ["10.0.0.9-10.0.0.1"] })],
  ["SourceNAT", rule({ type: "None" }, { podSelector: { matchLabels: { "a b": "c" } } })],
  ["BGPFilter", filter({ asPathPrefix: ["0.0"] })],
  ["BGPConfiguration", { prefixAdvertisements: [{ cidr: "10.1.0.0/16", communities: ["99999:1"] }] }],
];

const ranges =
  `10.0.0.0/8 10.0.0.1/8 10.0.0.0/33 10.0.0.0/-1 10.0.0.0/08 10.0.0.0 10.0.0/8 010.0.0.0/8 0.0.0.0/0 ::/0 fd00::/8
  fd00::1/8 FD00::/8 fd00:0:0:0:0:0:0:0/8 1:2:3:4:5:6:7::/112 ::ffff:10.0.0.0/104 64:ff9b::1.2.3.4/128 fd00::/129 fe80::%1/64
  10.0.0.0/8/8 /8 1.2.3.256/32 1.2.3.4/32 1.2.3.4/+32 1:2:3:4:5:6:7:8:9/128 ::1::/128 g::/8 10.0.0.0/8,`.split(
    /\s+/,
  );
const addresses =
  `10.0.0.1 10.0.0 10.0.0.01 10.0.0.256 10.0.0.1/32 ::1 :: fd00::1 FD00::1 fd00:0:0:0:0:0:0:1 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7::
  1:2:3:4:5:6:7:8:: ::ffff:1.2.3.4 ::1.2.3.4 fe80::1%eth0 [::1] 12345::1 :1 1: 1.2.3.4.5 0x1.2.3.4 1.2.3.4: ::g`.split(
    /\s+/,
  );
const durations =
  `0 0s 5s 1m 1h 1h1s 59m60s 3600s 3601s 1.5s 1.5m .5s 5. 5.s -5s -0s +5s 5 5d s 1h30m 1500ms 2000ms 1us 1µs 99999999999h 5s5 1e3s
  4095s 4096s 65535s 65536s 1s1 0.0s`.split(/\s+/);
const peers =
  `10.0.0.1 10.0.0.1:179 10.0.0.1:0 10.0.0.1:65536 10.0.0.1:00179 10.0.0.1: [fd00::1] [fd00::1]:179 [fd00::1]:0 [10.0.0.1]:179 fd00::1
  fd00::1:179 [fd00::1 fd00::1] [fd00::1]179 [::1]:1:2 ::ffff:1.2.3.4 [::ffff:1.2.3.4]:1 host:179 []:1 10.0.0.1:1:2`.split(
    /\s+/,
  );
const asNumbers =
  `64512 0 1 4294967295 4294967296 0000000001 99999999999 1.10 0.1 0.0 65535.65535 65536.1 1.65536 1.2.3 .1 1. x AS64512 -1
  0000000001.10`.split(/\s+/);
const communities =
  "1:2 65535:65535 65536:1 1:65536 1:2:3 4294967295:4294967295:0 4294967296:1:1 1 1:2:3:4 :1 1: a:b 00001:2 1:2:".split(
    " ",
  );
const methods = [
  ..."first-found first-found= none none=x kubernetes-internal-ip interface=eth.* skip-interface=docker,veth interface= interface=a,,b interface=a,".split(
    " ",
  ),
  ..."interface=a=b can-reach=10.0.0.1 can-reach= can-reach=fd00::1 can-reach=host cidr=10.0.0.0/8 cidr=10.0.0.1/8 cidr= cidr=10.0.0.0/8,".split(
    " ",
  ),
  "can-reach= 10.0.0.1",
  "interface= ,a",
  "interface=a, b",
  "cidr=10.0.0.0/8, 192.168.0.0/16",
  "cidr=10.0.0.0/8,fd00::/8",
  "cidr=10.0.0.0/8,x",
  "other",
  "",
];
const destinations =
  `host/db host/db:5432 host/db:0 host/db:65536 host/db:00080 host/db:80/tcp host/db:80/TCP host/db:80/icmp 10.0.0.9 10.0.0.9:80 10.0.0.9:80/tcp
  10.0.0.0/24 10.0.0.0/24:80 10.0.0.1/24 [fd00::1]:80 [fd00::1] fd00::1:80 fd00::/64 [10.0.0.1]:80 deployment/shop/db:80 a/b/c/d host/ db host/DB host/db;x
  : :80 []:80 [x]:80 [[::1]] host/a..b host/-a host/a- ::ffff:1.2.3.4`.split(/\s+/);
const paths = [
  "/a",
  "/a/b.c",
  "relative",
  "/a/../etc",
  "/a/./b",
  "/..",
  "/...",
  "/a//b",
  "/",
  "/a/",
  "/a b",
  "/a;b",
  "/a\nb",
  "/a$b",
  "/é",
  "//a",
  "/a.b/..c",
];
const urls = [
  ..."https://lists.example.org/db https://[::1]:8443/a?b=c#d HTTPS://EXAMPLE.ORG http://127.0.0.1/ http://127.0.0.1:8080/x http://[::1]/ http://localhost".split(
    " ",
  ),
  ..."http://lists.example.org/ http://127.0.0.1.example.org/ http://localhost.example/ ftp://127.0.0.1/ https://a:b@example.org/ https://a@example.org x https:// https:/a".split(
    " ",
  ),
  "https://exam ple.org/",
  "https://example.org/\n",
  "https://example.org/a b",
  " https://example.org/",
  "https://example.org/é",
  "https://exa\nmple.org/",
];
const spans = "-1/-1 80/80 1/65535 0/1 80/79 80 80/ /80 80/65536 00080/00081 a/b 80/81/82".split(" ");
const words = [
  "a",
  "A",
  "a-b",
  "a.b",
  "-a",
  "a-",
  "a_b",
  "",
  "a b",
  "a\n",
  "a\nb",
  "é",
  "a;",
  'a"',
  "a".repeat(64),
  "a".repeat(63),
  "a".repeat(129),
  "a/b",
  "1",
  "_a",
  "trunkline",
  "trunkline_a",
  "trunkline_",
];

/** Fields of one text (`WORD` in the specification), and what is tried there. */
export const grammars: readonly {
  readonly kind: string;
  readonly spec: object;
  readonly words: readonly string[];
}[] = [
  { kind: "IPPool", spec: { cidr: "WORD", blockSize: 32 }, words: ranges },
  { kind: "AddressBlock", spec: { ...block, cidr: "WORD" }, words: ranges },
  { kind: "Host", spec: { addresses: ["WORD"] }, words: addresses },
  { kind: "Host", spec: { addresses: [], admit: ["WORD"] }, words: ranges },
  {
    kind: "SourceNAT",
    spec: rule({ type: "Address", addresses: ["WORD"] }),
    words: [
      ...ranges,
      ...addresses,
      "10.0.0.1-10.0.0.2",
      "10.0.0.1-",
      "-",
      "10.0.0.1-10.0.0.2-10.0.0.3",
      "fd00::1-fd00::f",
      "a-b",
    ],
  },
  { kind: "AddressList", spec: { for: [{}], to: "10.0.0.9", rest: "WORD" }, words: durations },
  { kind: "PodNetworking", spec: held({ releaseStrategy: "TTL", releaseAfter: "WORD" }), words: durations },
  { kind: "RoutingConfiguration", spec: { gracefulRestartTime: "WORD" }, words: durations },
  { kind: "RoutingConfiguration", spec: { rip: { updateTime: "WORD" } }, words: durations },
  { kind: "RoutingConfiguration", spec: { nodeAddress: { ipv4: "WORD" } }, words: methods },
  { kind: "BGPPeer", spec: { peerIP: "WORD", asNumber: 1 }, words: peers },
  { kind: "BGPPeer", spec: peer({ reachableBy: "WORD" }), words: addresses },
  { kind: "BGPPeer", spec: peer({ asNumber: "WORD" }), words: asNumbers },
  { kind: "BGPConfiguration", spec: { communities: [{ name: "a", value: "WORD" }] }, words: communities },
  { kind: "BGPConfiguration", spec: { ignoredInterfaces: ["WORD"] }, words },
  { kind: "BGPFilter", spec: filter({ communities: { values: ["WORD"] } }), words: communities },
  { kind: "BGPFilter", spec: filter({ interface: "WORD" }), words },
  { kind: "AddressList", spec: { for: [{}], to: "WORD" }, words: destinations },
  {
    kind: "AddressList",
    spec: { for: [{ workload: "WORD" }], to: "10.0.0.9" },
    words: [...destinations, ...words],
  },
  { kind: "AddressList", spec: { for: [{ namespaces: ["WORD"] }], to: "10.0.0.9" }, words },
  { kind: "AddressList", spec: sink({ file: { path: "WORD" } }), words: paths },
  { kind: "AddressList", spec: sink({ http: { url: "WORD" } }), words: urls },
  { kind: "AddressList", spec: sink({ name: "WORD", file: { path: "/a" } }), words },
  { kind: "AddressList", spec: sink({ nft: { family: "ip", table: "WORD", ipv4Set: "s" } }), words },
  { kind: "AddressList", spec: sink({ postgres: { path: "/a", users: ["WORD"] } }), words },
  { kind: "AddressList", spec: sink({ haproxy: { path: "/a", socket: "/b", value: "WORD" } }), words },
  { kind: "AddressList", spec: sink({ rds: { region: "WORD", instance: "rm-1" } }), words },
  { kind: "AddressList", spec: sink({ rds: { region: "cn", instance: "rm", listName: "WORD" } }), words },
  {
    kind: "AddressList",
    spec: sink({ securityGroup: { region: "cn", group: "sg", ports: "WORD" } }),
    words: spans,
  },
  {
    kind: "SecurityGroup",
    spec: { ingress: [{ peers: [], ports: ["WORD"] }] },
    words: "80/tcp 0/tcp 65536/tcp 80 80/TCP 00080/udp 80/sctp 80/tcp/ 80/tcp,81/tcp".split(" "),
  },
  {
    kind: "Subnet",
    spec: { zone: "a", cidr: "10.2.1.0/24", gateway: "WORD" },
    words: [...addresses, "10.2.1.9"],
  },
];
