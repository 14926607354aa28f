import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CniResult } from "../../src/cni/spec.ts";
import { probe } from "../../src/lab/probe/client.ts";
import { TestNode } from "./agent-node.ts";

let node: TestNode;

beforeEach(() => {
  node = new TestNode();
});
afterEach(() => node.stop());

function pods(...names: string[]): Record<string, string>[] {
  return names.map((name) => ({
    CNI_CONTAINERID: name,
    CNI_NETNS: node.pod(name),
    CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${name}`,
  }));
}

/** Returns whether an echo request from that namespace is answered. */
async function reaches(from: string, to: string, timeoutMs = 2000): Promise<boolean> {
  const kernel = node.machine.open({ name: from });
  try {
    return (await probe({ kernel, to, protocol: "ICMP", timeoutMs })).reachable;
  } finally {
    kernel.close();
  }
}

describe("the agent and the plugin executable", () => {
  it("give two pods interfaces over which they, and the node, reach each other", async () => {
    const agent = await node.start();
    await agent.ready;
    const [a, b] = pods("a", "b");
    const first = await node.cni("ADD", a!);
    expect(first).toMatchObject({ code: 0 });
    const result = JSON.parse(first.stdout) as CniResult;
    expect(result.ips).toEqual([{ address: "10.9.0.1/32", gateway: "169.254.1.1", interface: 1 }]);
    expect(result.interfaces?.[1]).toMatchObject({ name: "eth0", sandbox: a!["CNI_NETNS"], mtu: 1500 });
    expect((await node.cni("ADD", b!)).code).toBe(0);
    expect(await reaches(`${node.netns}-a`, "10.9.0.2")).toBe(true);
    expect(await reaches(node.netns, "10.9.0.2")).toBe(true);
    expect(await reaches(`${node.netns}-b`, "192.168.77.1")).toBe(true);

    expect(await node.cni("DEL", a!)).toMatchObject({ code: 0, stdout: "" });
    await agent.endpoints.settled();
    const kernel = node.machine.open({ name: node.netns });
    expect(kernel.links.get(result.interfaces?.[0]?.name ?? "")).toBeUndefined();
    kernel.close();
    expect(await reaches(node.netns, "10.9.0.1", 300)).toBe(false);
    expect([...node.addresses.held.keys()]).toEqual(["b/eth0"]);
  });
});
