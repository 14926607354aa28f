// 250 pods come and go, ten times: no address is ever two pods', and nothing grows from round to round.
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Pod, podKind } from "../../src/api/kinds/core.ts";
import { run } from "../../src/kernel/exec/index.ts";
import { openSqliteStore } from "../../src/store/sqlite/store.ts";
import { Commands } from "../e2e/trunkline.ts";

const ROUNDS = 10;
const NODES = ["node1", "node2", "node3"];
/** After as many rounds the processes have met all that a round brings. */
const WARM = 3;

/** Follows the pods of a store and notes every moment at which two of them have one address. */
function watchAddresses(file: string) {
  const store = openSqliteStore(file);
  const stop = new AbortController();
  const holders = new Map<string, Pod>();
  const doubles: string[] = [];
  let seen = 0;
  const see = (type: string, pod: Pod): void => {
    const address = pod.status?.podIP;
    if (address === undefined) return;
    const other = holders.get(address);
    if (type === "deleted") {
      if (other?.metadata.uid === pod.metadata.uid) holders.delete(address);
      return;
    }
    seen++;
    if (other && other.metadata.uid !== pod.metadata.uid) {
      doubles.push(`${address}: ${other.metadata.name} and ${pod.metadata.name}`);
    }
    holders.set(address, pod);
  };
  const following = (async () => {
    const { items, revision } = await store.list(podKind);
    for (const pod of items) see("added", pod);
    for await (const event of store.watch(podKind, { from: revision, signal: stop.signal })) {
      if (event.type !== "bookmark") see(event.type, event.object);
    }
  })();
  return {
    end: async () => {
      stop.abort();
      await following;
      await store.close();
      return { doubles, seen };
    },
  };
}

/** The lab's process and all that it started. */
function processTree(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(processTree)];
}

function residentKib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

describe.each([[[]], [["--separate"]]])("250 pods and back to 2, ten times, %j", (flags) => {
  let trunkline: Commands;
  beforeEach(async () => {
    trunkline = new Commands();
    await trunkline.up("examples/first-light", ...flags);
    await trunkline.ask("apply", "-f", "examples/first-light/workloads.yaml");
    await trunkline.ask("wait", "--for", "ready", "--all");
  });
  afterEach(() => trunkline.end());

  const inNode = async (node: string, command: string, ...args: string[]): Promise<string[]> => {
    const words = ["netns", "exec", `tl-${trunkline.lab}-${node}`, command, ...args];
    const lines = (await run("ip", words)).stdout.split("\n");
    return lines.map((line) => line.trim()).filter(Boolean);
  };

  /** What one node's kernel holds, without the routes of blocks: they follow from the blocks that are claimed. */
  async function kernelOf(node: string) {
    const [links, routes, rules, proxies, nft, qdiscs] = await Promise.all([
      inNode(node, "ip", "-o", "link"),
      inNode(node, "ip", "route", "show", "table", "all"),
      inNode(node, "ip", "rule"),
      inNode(node, "ip", "neigh", "show", "proxy"),
      inNode(node, "nft", "list", "ruleset"),
      inNode(node, "tc", "qdisc"),
    ]);
    const ofBlocks = routes.filter((line) => /\/26 .*proto 84/.test(line));
    return {
      ofBlocks: ofBlocks.length,
      others: {
        links: links.length,
        routes: routes.length - ofBlocks.length,
        rules: rules.length,
        proxies: proxies.length,
        nft: nft.length,
        qdiscs: qdiscs.length,
      },
    };
  }

  async function settle(pods: number): Promise<void> {
    const count = async () =>
      (await trunkline.json<{ items: Pod[] }>("get", "pods", "-A")).items.length +
      (await run("ip", ["netns"])).stdout.split("\n").filter((line) => line.includes(trunkline.lab)).length;
    // The namespaces of the nodes, of the router and of the network between them.
    await expect.poll(count, { timeout: 60_000, interval: 200 }).toBe(2 * pods + NODES.length + 2);
  }

  it("gives every address to one pod only, and grows nowhere", async () => {
    const folder = path.join(trunkline.folder, "labs", trunkline.lab);
    const { process: owner } = JSON.parse(readFileSync(path.join(folder, "lab.json"), "utf8")) as {
      process: { pid: number };
    };
    const pids = processTree(owner.pid);
    expect(pids.length).toBe(flags.length === 0 ? 1 : 5);
    const addresses = watchAddresses(path.join(folder, "store.db"));
    const rounds: { memory: number[]; descriptors: number[]; nodes: object[] }[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await trunkline.ask("scale", "rc/myweb", "--replicas", "250");
      await trunkline.ask("wait", "--for", "ready", "rc/myweb", "--timeout", "90s");
      expect(await trunkline.json("ipam", "check")).toMatchObject({ ok: true, pods: 251, findings: [] });
      await trunkline.ask("scale", "rc/myweb", "--replicas", "2");
      await settle(3);
      expect(await trunkline.json("ipam", "check")).toMatchObject({ ok: true, pods: 3, findings: [] });
      const blocks = (await trunkline.json<{ items: object[] }>("get", "addressblocks")).items.length;
      const nodes = await Promise.all(NODES.map(kernelOf));
      expect(nodes.map((node) => node.ofBlocks)).toEqual(NODES.map(() => blocks));
      rounds.push({
        memory: pids.map(residentKib),
        descriptors: pids.map((pid) => readdirSync(`/proc/${pid}/fd`).length),
        nodes: nodes.map((node) => node.others),
      });
    }
    const { doubles, seen } = await addresses.end();
    expect(doubles).toEqual([]);
    expect(seen).toBeGreaterThan(ROUNDS * 248);
    expect(processTree(owner.pid)).toEqual(pids);
    const warm = rounds[WARM - 1]!;
    for (const { nodes, descriptors } of rounds.slice(WARM)) {
      expect(nodes).toEqual(warm.nodes);
      // An opened log or a connection more is no growth; one for each pod would be.
      for (const [n, count] of descriptors.entries()) expect(count).toBeLessThan(warm.descriptors[n]! + 20);
    }
    const last = rounds.at(-1)!.memory;
    for (const [n, kib] of last.entries()) {
      expect(kib, rounds.map(({ memory }) => memory[n]).join(" ")).toBeLessThan(warm.memory[n]! * 1.2);
    }
  });
});
