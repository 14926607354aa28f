import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TrunklineError } from "../../base/errors.ts";
import { silent } from "../../base/log.ts";
import {
  type FakeMachine,
  fakeMachine,
  type Kernel,
  POD_LINK_GROUP,
  ROUTE_PROTOCOL,
} from "../../kernel/index.ts";
import type { AddressOwner, AddressSource } from "./addresses.ts";
import { endpointKey, hostInterfaceName, isHostInterface } from "./endpoint.ts";
import { EndpointJournal } from "./endpoint-journal.ts";
import { Endpoints } from "./endpoints.ts";
import { netnsIsGone } from "./wire-upkeep.ts";

/** Held addresses, as the allocator's journal keeps them over a crash; never one to two. */
class Held implements AddressSource {
  readonly byOwner = new Map<string, { containerId: string; ifName: string; ip: string }>();
  fault: TrunklineError | undefined;
  readonly #step: (what: string) => void;

  constructor(step: (what: string) => void) {
    this.#step = step;
  }

  async allocate({ containerId, ifName }: AddressOwner): Promise<readonly string[]> {
    this.#step("allocate");
    const key = endpointKey({ containerId, ifName });
    const taken = new Set([...this.byOwner.values()].map((one) => one.ip));
    const free = Array.from({ length: 20 }, (_, i) => `10.9.0.${i + 1}`).find((ip) => !taken.has(ip)) ?? "";
    const held = this.byOwner.get(key) ?? { containerId, ifName, ip: free };
    this.byOwner.set(key, held);
    return [held.ip];
  }

  async release(owner: AddressOwner): Promise<void> {
    this.#step("release");
    this.byOwner.delete(endpointKey(owner));
    // As the allocator: it is free, but that could not be written.
    if (this.fault) throw this.fault;
  }

  owners() {
    return [...this.byOwner.values()];
  }

  notReady(): undefined {
    return undefined;
  }
}

/** A node over agents' lives: the machine, the addresses and the journal's folder stay, Endpoints are made anew. */
class Node {
  readonly machine: FakeMachine;
  readonly folder = mkdtempSync(path.join(tmpdir(), "trunkline-endpoints-"));
  readonly held = new Held((what) => this.machine.calls.change(what, "addresses"));
  readonly kernel;
  journal: EndpointJournal | undefined;
  /** Names of pods whose rules were asked for. */
  inForce: (key: string) => Promise<void> = async () => {};

  constructor(machine = fakeMachine()) {
    folders.push(this.folder);
    this.machine = machine;
    this.machine.createNetns("node");
    this.kernel = this.machine.open({ name: "node" });
  }

  async agent(): Promise<Endpoints> {
    const { machine, kernel, held } = this;
    const journal = new EndpointJournal(this.folder, silent);
    this.journal = journal;
    journals.push(journal);
    const put = journal.put.bind(journal);
    const note = journal.note.bind(journal);
    const remove = journal.remove.bind(journal);
    journal.put = (endpoint) => {
      machine.calls.change("journal.put", endpoint.phase);
      put(endpoint);
    };
    journal.note = (endpoint) => {
      machine.calls.change("journal.put", endpoint.phase);
      note(endpoint);
    };
    journal.remove = (endpoint) => {
      machine.calls.change("journal.remove", endpoint.containerId);
      remove(endpoint);
    };
    const endpoints = new Endpoints({
      machine,
      kernel,
      journal,
      addresses: held,
      logger: silent,
      inForce: (key) => this.inForce(key),
      changed: () => {},
    });
    await endpoints.recover();
    await endpoints.settled();
    return endpoints;
  }

  wanted(name: string) {
    if (!this.machine.listNetns().includes(name)) this.machine.createNetns(name);
    return {
      containerId: name,
      ifName: "eth0",
      network: "n",
      netns: `/run/netns/${name}`,
      netnsId: this.machine.identityOf({ name }),
      pod: undefined,
      mtu: 1500,
    };
  }

