import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Pod } from "../../api/kinds/core.ts";
import type { FlowTables, RoutingConfiguration } from "../../api/kinds/routing/routing-configuration.ts";
import { TrunklineError } from "../../base/errors.ts";
import { silent } from "../../base/log.ts";
import type { Kernel, NftFlowLinks, NftHeading, NftSetChange } from "../../kernel/kernel.ts";
import { changeText } from "../../kernel/nft/text.ts";
import { type ClusterFacts, emptyFacts, type LocalEndpoint, type NodeFacts } from "../../plan/facts.ts";
import { noRules, type Ruleset, rulesetOf } from "../../plan/foreign/index.ts";
import { memoryStore } from "../../store/memory.ts";
import { FlowManager } from "./flow-manager.ts";

const WHOLE = "delete table inet trunkline-flow\nadd table";
const CLEARED = "add table inet trunkline-flow\ndelete table inet trunkline-flow\n";

/** A kernel that keeps the transactions that it was given, and has these links. */
function standIn() {
  const texts: string[] = [];
  const links = new Set(["lo", "eth0"]);
  const state = {
    texts,
    links,
    refuse: undefined as RegExp | undefined,
    hooked: undefined as string[] | undefined,
  };
  const kernel = {
    ipsecPolicies: () => 0,
    links: {
      list: () => [...links].map((name) => ({ name })),
      get: (name: string) => (links.has(name) ? { name } : undefined),
    },
    nft: {
      run: async (text: string) => {
        if (state.refuse?.test(text))
          throw new TrunklineError("kernel.nft", { text: "Operation not supported\nmore", commands: text });
        texts.push(text);
      },
      change: async (place: NftHeading, sets: readonly NftSetChange[], hooks: NftFlowLinks) => {
        await kernel.nft.run(changeText(place, sets, hooks));
      },
      list: async () => [
        { flowtable: { table: "other", name: "flows", dev: [] } },
        ...(state.hooked
          ? [{ flowtable: { table: "trunkline-flow", name: "flows", dev: state.hooked } }]
          : []),
      ],
    },
  };
  return { ...state, state, kernel };
}

let machine: ReturnType<typeof standIn>;
let manager: FlowManager;
let others: Ruleset;
let facts: ClusterFacts;
let endpoints: Map<string, LocalEndpoint>;
let node: NodeFacts;
let pods: Map<string, Pod>;

beforeEach(() => {
  vi.useFakeTimers();
  machine = standIn();
  others = noRules;
  pods = new Map();
  facts = { ...emptyFacts(), pods };
  endpoints = new Map();
  node = { node: "n1", addresses: [], uplink: "eth0", endpoints };
  manager = new FlowManager({
    node: "n1",
    kernel: machine.kernel as unknown as Kernel,
    netns: "self",
    store: memoryStore(),
    logger: silent,
    places: () => new Map(),
    others: async () => others,
  });
});
afterEach(async () => {
  await manager.stop();
  vi.useRealTimers();
});

function put(name: string, annotations: Record<string, string> = {}): void {
  const metadata = {
    name,
    namespace: "x",
    uid: name,
    resourceVersion: "1",
    creationTimestamp: "",
    annotations,
  };
  pods.set(`x/${name}`, { apiVersion: "v1", kind: "Pod", metadata, spec: { containers: [] } });
  machine.links.add(`tl-${name}`);
  endpoints.set(name, {
    pod: `x/${name}`,
    uid: name,
    interface: `tl-${name}`,
    ips: [`10.1.0.${endpoints.size + 1}`],
  });
}

function setting(flowTables: FlowTables): void {
  const routingConfigurations = new Map([["default", { spec: { flowTables } } as RoutingConfiguration]]);
  facts = { ...facts, routingConfigurations };
}

/** Tells the manager of a change, lets it settle, and returns the transactions that it made. */
async function told(kind = "endpoints"): Promise<string[]> {
  machine.texts.length = 0;
  await manager.apply(facts, node, new Map([[kind, "all"]]));
  return await done();
}

async function looked(): Promise<string[]> {
  machine.texts.length = 0;
  await manager.resync(facts, node);
  return await done();
}

async function done(): Promise<string[]> {
  await vi.advanceTimersByTimeAsync(1000);
  await manager.settled();
  return [...machine.texts];
}

const state = () => manager.answers["/flow-tables"]();

