import { describe, expect, it } from "vitest";
import { fakeMachine } from "../index.ts";
import { kernelSuite } from "../kernel.suite.ts";

kernelSuite("fake machine", fakeMachine, "fake-");

describe("what only tests can ask of a fake machine", () => {
  it("breaks from the n-th change on, and leaves the earlier ones", () => {
    const machine = fakeMachine();
    const kernel = machine.open("self");
    machine.calls.failFrom(2);
    kernel.links.add({ kind: "bridge", name: "a" });
    expect(() => kernel.links.add({ kind: "bridge", name: "b" })).toThrow("injected");
    expect(() => kernel.links.add({ kind: "bridge", name: "c" })).toThrow("injected");
    expect(kernel.links.list().map((link) => link.name)).toEqual(["lo", "a"]);
    machine.calls.before = undefined;
    kernel.links.add({ kind: "bridge", name: "b" });
    expect(machine.calls.count).toBe(4);
  });

  it("does not count a setting that has its value already", () => {
    const machine = fakeMachine();
    const kernel = machine.open("self");
    kernel.sysctl.set("net/ipv4/ip_forward", 1);
    kernel.sysctl.set("net/ipv4/ip_forward", 1);
    expect(machine.calls.count).toBe(1);
  });

  it("lists and forgets the connections that it was given", async () => {
    const machine = fakeMachine();
    const kernel = machine.open("self");
    const tuple = (source: string, destination: string) => ({
      source,
      destination,
      sourcePort: 1,
      destinationPort: 2,
    });
    const flow = (id: number, source: string) => ({
      family: 4 as const,
      protocol: 6,
      original: tuple(source, "10.9.9.9"),
      reply: tuple("10.9.9.9", source),
      mark: 0,
      zone: 0,
      id,
    });
    machine.setConntrack("self", [flow(1, "10.0.0.1"), flow(2, "10.0.0.2")]);
    const [found] = await kernel.conntrack.list({ address: "10.0.0.2" });
    expect(found?.id).toBe(2);
    kernel.conntrack.remove(flow(2, "10.0.0.2"));
    kernel.conntrack.remove(flow(2, "10.0.0.2"));
    expect((await kernel.conntrack.list({ family: 4 })).map((one) => one.id)).toEqual([1]);
    expect(await kernel.conntrack.list({ family: 6 })).toEqual([]);
  });

  it("tells that events were lost", async () => {
    const machine = fakeMachine();
    const events: string[] = [];
    machine.open("self").watch(["link"], (event) => events.push(event.kind));
    machine.loseEvents("self");
    await Promise.resolve();
    expect(events).toEqual(["lost"]);
  });
});