  /** Everything of ours on the node. */
  picture() {
    return {
      links: this.kernel.links
        .list()
        .filter((link) => isHostInterface(link))
        .map((link) => link.name)
        .toSorted(),
      routes: this.kernel.routes
        .list({ protocol: ROUTE_PROTOCOL })
        .map((route) => route.destination)
        .toSorted(),
      held: this.held
        .owners()
        .map((one) => `${one.containerId} ${one.ip}`)
        .toSorted(),
    };
  }
}

const nothing = { links: [], routes: [], held: [] };
const only = (name: string, ip: string) => ({
  links: [hostInterfaceName(name, "eth0")],
  routes: [`${ip}/32`],
  held: [`${name} ${ip}`],
});

let node: Node;
/** Of all agents, also of those that were killed: what they still do must not bring back a folder that is gone. */
const journals: EndpointJournal[] = [];
/** A test may make a node of its own in place of the one that it is given. */
const folders: string[] = [];
beforeEach(() => {
  node = new Node();
});
afterEach(() => {
  for (const journal of journals.splice(0)) journal.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

describe("Endpoints", () => {
  it("makes a pod's wire once, and answers a repeated ADD the same", async () => {
    const endpoints = await node.agent();
    const first = await endpoints.add(node.wanted("a"));
    const picture = node.picture();
    expect(picture).toEqual(only("a", "10.9.0.1"));
    expect(await endpoints.add(node.wanted("a"))).toEqual(first);
    expect(node.picture()).toEqual(picture);
    expect([...endpoints.local.values()]).toMatchObject([{ ips: ["10.9.0.1"] }]);
  });

  it("answers a repeated ADD the same after a restart", async () => {
    const first = await (await node.agent()).add(node.wanted("a"));
    expect(await (await node.agent()).add(node.wanted("a"))).toEqual(first);
  });

  it("makes a damaged wire anew with the same address", async () => {
    const endpoints = await node.agent();
    const first = await endpoints.add(node.wanted("a"));
    await node.kernel.links.remove(hostInterfaceName("a", "eth0"));
    expect(await endpoints.add(node.wanted("a"))).toEqual(first);
    expect(node.picture()).toEqual(only("a", "10.9.0.1"));
  });

  it("leaves an interface alone that is not ours, and takes everything back", async () => {
    const endpoints = await node.agent();
    const wanted = node.wanted("a");
    const pod = node.machine.open({ name: "a" });
    pod.links.add({ kind: "dummy", name: "eth0" });
    await expect(endpoints.add(wanted)).rejects.toMatchObject({ code: "agent.interface-exists" });
    expect(pod.links.get("eth0")?.kind).toBe("dummy");
    expect(node.picture()).toEqual(nothing);
    expect(endpoints.known.size).toBe(0);
  });

  it("takes everything back when the rules cannot be put in force", async () => {
    const endpoints = await node.agent();
    node.inForce = async () => {
      throw new TrunklineError("agent.not-applied", { seconds: 1, manager: "policy", why: "test" });
    };
    await expect(endpoints.add(node.wanted("a"))).rejects.toMatchObject({ code: "agent.not-applied" });
    expect(node.picture()).toEqual(nothing);
    expect(endpoints.local.size).toBe(0);
  });

  it("says why an ADD failed though it cannot be taken back, and its DEL takes it back", async () => {
    const endpoints = await node.agent();
    node.inForce = async () => {
      throw new TrunklineError("agent.not-applied", { seconds: 1, manager: "policy", why: "test" });
    };
    node.held.fault = new TrunklineError("agent.not-applied", {
      seconds: 2,
      manager: "addresses",
      why: "test",
    });
    await expect(endpoints.add(node.wanted("a"))).rejects.toThrow("policy");
    node.held.fault = undefined;
    await endpoints.remove({ containerId: "a", ifName: "eth0" });
    await endpoints.settled();
    expect(node.picture()).toEqual(nothing);
  });

  it("takes everything back where a wire that is made anew does not come into force", async () => {
    const endpoints = await node.agent();
    await endpoints.add(node.wanted("a"));
    await node.kernel.links.remove(hostInterfaceName("a", "eth0"));
    node.inForce = async () => {
      throw new TrunklineError("agent.not-applied", { seconds: 1, manager: "policy", why: "test" });
    };
    await expect(endpoints.add(node.wanted("a"))).rejects.toMatchObject({ code: "agent.not-applied" });
    expect(node.picture()).toEqual(nothing);
    expect(endpoints.known.size).toBe(0);
  });

  it("deletes, repeatedly, and without namespace or memory", async () => {
    let endpoints = await node.agent();
    await endpoints.add(node.wanted("a"));
    await node.machine.removeNetns("a");
    await endpoints.remove({ containerId: "a", ifName: "eth0" });
    await endpoints.remove({ containerId: "a", ifName: "eth0" });
    await endpoints.settled();
    expect(node.picture()).toEqual(nothing);

    await endpoints.add(node.wanted("b"));
    rmSync(path.join(node.folder, "endpoints.journal"));
    endpoints = await node.agent();
    await endpoints.remove({ containerId: "b", ifName: "eth0" });
    await endpoints.settled();
    expect(node.picture()).toEqual(nothing);
  });

  const journalFile = () => path.join(node.folder, "endpoints.journal");
  const podB = { namespace: "x", name: "b", uid: "" };

  it("takes up a pod's wire from the kernel when the journal is lost, and answers as before", async () => {
    const wanted = { ...node.wanted("b"), pod: podB };
    const first = await (await node.agent()).add(wanted);
    rmSync(journalFile());
    const after = await node.agent();
    expect(node.picture()).toEqual(only("b", "10.9.0.1"));
    expect(after.known.get("b/eth0")).toMatchObject({ phase: "ready", pod: podB, netns: "/run/netns/b" });
    const index = node.kernel.links.get(hostInterfaceName("b", "eth0"))?.index;
    expect(await after.add(wanted)).toEqual(first);
    // The pod's wire was not even touched.
    expect(node.kernel.links.get(hostInterfaceName("b", "eth0"))?.index).toBe(index);
  });

  it("never takes a running pod for half done where the line that made it ready is damaged", async () => {
    const first = await (await node.agent()).add(node.wanted("a"));
    const lines = readFileSync(journalFile(), "utf8").trimEnd().split("\n");
    expect(lines.at(-1)).toContain('"ready"');
    writeFileSync(journalFile(), lines.map((line) => `${line.replace('"ready"', '"ruady"')}\n`).join(""));
    const after = await node.agent();
    expect(node.picture()).toEqual(only("a", "10.9.0.1"));
    expect(await after.add(node.wanted("a"))).toEqual(first);
  });

  it("removes a host end without routes that nobody knows: nobody was told of it, or its DEL is under way", async () => {
    await (await node.agent()).add(node.wanted("a"));
    for (const route of node.kernel.routes.list({ protocol: ROUTE_PROTOCOL }))
      node.kernel.routes.remove(route);
    rmSync(journalFile());
    await node.agent();
    expect(node.picture()).toEqual(nothing);
  });

  it("leaves a wire with routes alone whose alias does not say whose it is", async () => {
    await (await node.agent()).add(node.wanted("a"));
    const link = node.kernel.links.get(hostInterfaceName("a", "eth0"))!;
    node.kernel.links.change(link.index, { alias: "trunkline x/a-name-that-was-cut-o" });
    rmSync(journalFile());
    node.held.byOwner.clear();
    const after = await node.agent();
    expect(node.picture()).toMatchObject({ links: [link.name], routes: ["10.9.0.1/32"] });
    expect(after.known.size).toBe(0);
    // Where the addresses tell, they do.
    node.held.byOwner.set("a/eth0", { containerId: "a", ifName: "eth0", ip: "10.9.0.1" });
    expect((await node.agent()).known.get("a/eth0")).toMatchObject({ phase: "ready", ips: ["10.9.0.1"] });
  });

  it("takes a pod down although nothing can be written, and begins nothing", async () => {
    const endpoints = await node.agent();
    await endpoints.add(node.wanted("a"));
    rmSync(journalFile());
    symlinkSync("/dev/full", journalFile());
    mkdirSync(`${journalFile()}.new`);
    node.journal?.close();
    await expect(endpoints.add(node.wanted("b"))).rejects.toMatchObject({ code: "agent.journal" });
    node.held.fault = new TrunklineError("ipam.journal", { path: "x", why: "ENOSPC" });
    await endpoints.remove({ containerId: "a", ifName: "eth0" });
    await endpoints.settled();
    expect(node.picture()).toEqual(nothing);
    expect(endpoints.known.size).toBe(0);
    node.journal?.close();
  });

  it("never lets one sandbox's DEL touch the next one's wire", async () => {
    const endpoints = await node.agent();
    await endpoints.add(node.wanted("a"));
    await endpoints.remove({ containerId: "older", ifName: "eth0" });
    await endpoints.remove({ containerId: "a", ifName: "eth1" });
    await endpoints.settled();
    expect(node.picture()).toEqual(only("a", "10.9.0.1"));
  });

  it("waits for the removal of a second DEL although the first one's is over", async () => {
    const endpoints = await node.agent();
    await endpoints.add(node.wanted("a"));
    const removals: (() => void)[] = [];
    vi.spyOn(node.kernel.links, "remove").mockImplementation(
      () => new Promise((resolve) => removals.push(resolve)),
    );
    const attached = { containerId: "a", ifName: "eth0" };
    for (const number of [1, 2]) {
      await endpoints.remove(attached);
      await vi.waitFor(() => expect(removals).toHaveLength(number));
    }
    removals[0]?.();
    await setImmediate();
    let isSettled = false;
    const settled = endpoints.settled().then(() => (isSettled = true));
    await setImmediate();
    expect(isSettled).toBe(false);
    removals[1]?.();
    await settled;
  });

  it("puts back a host route that somebody took away", async () => {
    const endpoints = await node.agent();
    await endpoints.add(node.wanted("a"));
    for (const route of node.kernel.routes.list({ protocol: ROUTE_PROTOCOL }))
      node.kernel.routes.remove(route);
    expect(endpoints.repair()).toEqual({ routes: 1, settings: 0 });
    expect(node.picture()).toEqual(only("a", "10.9.0.1"));
    expect(endpoints.repair()).toEqual({ routes: 0, settings: 0 });
  });

  it("puts back the check of the pod's IPv4 addresses, which CHECK misses", async () => {
    const endpoints = await node.agent();
    const result = await endpoints.add(node.wanted("a"));
    const [endpoint] = endpoints.known.values();
    const setting = `net/ipv4/conf/${endpoint!.hostInterface}/rp_filter`;
    expect(node.kernel.sysctl.get(setting)).toBe("1");
    node.kernel.sysctl.set(setting, 0);
    expect(endpoints.check(endpoint!, result)).toEqual([expect.stringContaining("rp_filter")]);
    expect(endpoints.repair()).toEqual({ routes: 0, settings: 1 });
    expect(node.kernel.sysctl.get(setting)).toBe("1");
    expect(endpoints.check(endpoint!, result)).toEqual([]);
  });

  it.each<[string, (kernel: Kernel, name: string) => void, number]>([
    ["set down", (kernel, name) => kernel.links.change(name, { up: false }), 1],
    ["taken out of its group", (kernel, name) => kernel.links.change(name, { group: 0 }), 0],
    ["kept from forwarding", (kernel, name) => kernel.sysctl.set(`net/ipv4/conf/${name}/forwarding`, 0), 0],
    ["kept from proxy ARP", (kernel, name) => kernel.sysctl.set(`net/ipv4/conf/${name}/proxy_arp`, 0), 0],
  ])("puts right a wire that was %s, which CHECK misses", async (_what, spoil, routes) => {
    const endpoints = await node.agent();
    const result = await endpoints.add(node.wanted("a"));
    await endpoints.add(node.wanted("b"));
    const endpoint = endpoints.known.get("a/eth0")!;
    spoil(node.kernel, endpoint.hostInterface);
    expect(endpoints.check(endpoint, result)).not.toEqual([]);
    const index = node.kernel.links.get(endpoint.hostInterface)!.index;
    expect(endpoints.repair(new Set([index]))).toEqual({ routes, settings: 1 });
    expect(endpoints.check(endpoint, result)).toEqual([]);
    expect(endpoints.repair()).toEqual({ routes: 0, settings: 0 });
  });

  it("tries again what failed behind DELs' answers, each for itself where the kernel refuses a look", async () => {
    const endpoints = await node.agent();
    for (const name of ["a", "b"]) await endpoints.add(node.wanted(name));
    const remove = vi.spyOn(node.kernel.links, "remove").mockRejectedValue(new Error("busy"));
    for (const name of ["a", "b"]) await endpoints.remove(node.wanted(name));
    await endpoints.settled();
    remove.mockRestore();
    expect([...endpoints.known.values()].map(({ phase }) => phase)).toEqual(["deleting", "deleting"]);
    const get = vi.spyOn(node.kernel.links, "get").mockImplementationOnce(() => {
      throw new Error("no buffer space");
    });
    endpoints.sweep();
    get.mockRestore();
    await endpoints.settled();
    expect([...endpoints.known.keys()]).toEqual(["a/eth0"]);
    endpoints.sweep();
    await endpoints.settled();
    expect(endpoints.known.size).toBe(0);
  });

  it("puts back what others lack where a link goes away while it is being put into its group", async () => {
    const endpoints = await node.agent();
    await endpoints.add(node.wanted("a"));
    node.kernel.links.add({
      kind: "dummy",
      name: hostInterfaceName("b", "eth0"),
      alias: "trunkline - b/eth0",
    });
    for (const route of node.kernel.routes.list({ protocol: ROUTE_PROTOCOL }))
      node.kernel.routes.remove(route);
    const spy = vi.spyOn(node.kernel.links, "change").mockImplementation(() => {
      throw new TrunklineError("kernel.missing", {
        attempt: "change a link",
        errno: "ENODEV",
        text: undefined,
      });
    });
    expect(endpoints.repair()).toEqual({ routes: 1, settings: 0 });
    spy.mockRestore();
    expect(node.picture().routes).toEqual(["10.9.0.1/32"]);
  });

  it("leaves a link in the group that it is about to be removed with, and takes one of a pod that lives out of it", async () => {
    const endpoints = await node.agent();
    await endpoints.add(node.wanted("a"));
    const living = endpoints.known.get("a/eth0")!.hostInterface;
    const name = hostInterfaceName("b", "eth0");
    node.kernel.links.add({ kind: "dummy", name, alias: "trunkline - b/eth0" });
    // As LinkRemover does it: the kernel is asked for the group by another thread, and removes whatever is in it then.
    for (const one of [name, living]) node.kernel.links.change(one, { group: POD_LINK_GROUP + 1 });
    endpoints.repair();
    expect(node.kernel.links.get(name)).toMatchObject({ group: POD_LINK_GROUP + 1 });
    expect(node.kernel.links.get(living)).toMatchObject({ group: POD_LINK_GROUP });
  });

  it("leaves links alone that only bear a name like ours, also where a pod's would get that name", async () => {
    const wanted = node.wanted("a");
    const name = hostInterfaceName("a", "eth0");
    node.kernel.links.add({ kind: "dummy", name, alias: "a VPN" });
    node.kernel.links.add({ kind: "dummy", name: "tlvpn0" });
    const endpoints = await node.agent();
    await expect(endpoints.add(wanted)).rejects.toMatchObject({ code: "kernel.exists" });
    await endpoints.remove(wanted);
    await endpoints.settled();
    endpoints.repair();
    expect(node.kernel.links.get(name)).toMatchObject({ alias: "a VPN", group: 0 });
    expect(node.kernel.links.get("tlvpn0")).toMatchObject({ group: 0 });
  });

  it("gives a pod's further interface no route that another one has, and takes back its own alone", async () => {
    const endpoints = await node.agent();
    const first = await endpoints.add(node.wanted("a"));
    const pod = node.machine.open({ name: "a" });
    const main = () => pod.routes.list();
    const before = main();
    const second = { ...node.wanted("a"), ifName: "net1" };
    const result = await endpoints.add(second);
    expect(result.routes).toEqual([]);
    expect(main()).toEqual(before);
    expect(pod.rules.list().filter(({ protocol }) => protocol === ROUTE_PROTOCOL)).toMatchObject([
      { from: "10.9.0.2/32" },
    ]);
    expect(await endpoints.add(second)).toEqual(result);
    const known = endpoints.known.get("a/net1")!;
    expect(endpoints.check(known, result)).toEqual([]);
    for (const rule of pod.rules.list()) if (rule.from !== undefined) pod.rules.remove(rule);
    expect(endpoints.check(known, result)).toEqual([expect.stringContaining("lacks the rule")]);
    await endpoints.add(second);
    await endpoints.remove(known);
    await endpoints.settled();
    expect(main()).toEqual(before);
    expect(pod.rules.list().filter(({ protocol }) => protocol === ROUTE_PROTOCOL)).toEqual([]);
    expect(endpoints.check(endpoints.known.get("a/eth0")!, first)).toEqual([]);
    pod.close();
  });

  it("leaves the default routes of another plugin's interface where they are", async () => {
    const endpoints = await node.agent();
    const wanted = { ...node.wanted("a"), ifName: "net1" };
    const pod = node.machine.open({ name: "a" });
    const theirs = pod.links.add({ kind: "dummy", name: "eth0", up: true });
    pod.addresses.add({ linkIndex: theirs.index, address: "10.50.0.2/24", scope: "global" });
    const common = { family: 4, type: "unicast", protocol: 3, table: 254, linkIndex: theirs.index } as const;
    pod.routes.add({ ...common, destination: "0.0.0.0/0", via: "10.50.0.1", metric: 100 });
    const before = pod.routes.list();
    const result = await endpoints.add(wanted);
    expect(result.routes).toEqual([]);
    expect(pod.routes.list()).toEqual(before);
    pod.close();
  });

  it("makes pods' wires on a kernel without IPv6, and says so where a pod is to have such an address", async () => {
    node = new Node(fakeMachine(false));
    const endpoints = await node.agent();
    const result = await endpoints.add(node.wanted("a"));
    expect(endpoints.check(endpoints.known.get("a/eth0")!, result)).toEqual([]);
    expect(endpoints.repair()).toEqual({ routes: 0, settings: 0 });
    node.held.allocate = async () => ["10.9.0.7", "fd09::7"];
    await expect(endpoints.add(node.wanted("b"))).rejects.toMatchObject({ code: "agent.no-ipv6" });
    expect(node.kernel.links.list().filter(isHostInterface)).toHaveLength(1);
  });

  it("knows when a namespace is gone, or is another one under the same path", async () => {
    const endpoints = await node.agent();
    await endpoints.add(node.wanted("a"));
    const [endpoint] = endpoints.known.values();
    expect(netnsIsGone(node.machine, endpoint!)).toBe(false);
    await node.machine.removeNetns("a");
    expect(netnsIsGone(node.machine, endpoint!)).toBe(true);
    node.machine.createNetns("a");
    expect(netnsIsGone(node.machine, endpoint!)).toBe(true);
  });

  it("killed at any step of ADD: the next agent has nothing, or all that was answered; ADD then works", async () => {
    await killedAtEveryStep(async (endpoints) => {
      await endpoints.add(node.wanted("a"));
    });
  });

  it("killed at any step of DEL: nothing remains once DEL is repeated", async () => {
    let steps = 0;
    for (let kill = 1; kill <= steps + 1; kill++) {
      rmSync(node.folder, { recursive: true, force: true });
      node = new Node();
      await (await node.agent()).add(node.wanted("a"));
      const before = node.machine.calls.count;
      const endpoints = await node.agent();
      node.machine.calls.failFrom(kill);
      await endpoints.remove({ containerId: "a", ifName: "eth0" }).catch(isInjected);
      await endpoints.settled();
      steps = Math.max(steps, node.machine.calls.count - before);
      node.machine.calls.before = undefined;
      const after = await node.agent();
      await after.remove({ containerId: "a", ifName: "eth0" });
      await after.settled();
      expect(node.picture(), `killed at step ${kill}`).toEqual(nothing);
      expect(after.known.size).toBe(0);
    }
    expect(steps).toBeGreaterThan(4);
  });

  it("keeps every address with one pod, whatever is added, deleted and killed in whatever order", async () => {
    const step = fc.record({
      verb: fc.constantFrom("add", "del", "restart"),
      pod: fc.constantFrom("a", "b", "c"),
      kill: fc.option(fc.integer({ min: 1, max: 12 }), { freq: 3, nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        rmSync(node.folder, { recursive: true, force: true });
        node = new Node();
        let endpoints = await node.agent();
        const answered = new Set<string>();
        for (const { verb, pod, kill } of steps) {
          const wanted = node.wanted(pod);
          if (kill !== undefined) node.machine.calls.failFrom(kill);
          let died = false;
          try {
            if (verb === "add") await endpoints.add(wanted);
            if (verb === "del") await endpoints.remove(wanted);
            await endpoints.settled();
          } catch (error) {
            isInjected(error);
            died = true;
          }
          node.machine.calls.before = undefined;
          if (!died && verb === "add") answered.add(pod);
          // A DEL that was not answered may be done or not; the runtime asks again.
          if (verb === "del") answered.delete(pod);
          if (kill !== undefined || verb === "restart") endpoints = await node.agent();
          if (verb === "del" && died) await endpoints.remove(wanted);
          const ips = node.held.owners().map((one) => one.ip);
          expect(new Set(ips).size).toBe(ips.length);
          for (const name of answered)
            expect(endpoints.known.get(`${name}/eth0`)).toMatchObject({ phase: "ready" });
        }
        await endpoints.settled();
        const names = [...answered].toSorted();
        expect(node.picture().held.map((line) => line.split(" ")[0])).toEqual(names);
        expect(node.picture().links).toEqual(names.map((name) => hostInterfaceName(name, "eth0")).toSorted());
      }),
      { numRuns: 60 },
    );
  });
});

/** Repeats `work` with the agent dying at its first, second, … step, until it gets through. */
async function killedAtEveryStep(work: (endpoints: Endpoints) => Promise<void>): Promise<void> {
  let got = false;
  let kills = 0;
  for (let kill = 1; !got; kill++) {
    rmSync(node.folder, { recursive: true, force: true });
    node = new Node();
    const endpoints = await node.agent();
    node.wanted("a");
    node.machine.calls.failFrom(kill);
    try {
      await work(endpoints);
      got = true;
    } catch (error) {
      isInjected(error);
      kills++;
    }
    node.machine.calls.before = undefined;
    const after = await node.agent();
    expect(node.picture(), `killed at step ${kill}`).toEqual(got ? only("a", "10.9.0.1") : nothing);
    await after.add(node.wanted("a"));
    expect(node.picture()).toEqual(only("a", "10.9.0.1"));
  }
  expect(kills).toBeGreaterThan(8);
}

function isInjected(error: unknown): void {
  expect(String(error)).toContain("injected");
}
