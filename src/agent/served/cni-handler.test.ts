import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { TrunklineError } from "../../base/errors.ts";
import { silent } from "../../base/log.ts";
import type { AgentReply } from "../../cni/protocol.ts";
import type { CniFailure, CniResult } from "../../cni/spec.ts";
import { fakeMachine } from "../../kernel/index.ts";
import type { AddParts } from "../pods/add-parts.ts";
import type { Endpoint } from "../pods/endpoint.ts";
import type { Endpoints } from "../pods/endpoints.ts";
import { CniHandler, type CniHandlerOptions } from "./cni-handler.ts";
import type { DelQueue } from "./del-queue.ts";

const result: CniResult = {
  cniVersion: "1.1.0",
  interfaces: [
    { name: "tl0", mtu: 1500 },
    { name: "eth0", sandbox: "/run/netns/pod" },
  ],
  ips: [{ address: "10.1.0.1/32", interface: 1 }],
};
const ready = {
  containerId: "c",
  ifName: "eth0",
  network: "n",
  phase: "ready",
  result,
} as unknown as Endpoint;

function setUp(endpoints: Partial<Endpoints>, more: object = {}) {
  const machine = fakeMachine();
  machine.createNetns("node");
  machine.createNetns("pod");
  const told: unknown[] = [];
  const forgotten: string[] = [];
  const handler = new CniHandler({
    machine,
    nodeNetnsId: machine.identityOf({ name: "node" }),
    endpoints: endpoints as Endpoints,
    queue: { forget: (containerId: string) => forgotten.push(containerId) } as unknown as DelQueue,
    logger: silent,
    notStarted: () => undefined,
    notReady: () => undefined,
    mtu: () => 1450,
    onDone: (verb, code) => told.push([verb, code]),
    ...more,
  });
  const ask = (command: string, config: object = {}, changes: object = {}) =>
    handler.handle(
      JSON.stringify({
        version: 1,
        command,
        containerId: "c",
        netns: "/run/netns/pod",
        ifName: "eth0",
        args: "K8S_POD_NAMESPACE=ns;K8S_POD_NAME=p",
        path: "/",
        config: JSON.stringify({ cniVersion: "1.1.0", name: "n", ...config }),
        ...changes,
      }),
    );
  return { ask, told, forgotten, handler };
}

const failureOf = (reply: AgentReply) => JSON.parse(reply.stdout) as CniFailure;