describe("flow tables of a node", () => {
  it("are made once the kernel was asked, with the node's uplink and its pods", async () => {
    put("a");
    const [probe, whole, ...more] = await told();
    expect(probe).toContain("-probe");
    expect(whole).toContain(WHOLE);
    expect(whole).toContain('devices = { "eth0", "tl-a" }');
    expect(more).toEqual([]);
    expect(await state()).toEqual({ on: true, links: 2 });
  });

  it("follow pods by what changed alone, in one transaction for many", async () => {
    put("a");
    await told();
    put("b");
    put("c");
    await manager.apply(facts, node, new Map([["endpoints", new Set(["b"])]]));
    expect(await told()).toEqual([expect.stringMatching(/^add element .*add flowtable .*"tl-b", "tl-c"/s)]);
    endpoints.delete("a");
    machine.links.delete("tl-a");
    expect(await told()).toEqual([expect.stringMatching(/^delete element .* flow-links \{ "tl-a" \}/)]);
  });

  it("are not looked at for other nodes' pods, however many come and go", async () => {
    put("a");
    await told();
    put("b");
    const pods = (key: string) => manager.apply(facts, node, new Map([["pods", new Set([key])]]));
    machine.texts.length = 0;
    await pods("x/elsewhere");
    expect(await done()).toEqual([]);
    await pods("x/b");
    expect(await done()).toEqual([expect.stringContaining('"tl-b"')]);
  });

  it("are made anew where a pod that lives loses them: its flows must go", async () => {
    put("a");
    await told();
    put("a", { "kubernetes.io/egress-bandwidth": "1M" });
    const [whole] = await told("pods");
    expect(whole).toContain(WHOLE);
    expect(whole).not.toContain("tl-a");
  });

  it("wait for a pod's object, and for its link", async () => {
    put("a");
    pods.clear();
    await told();
    expect(await state()).toEqual({ on: true, links: 1 });
    put("a");
    machine.links.delete("tl-a");
    expect(await told("pods")).toEqual([]);
    machine.links.add("tl-a");
    expect(await told("pods")).toHaveLength(1);
    expect(await state()).toEqual({ on: true, links: 2 });
  });

  it("are left alone on a kernel without them, which is asked once, and is no fault unless they are asked for", async () => {
    machine.state.refuse = /-probe/;
    put("a");
    expect(await told()).toEqual([]);
    machine.state.refuse = /./;
    expect(await looked()).toEqual([]);
    expect(await state()).toEqual({
      on: false,
      why: "the kernel has no flow tables (nft: Operation not supported)",
      links: 0,
    });
    expect(manager.problems()).toEqual([]);
    setting("Enabled");
    await told("routingconfigurations");
    expect(manager.problems()).toEqual([
      { code: "agent.no-flows", message: expect.stringContaining("has no flow tables"), object: "Node/n1" },
    ]);
  });

  it("go where the setting says so, and come back", async () => {
    put("a");
    await told();
    setting("Disabled");
    expect(await told("routingconfigurations")).toEqual([CLEARED]);
    expect(await told("routingconfigurations")).toEqual([]);
    setting("Auto");
    expect(await told("routingconfigurations")).toEqual([expect.stringContaining(WHOLE)]);
  });

  it("of an earlier agent go where they are disabled now", async () => {
    setting("Disabled");
    expect(await told()).toEqual([CLEARED]);
  });

  it("go where others' rules may refuse packets of open connections", async () => {
    put("a");
    await told();
    others = forward("-A FORWARD -s 10.9.0.0/16 -j DROP");
    expect(await looked()).toEqual([CLEARED]);
    expect(await state()).toMatchObject({
      on: false,
      why: expect.stringContaining("-s 10.9.0.0/16 -j DROP"),
    });
    others = noRules;
    expect(await looked()).toEqual([expect.stringContaining(WHOLE)]);
  });

  it("are made anew where others' rules changed that open connections meet", async () => {
    put("a");
    await told();
    machine.state.hooked = ["eth0", "tl-a"];
    expect(await looked()).toEqual([]);
    others = forward("-A FORWARD -s 10.1.0.0/16 -j ACCEPT");
    expect(await looked()).toEqual([expect.stringContaining(WHOLE)]);
  });

  it("are healed where somebody took links out, or all of it", async () => {
    put("a");
    await told();
    machine.state.hooked = ["eth0"];
    expect(await looked()).toEqual([expect.stringContaining(WHOLE)]);
    machine.state.hooked = undefined;
    expect(await looked()).toEqual([expect.stringContaining(WHOLE)]);
  });

  it("are judged anew after a cut, and only where there are any", async () => {
    setting("Disabled");
    await told();
    machine.texts.length = 0;
    await manager.renew();
    expect(machine.texts).toEqual([]);
    setting("Auto");
    put("a");
    await told();
    machine.texts.length = 0;
    await manager.renew();
    expect(machine.texts).toEqual([expect.stringContaining(WHOLE)]);
  });

  it("of an earlier agent go after a cut before anybody has looked", async () => {
    await manager.renew();
    expect(machine.texts).toEqual([CLEARED]);
  });

  it("go altogether where they cannot be judged anew, and are tried again", async () => {
    put("a");
    await told();
    machine.texts.length = 0;
    machine.state.refuse = /add flowtable/;
    await manager.renew();
    expect(machine.texts).toEqual([CLEARED]);
    machine.state.refuse = undefined;
    await vi.advanceTimersByTimeAsync(11_000);
    expect(machine.texts.at(-1)).toContain(WHOLE);
  });
});

function forward(...rules: string[]): Ruleset {
  const text = `*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n${rules.join("\n")}\nCOMMIT\n`;
  return rulesetOf({ iptables: [{ store: "iptables-nft", family: 4, text }], nft: [], unreadable: [] });
}
