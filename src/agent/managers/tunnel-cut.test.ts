import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Conntrack, ConntrackFlow } from "../../kernel/kernel.ts";
import { tunnelTypes } from "../../plan/routing/tunnels.ts";
import { TunnelCut } from "./tunnel-cut.ts";

const [ipip, vxlan] = [tunnelTypes[0]!, tunnelTypes[1]!];
const [UDP, TCP, IN_IP] = [17, 6, 4];
const node = "10.0.0.2";
const own = () => ["10.0.0.1", "192.168.9.1"];

let flows: ConntrackFlow[];
let lists: number;
let renewals: number;
let cut: TunnelCut;

/** A pod's connection whose answers come from there: where it goes after every translation. */
function flow(protocol: number, to: string, port: number): ConntrackFlow {
  return {
    family: 4,
    protocol,
    original: { source: "10.1.0.1", destination: "10.96.0.1", sourcePort: 5000, destinationPort: 80 },
    reply: { source: to, destination: "10.1.0.1", sourcePort: port, destinationPort: 5000 },
    mark: 0,
    zone: 0,
    id: flows.length,
  };
}

beforeEach(() => {
  vi.useFakeTimers();
  [flows, lists, renewals] = [[], 0, 0];
  const conntrack: Conntrack = {
    list: async () => {
      lists++;
      return flows;
    },
    remove: (gone) => {
      flows = flows.filter((one) => one !== gone);
    },
  };
  cut = new TunnelCut(conntrack, async () => {
    renewals++;
  });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("connections that tunnels' rules do not ask", () => {
  it("are cut where they lead to a node's end of such a tunnel, whatever they were opened to", async () => {
    flows = [flow(UDP, node, 4789)];
    flows.push(flow(IN_IP, node, 0), flow(UDP, node, 53), flow(TCP, node, 4789), flow(UDP, "10.0.0.9", 4789));
    const others = flows.slice(1);
    cut.note([vxlan], [node], own);
    expect(await cut.run()).toBe(0);
    expect([flows, renewals]).toEqual([others, 1]);
    vi.advanceTimersByTime(5000);
    cut.note([vxlan, ipip], [node], own);
    await cut.run();
    expect(flows).toEqual(others.slice(1));
  });

  it("are cut where they lead to another address of this machine's, once a type of tunnel is new", async () => {
    flows = [flow(UDP, "192.168.9.1", 4789), flow(UDP, "192.168.9.1", 80)];
    const [, other] = flows;
    cut.note([vxlan], [node], own);
    await cut.run();
    expect(flows).toEqual([other]);
  });

  it("are looked for once, and again for new nodes, which share a look", async () => {
    cut.note([vxlan], [node], own);
    await cut.run();
    cut.note([vxlan], [node], own);
    await cut.run();
    expect([lists, renewals]).toEqual([1, 0]);
    flows = [flow(UDP, "10.0.0.3", 4789), flow(UDP, "10.0.0.4", 4789)];
    cut.note([vxlan], [node, "10.0.0.3"], own);
    expect(await cut.run()).toBe(5000);
    cut.note([vxlan], [node, "10.0.0.3", "10.0.0.4"], own);
    expect(await cut.run()).toBe(0);
    vi.advanceTimersByTime(5000);
    await cut.run();
    expect([lists, flows]).toEqual([2, []]);
  });

  it("are looked for again where the kernel did not answer", async () => {
    flows = [flow(UDP, node, 4789)];
    const failing = vi.fn<Conntrack["list"]>().mockRejectedValueOnce(new Error("no buffer"));
    failing.mockImplementation(async () => flows);
    const remove = vi.fn<Conntrack["remove"]>();
    cut = new TunnelCut({ list: failing, remove }, async () => {});
    cut.note([vxlan], [node], own);
    await expect(cut.run()).rejects.toThrow("no buffer");
    await cut.run();
    expect(remove).toHaveBeenCalledTimes(1);
  });

  it("are nobody's business without tunnels", async () => {
    cut.note([], [node], own);
    expect([await cut.run(), lists]).toEqual([0, 0]);
  });
});
