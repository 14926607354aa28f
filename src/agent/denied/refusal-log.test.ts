// From what the kernel tells to what people read, without a packet: the fake kernel's listener is told by the test.
import { Registry } from "prom-client";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Event, Pod } from "../../api/kinds/core.ts";
import { eventKind } from "../../api/kinds/core.ts";
import { type NetworkPolicy, STAGE_ANNOTATION } from "../../api/kinds/network-policy.ts";
import { silent } from "../../base/log.ts";
import { fakeMachine, type Kernel, type LoggedPacket } from "../../kernel/index.ts";
import { type ClusterFacts, emptyFacts, type NodeFacts } from "../../plan/facts.ts";
import { LOG_GROUP } from "../../plan/policy/nft/refusals.ts";
import { NodePolicy } from "../../plan/policy/node/node-policy.ts";
import { memoryStore } from "../../store/memory.ts";
import type { Store } from "../../store/store.ts";
import { RefusalLog } from "./refusal-log.ts";

const meta = { resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z", namespace: "x" };
const pod = (name: string, ip: string): Pod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { ...meta, name, uid: name, labels: { app: name } },
  spec: { nodeName: "n1", containers: [{ name: "c" }] },
  status: { phase: "Running", podIPs: [{ ip }] },
});
const policy: NetworkPolicy = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { ...meta, name: "only-friends", uid: "p" },
  spec: {
    podSelector: { matchLabels: { app: "web" } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: "friend" } } }], ports: [{ port: 80 }] }],
  },
};

let kernel: Kernel;
let log: RefusalLog;
let store: Store;
let model: NodePolicy["model"];
let stagedModel: typeof model | undefined;
const facts: ClusterFacts = {
  ...emptyFacts(),
  hosts: new Map([
    [
      "office",
      {
        apiVersion: "trunkline.dev/v1alpha1",
        kind: "Host",
        metadata: { ...meta, name: "office", uid: "h" },
        spec: { addresses: ["172.17.0.9"] },
      } as never,
    ],
  ]),
};
let heard: (packets: readonly LoggedPacket[], lost: number) => void;

beforeEach(async () => {
  const machine = fakeMachine();
  machine.createNetns("node");
  const opened = machine.open({ name: "node" });
  const parts: Pick<Kernel, "links" | "nft" | "packetLog"> = {
    links: opened.links,
    nft: opened.nft,
    packetLog: (group, onPackets) => {
      expect(group).toBe(LOG_GROUP);
      heard = onPackets;
      return { stop: () => {} };
    },
  };
  kernel = parts as Kernel;
  opened.links.add({ kind: "dummy", name: "tl0000000000001" });
  const policies = new NodePolicy({ peer() {}, row() {}, local() {} });
  model = policies.model;
  policies.setPod("x/web", pod("web", "10.0.0.1"));
  policies.setPod("x/stranger", pod("stranger", "10.0.0.2"));
  policies.setPolicy("x/only-friends", policy);
  stagedModel = undefined;
  store = memoryStore();
  const models = { model: () => model, stagedModel: () => stagedModel };
  log = new RefusalLog({ node: "n1", kernel, store, logger: silent, facts, ...models });
  const endpoint = { pod: "x/web", uid: "web", interface: "tl0000000000001", ips: ["10.0.0.1"] };
  const node: NodeFacts = { node: "n1", addresses: [], uplink: "lo", endpoints: new Map([["e", endpoint]]) };
  await log.apply(facts, node, new Map([["endpoints", "all"]]));
});

const link = () => kernel.links.get("tl0000000000001")?.index ?? 0;
const packet = (source: string, site = "ingress"): LoggedPacket => ({
  prefix: `trunkline ${site}`,
  inLink: undefined,
  outLink: link(),
  sequence: 0,
  ends: { source, destination: "10.0.0.1", protocol: 6, sourcePort: 4000, port: 80 },
});
const answer = async (query = "") => log.answers["/denied"](new URLSearchParams(query));

