// What one ADD, one DEL and one change of a policy ask of the kernel and the disk, counted and compared with costs.json: no
// timing, which says little on a shared machine, but what time is made of. Whoever makes one dearer says so in that
// file, and why in the commit; whoever makes one cheaper writes down the new figure, so that it stays.
import { readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { standardParts } from "../../src/agent/standard.ts";
import { namespaceKind, podKind } from "../../src/api/kinds/core.ts";
import { ipPoolKind } from "../../src/api/kinds/ip-pool.ts";
import { type NetworkPolicy, networkPolicyKind } from "../../src/api/kinds/network-policy.ts";
import { libc } from "../../src/kernel/ffi/libc.ts";
import { loadNftables } from "../../src/kernel/nft/library.ts";
import { TestNode } from "./agent-node.ts";

/** Of one operation. */
interface Cost {
  /** Requests over netlink that we make ourselves: several in one message count once. */
  netlinkMessages: number;
  /** Other calls of the C library: sockets, namespaces, waiting. */
  libraryCalls: number;
  /** Transactions of libnftables, each of which looks at the table and asks the kernel several times. */
  nftTransactions: number;
  /** Lines of these. */
  nftLines: number;
  storeWrites: number;
}

const expected = JSON.parse(readFileSync(path.join(import.meta.dirname, "costs.json"), "utf8")) as Record<
  string,
  Cost
>;
const WARM_UP = 4;
const ROUNDS = 9;
/** Longer than managers gather changes for. */
const QUIET_MS = 150;
const PATIENCE_MS = 10_000;

let node: TestNode;
let cost = none();
const restore: (() => void)[] = [];

function none(): Cost {
  return { netlinkMessages: 0, libraryCalls: 0, nftTransactions: 0, nftLines: 0, storeWrites: 0 };
}

type Method = (...values: unknown[]) => unknown;

/** Has every call of an object's methods told, until the tests are over. */
function tell(object: object, told: (name: string, values: readonly unknown[]) => void): void {
  const methods = object as Record<string, Method>;
  for (const [name, method] of Object.entries(methods)) {
    methods[name] = (...values) => {
      told(name, values);
      return method.apply(object, values);
    };
    restore.push(() => {
      methods[name] = method;
    });
  }
}

beforeAll(async () => {
  node = new TestNode();
  const { store } = node;
  const created = async (
    kind: typeof podKind | typeof ipPoolKind | typeof networkPolicyKind,
    object: unknown,
  ) => store.create(kind as typeof podKind, object as never);
  await store.create(namespaceKind, { apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } });
  await created(ipPoolKind, {
    apiVersion: "projectcalico.org/v3",
    kind: "IPPool",
    metadata: { name: "pool" },
    spec: { cidr: "10.9.0.0/16", natOutgoing: true },
  });
  await created(networkPolicyKind, policy("first", 80));
  for (let n = 0; n < WARM_UP + ROUNDS; n++)
    await created(podKind, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: `p${n}`, namespace: "default", labels: { app: "web" } },
      spec: { nodeName: node.name, containers: [{ name: "c", image: "x" }] },
    });
  const agent = await node.start(standardParts);
  await agent.ready;
  tell(libc(), (name) => {
    // Errors are read by whoever wants to know, and waiting for events is no work.
    if (/^(errno|epollWaitAsync)$/.test(name)) return;
    if (name.startsWith("send")) cost.netlinkMessages++;
    else cost.libraryCalls++;
  });
  tell(loadNftables(), (name, [, commands]) => {
    if (name !== "run" && name !== "runAsync") return;
    cost.nftTransactions++;
    cost.nftLines += String(commands)
      .split("\n")
      .filter((line) => line.trim() !== "").length;
  });
  for (const name of ["create", "update", "delete"] as const) {
    const method = store[name].bind(store) as Method;
    (store as unknown as Record<string, Method>)[name] = (...values) => {
      cost.storeWrites++;
      return method(...values);
    };
  }
}, 30_000);

afterAll(async () => {
  for (const undo of restore) undo();
  await node.stop();
});

/** Waits until rules were written and nothing more is asked for a while. */
async function settled(): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  for (let before = ""; Date.now() < end; ) {
    await sleep(QUIET_MS);
    const now = JSON.stringify(cost);
    if (now === before && cost.netlinkMessages > 0) return;
    before = now;
  }
  throw new TypeError(`not settled: ${JSON.stringify(cost)}`);
}

/** Returns what an operation costs with all that follows from it: the least, as timers add to some. */
async function costOf(operation: (round: number) => Promise<unknown>): Promise<Cost> {
  const costs: Cost[] = [];
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    cost = none();
    await operation(round);
    await settled();
    if (round >= WARM_UP) costs.push(cost);
  }
  const least = (figure: keyof Cost): number => Math.min(...costs.map((one) => one[figure]));
  const figures = Object.keys(none()) as (keyof Cost)[];
  return Object.fromEntries(figures.map((figure) => [figure, least(figure)])) as unknown as Cost;
}

function environmentOf(round: number): Record<string, string> {
  return {
    CNI_CONTAINERID: `c${round}`,
    CNI_NETNS: node.pod(`p${round}`),
    CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=p${round}`,
  };
}

function policy(name: string, port: number): NetworkPolicy {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name, namespace: "default" } as NetworkPolicy["metadata"],
    spec: {
      podSelector: { matchLabels: { app: "web" } },
      ingress: [{ ports: [{ port }] }],
      policyTypes: ["Ingress"],
    },
  };
}

// One test, as one operation needs what the one before it left.
it("asks of the machine what costs.json says, for ADD, for a change of a policy, and for DEL", async () => {
  const environments = Array.from({ length: WARM_UP + ROUNDS }, (_, round) => environmentOf(round));
  const found: Record<string, Cost> = {};
  found["ADD"] = await costOf((round) => node.cni("ADD", environments[round] ?? {}));
  found["policy"] = await costOf(async (round) => {
    const known = await node.store.get(networkPolicyKind, "first", "default");
    await node.store.update(networkPolicyKind, { ...known!, spec: policy("first", 81 + round).spec! });
  });
  found["DEL"] = await costOf(async (round) => {
    await node.cni("DEL", environments[round] ?? {});
    await node.agent?.endpoints.settled();
  });
  for (const [operation, { libraryCalls, netlinkMessages, ...figures }] of Object.entries(expected)) {
    expect(found[operation], operation).toMatchObject(figures);
    // Where no connection is tracked just then, none are listed, which is one less.
    expect([netlinkMessages - 1, netlinkMessages], operation).toContain(found[operation]?.netlinkMessages);
    // Some of them wait for what the kernel has ready or not.
    expect(found[operation]?.libraryCalls, operation).toBeLessThanOrEqual(libraryCalls);
    expect(found[operation]?.libraryCalls, operation).toBeGreaterThan(libraryCalls * 0.8);
  }
}, 60_000);
