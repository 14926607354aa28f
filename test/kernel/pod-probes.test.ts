// What an agent sends out of a pod's namespace, and sees arrive in another one's, asked at its private socket.
import { createServer, type Server } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Arrivals, PodProbed } from "../../src/agent/probe/pod-probes.ts";
import { askAgent } from "../../src/cli/facts/ask-agent.ts";
import { TestNode } from "./agent-node.ts";

const node = new TestNode();
const servers: Server[] = [];
const pods = ["a", "b"] as const;
const addresses: Record<string, string> = {};
const socket = () => path.join(node.folder, "health.sock");

beforeAll(async () => {
  await node.start({ health: { socketPath: socket(), port: 0 } });
  for (const name of pods) {
    const netns = node.pod(name);
    const args = `K8S_POD_NAMESPACE=default;K8S_POD_NAME=${name};K8S_POD_UID=u-${name};K8S_POD_INFRA_CONTAINER_ID=c`;
    const env = { CNI_CONTAINERID: `c-${name}`, CNI_NETNS: netns, CNI_ARGS: args };
    const added = await node.cni("ADD", env);
    expect(added).toMatchObject({ code: 0 });
    const [ip] = (JSON.parse(added.stdout) as { ips: { address: string }[] }).ips;
    addresses[name] = ip?.address.split("/")[0] ?? "";
  }
  // Somebody's server: it says nothing to who connects.
  const kernel = node.machine.open({ path: `/run/netns/tl-test-${node.name}-b` });
  const server = createServer(() => undefined);
  server.listen({ fd: kernel.sockets.listenTcp("0.0.0.0", 8080) });
  servers.push(server);
  kernel.close();
});
afterAll(async () => {
  for (const server of servers) server.close();
  await node.stop();
});

const ask = async <T>(what: string) => JSON.parse(await askAgent(socket(), what)) as T;
const probed = (query: string) => ask<PodProbed>(`/probe?pod=default/a&${query}`);

/** What came of a probe from a to b, and which source of its packets b saw. */
async function both(query: string): Promise<PodProbed & { readonly seen: readonly (string | undefined)[] }> {
  const { watch } = await ask<{ watch: string }>(`/watch?pod=default/b&ms=180000&${query}`);
  const result = await probed(`to=${addresses["b"]}&ms=600&${query}`);
  const { arrivals } = await ask<{ arrivals: Arrivals }>(`/watched?watch=${watch}`);
  return { ...result, seen: result.marks.map((mark) => arrivals[mark]) };
}

it("a connection to a silent server is an answer, and its source is known where it arrives", async () => {
  expect(await both("protocol=TCP&port=8080")).toMatchObject({
    reachable: true,
    outcome: "answered",
    seen: [addresses["a"]],
  });
});

it("a closed port refuses, an echo is answered, a datagram that nobody answers is seen to arrive", async () => {
  expect(await both("protocol=TCP&port=81")).toMatchObject({ outcome: "refused", seen: [addresses["a"]] });
  expect(await both("protocol=ICMP")).toMatchObject({ reachable: true, seen: [addresses["a"]] });
  const kernel = node.machine.open({ path: `/run/netns/tl-test-${node.name}-b` });
  const fd = kernel.sockets.bindUdp("0.0.0.0", 53);
  const datagram = await both("protocol=UDP&port=53");
  kernel.sockets.close(fd);
  kernel.close();
  expect(datagram.reachable).toBe(false);
  expect(new Set(datagram.seen)).toEqual(new Set([addresses["a"]]));
  // Nobody has that address: nothing answers, and nothing is seen.
  expect(await probed("to=192.0.2.1&protocol=TCP&port=80&ms=300")).toMatchObject({ reachable: false });
});

it("nonsense and strangers are refused, and the port that probes of kubelets ask answers none of it", async () => {
  for (const query of [
    "/probe?pod=default/a&to=nobody&protocol=TCP&port=80",
    "/probe?pod=default/a&to=192.0.2.1&protocol=TCP&port=0",
    "/probe?pod=default/a&to=192.0.2.1&protocol=GRE&port=1",
    "/probe?pod=default/a&to=192.0.2.1&protocol=ICMP&ms=99999999",
    "/watch?pod=default/a&protocol=ICMP&ms=99999999",
    "/watched?watch=none",
  ])
    await expect(ask(query)).rejects.toThrow("cannot be");
  await expect(ask("/probe?pod=other/a&to=192.0.2.1&protocol=ICMP")).rejects.toThrow("has no pod other/a");
  const port = node.agent?.healthPort;
  for (const what of ["/probe", "/watch", "/watched"])
    expect((await fetch(`http://127.0.0.1:${port}${what}?pod=default/a`)).status).toBe(404);
});