describe("CniHandler", () => {
  it("tells where the time of an ADD that succeeded went, in parts that make up no more than the whole", async () => {
    const parts: [string, AddParts | undefined, number][] = [];
    const add = async (_: unknown, spent?: AddParts) => {
      spent?.ended("addresses");
      await nextTurn();
      spent?.ended("link");
      return result;
    };
    const onDone: CniHandlerOptions["onDone"] = (verb, _code, seconds, of) => parts.push([verb, of, seconds]);
    const { ask } = setUp({ add, remove: async () => {} }, { onDone });
    await ask("ADD");
    await ask("DEL");
    const [[, added, seconds] = ["", undefined, 0], deleted] = parts;
    expect(deleted?.[1]).toBeUndefined();
    expect([...(added?.spent.keys() ?? [])]).toEqual(["request", "addresses", "link", "answer"]);
    const sum = [...(added?.spent.values() ?? [])].reduce((all, ms) => all + ms, 0);
    expect(sum).toBeGreaterThan(0);
    expect(sum).toBeLessThanOrEqual(seconds * 1000);
    const { began, ...facts } = added?.facts() ?? {};
    expect(Object.keys(facts)).toEqual(["request", "addresses", "link", "answer"]);
    expect(began).toBeLessThanOrEqual(Number(process.hrtime.bigint()) / 1e6);
  });

  it("answers ADD in the version that was asked for, after the results before it", async () => {
    const wanted: unknown[] = [];
    const add = async (one: unknown) => {
      wanted.push(one);
      return result;
    };
    const { ask, told, forgotten } = setUp({ add });
    const reply = await ask("ADD", {
      cniVersion: "0.4.0",
      mtu: 9000,
      prevResult: { interfaces: [{ name: "x" }] },
    });
    expect(reply.exitCode).toBe(0);
    const answer = JSON.parse(reply.stdout) as CniResult;
    expect(answer.cniVersion).toBe("0.4.0");
    expect(answer.interfaces?.map((one) => one.name)).toEqual(["x", "tl0", "eth0"]);
    expect(answer.ips).toEqual([{ version: "4", address: "10.1.0.1/32", interface: 2 }]);
    expect(wanted).toEqual([
      {
        containerId: "c",
        ifName: "eth0",
        network: "n",
        netns: "/run/netns/pod",
        netnsId: expect.any(String),
        pod: { namespace: "ns", name: "p", uid: "" },
        mtu: 9000,
      },
    ]);
    expect(forgotten).toEqual(["c"]);
    expect(told).toEqual([["ADD", 0]]);
    await ask("ADD");
    expect(wanted[1]).toMatchObject({ mtu: 1450 });
  });

  it("validates again what the executable validated: anybody with the socket may write", async () => {
    const { ask, handler } = setUp({});
    expect(failureOf(await handler.handle("{")).code).toBe(6);
    expect(failureOf(await handler.handle("{}")).code).toBe(6);
    expect(failureOf(await ask("ADD", {}, { version: 2 })).code).toBe(6);
    expect(failureOf(await ask("VERSION")).code).toBe(4);
    expect(failureOf(await ask("ADD", {}, { containerId: "../x" })).code).toBe(4);
    expect(failureOf(await ask("ADD", {}, { ifName: "a/b" })).code).toBe(4);
    expect(failureOf(await ask("ADD", { name: "" })).code).toBe(7);
    expect(failureOf(await ask("CHECK", { cniVersion: "0.3.1" })).code).toBe(1);
  });

  it("refuses the node's own namespace and one that is not there", async () => {
    const add = async () => result;
    const { ask } = setUp({ add });
    expect(failureOf(await ask("ADD", {}, { netns: "/run/netns/node" })).code).toBe(8);
    expect(failureOf(await ask("ADD", {}, { netns: "/run/netns/none" })).code).toBe(8);
  });

  it.each([
    [new TrunklineError("agent.interface-exists", { name: "eth0", netns: "x" }), 101],
    [new TrunklineError("agent.not-applied", { seconds: 1, manager: "policy", why: "x" }), 11],
    [new TrunklineError("ipam.no-pool", { node: "n", why: "x" }), 102],
    [new TrunklineError("ipam.store", { node: "n", why: "x" }), 11],
    [new TrunklineError("ipam.not-ready", { node: "n", why: "x" }), 11],
    [new Error("a mistake of ours"), 999],
  ])("sorts %s into code %i, and tells of it", async (error, code) => {
    const failed: CniFailure[] = [];
    const add = async () => {
      throw error;
    };
    const { ask, told } = setUp(
      { add },
      { onAddFailed: (_: unknown, what: CniFailure) => failed.push(what) },
    );
    const reply = await ask("ADD");
    expect(reply.exitCode).toBe(1);
    expect(failureOf(reply)).toMatchObject({ code, cniVersion: "1.1.0" });
    expect(failed).toMatchObject([{ code }]);
    expect(told).toEqual([["ADD", code]]);
  });

  it("tells a node that has not started from one that has trouble", async () => {
    const add = async () => result;
    const early = setUp({ add }, { notStarted: () => "early", notReady: () => "early" });
    expect(failureOf(await early.ask("ADD"))).toMatchObject({ code: 11, details: "early" });
    expect(failureOf(await early.ask("STATUS"))).toMatchObject({ code: 50, details: "early" });
    const troubled = setUp({ add }, { notReady: () => "trouble" });
    expect(await troubled.ask("ADD")).toMatchObject({ exitCode: 0 });
    expect(failureOf(await troubled.ask("STATUS"))).toMatchObject({ code: 50, details: "trouble" });
    expect(await setUp({}).ask("STATUS")).toEqual({ exitCode: 0, stdout: "" });
  });

  it("checks the container, the result that the runtime holds, and the wire", async () => {
    let faults: string[] = [];
    const endpoints = { known: new Map([["c/eth0", ready]]), check: () => faults };
    const { ask } = setUp(endpoints);
    expect(await ask("CHECK", { prevResult: result })).toEqual({ exitCode: 0, stdout: "" });
    expect(failureOf(await ask("CHECK")).code).toBe(7);
    expect(failureOf(await ask("CHECK", { prevResult: result }, { containerId: "d" })).code).toBe(3);
    const other = { ...result, ips: [] };
    expect(failureOf(await ask("CHECK", { prevResult: other }))).toMatchObject({
      code: 103,
      details: "prevResult lacks the address 10.1.0.1/32",
    });
    faults = ["broken"];
    expect(failureOf(await ask("CHECK", { prevResult: result }))).toMatchObject({
      code: 103,
      details: "broken",
    });
  });

  it("collects what is not named in its network, and goes on after a failure", async () => {
    const known = new Map(
      ["a", "b", "c", "d"].map((name) => [
        `${name}/eth0`,
        { ...ready, containerId: name, network: name === "d" ? "other" : "n" },
      ]),
    );
    const removed: string[] = [];
    const removeFound = async ({ containerId }: { containerId: string }) => {
      if (containerId === "a") throw new Error("stuck");
      removed.push(containerId);
    };
    const { ask } = setUp({ known, removeFound });
    const valid = [{ containerID: "b", ifname: "eth0" }];
    const reply = await ask("GC", { "cni.dev/valid-attachments": valid });
    expect(failureOf(reply)).toMatchObject({ code: 999, details: "a/eth0: stuck" });
    expect(removed).toEqual(["c"]);
  });

  it("collects no sandbox whose ADD is under way, or has come since it was asked", async () => {
    const known = new Map<string, Endpoint>([
      ["a/eth0", { ...ready, containerId: "a" }],
      ["b/eth0", { ...ready, containerId: "b", phase: "adding" }],
      ["c/eth0", { ...ready, containerId: "c", phase: "deleting" }],
    ]);
    const removed: string[] = [];
    const removeFound = async ({ containerId }: { containerId: string }) => {
      removed.push(containerId);
      known.set("d/eth0", { ...ready, containerId: "d" });
    };
    const { ask } = setUp({ known, removeFound });
    expect(await ask("GC")).toEqual({ exitCode: 0, stdout: "" });
    expect(removed).toEqual(["a", "c"]);
  });
});
