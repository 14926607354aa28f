import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import type { Pod } from "../../api/kinds/core.ts";
import { agentsOf } from "./agents.ts";

const labels = { "app.kubernetes.io/name": "trunkline", "app.kubernetes.io/component": "agent" };
const pod = (node: string, owner: string): Pod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name: `agent-${node}`,
    uid: `u-${node}`,
    resourceVersion: "1",
    creationTimestamp: "",
    namespace: "kube-system",
    labels,
    ownerReferences: [{ apiVersion: "apps/v1", kind: "DaemonSet", name: owner, uid: "u", controller: true }],
  },
  spec: { nodeName: node, containers: [{ name: "agent", image: "i" }] },
});

it("agents are pods of the DaemonSet, not whoever has their labels, and say who they are when they fail", async () => {
  const server = createServer((_, response) => {
    response.writeHead(403, { "content-type": "application/json" });
    response.end(JSON.stringify({ kind: "Status", code: 403, message: "no pods/exec for you" }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const access = { server: `http://127.0.0.1:${port}`, base: "", insecure: false };
  const { ask, close } = agentsOf(access, [pod("n1", "trunkline-agent"), pod("n2", "somebody-elses")]);
  try {
    await expect(ask("n2", "/readyz")).rejects.toThrow("node n2 has no pod of DaemonSet trunkline-agent");
    await expect(ask("n1", "/readyz")).rejects.toThrow("the agent of node n1 says: no pods/exec for you");
    await new Promise((resolve) => server.close(resolve).closeAllConnections());
    await expect(ask("n1", "/readyz")).rejects.toMatchObject({ code: "store.unreachable" });
  } finally {
    close();
    server.close();
  }
  await expect(ask("n1", "/readyz")).rejects.toMatchObject({ code: "store.closed" });
});