describe("the log of refusals", () => {
  it("names both ends, the policy and what would help, once a flow", async () => {
    heard([packet("10.0.0.2"), packet("10.0.0.2")], 3);
    const { refusals, lost, deaf, last } = await answer();
    expect(refusals).toEqual([
      expect.objectContaining({
        number: 1,
        packets: 2,
        node: "n1",
        direction: "ingress",
        from: { name: "pod/x/stranger", address: "10.0.0.2" },
        to: { name: "pod/x/web", address: "10.0.0.1" },
        port: "80/tcp",
        by: { kind: "policy", site: "ingress", policies: ["x/only-friends"] },
        help: "label app=friend on pod x/stranger (x/only-friends, spec.ingress[0].from[0])",
      }),
    ]);
    expect([lost, deaf, last]).toEqual([3, null, 1]);
    expect((await answer("after=1")).refusals).toEqual([]);
  });

  it("names hosts, and nobody where nobody has the address", async () => {
    heard([packet("172.17.0.9"), packet("203.0.113.9")], 0);
    expect((await answer()).refusals.map(({ from }) => from.name)).toEqual(["host/office", null]);
  });

  it("passes over what is no prefix of ours", async () => {
    heard([packet("10.0.0.2", "of another kind"), { ...packet("10.0.0.2"), prefix: "theirs" }], 0);
    expect((await answer()).refusals).toEqual([]);
  });

  it("counts a packet as lost whose link the kernel does not tell of now, and hears those that follow", async () => {
    const packets = [packet("172.17.0.9"), packet("10.0.0.2")];
    const get = vi.spyOn(kernel.links, "get").mockImplementationOnce(() => {
      throw new Error("no buffer space");
    });
    heard(packets, 0);
    get.mockRestore();
    const { refusals, lost } = await answer();
    expect([refusals.map(({ from }) => from.name), lost]).toEqual([["pod/x/stranger"], 1]);
  });

  it("tells the pod once, however many ask", async () => {
    heard([packet("10.0.0.2"), packet("172.17.0.9"), packet("203.0.113.9")], 0);
    await expect
      .poll(async () => ((await store.list(eventKind)).items as Event[]).map(({ message }) => message))
      .toEqual(["ingress is refused by policy x/only-friends: trunkline denied --pod web -n x shows what"]);
  });

  it("counts for each policy that isolates, and only grows when the kernel's counter begins anew", async () => {
    let packets = 5;
    const counted = () => [
      { set: { elem: [{ elem: { val: "tl0000000000001", counter: { packets, bytes: 1 } } }] } },
    ];
    kernel.nft.list = async (command) => (command.endsWith("policy-denied-in") ? counted() : undefined);
    const registry = new Registry();
    log.meter(registry);
    const value = async () =>
      /trunkline_denied_packets_total\{namespace="x",policy="only-friends",direction="ingress"\} (\d+)/.exec(
        await registry.metrics(),
      )?.[1];
    expect(await value()).toBe("5");
    packets = 7;
    expect(await value()).toBe("7");
    packets = 2;
    expect(await value()).toBe("9");
    expect((await answer("counts=1")).counts).toEqual([
      { pod: "x/web", by: "ingress", packets: 2, bytes: 1 },
    ]);
  });

  it("leaves other figures to be had where the kernel refuses these, and says how often", async () => {
    const registry = new Registry();
    log.meter(registry);
    kernel.nft.list = () => Promise.reject(new Error("interrupted"));
    await registry.metrics();
    expect(await registry.metrics()).toMatch(/^trunkline_denied_read_failures_total [12]$/m);
  });

  it("keeps what staged policies would refuse apart, and names them", async () => {
    const rehearsed = new NodePolicy({ peer() {}, row() {}, local() {} }, true);
    rehearsed.setPod("x/web", pod("web", "10.0.0.1"));
    rehearsed.setPod("x/stranger", pod("stranger", "10.0.0.2"));
    const annotations = { [STAGE_ANNOTATION]: "true" };
    rehearsed.setPolicy("x/new", { ...policy, metadata: { ...policy.metadata, name: "new", annotations } });
    stagedModel = rehearsed.model;
    heard([packet("10.0.0.2", "would-ingress")], 0);
    expect((await answer()).refusals).toEqual([]);
    const { refusals } = await answer("would=1");
    expect(refusals).toMatchObject([
      {
        direction: "ingress",
        from: { name: "pod/x/stranger" },
        by: { kind: "staged", site: "would-ingress", policies: ["x/new"] },
      },
    ]);
    expect(refusals[0]?.reason).toContain("would be isolated for ingress by x/new");
    // It passed: nobody is told that it was refused.
    expect((await store.list(eventKind)).items).toEqual([]);
  });
});
