// The routing examples: in each a host behind an FRR router reaches pods in two LANs by their own addresses, once a pool
// and pods are there, which the examples leave to whoever uses them.
import { describe, expect, it } from "vitest";
import { Commands } from "../../e2e/trunkline.ts";

const objects = (tunnel: string) => `apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: default-ipv4-ippool}
spec: {cidr: 10.1.0.0/16, blockSize: 26, natOutgoing: true${tunnel}}
${["node1", "node2", "node3", "node4"]
  .map(
    (node) => `---
apiVersion: v1
kind: Pod
metadata: {name: on-${node}}
spec:
  nodeSelector: {kubernetes.io/hostname: ${node}}
  containers: [{name: web, image: web, ports: [{containerPort: 80}]}]
`,
  )
  .join("")}`;

interface Row {
  readonly prefix: string;
  readonly announcedBy: string;
  readonly through: string;
}

describe.each([
  ["bgp", "", "bgp"],
  ["rr", "", "bgp"],
  ["rip", "", "rip"],
  ["vxlan", ", vxlanMode: CrossSubnet", "vxlan"],
])("examples/routing-%s", (example, tunnel, through) => {
  it("is ready to route", { timeout: 120_000 }, async () => {
    const commands = new Commands();
    try {
      await commands.up(`examples/routing-${example}`);
      await commands.ask("apply", "-f", commands.file("objects.yaml", objects(tunnel)));
      await commands.ask("wait", "--for", "ready", "--all");
      const unreached = async () => {
        const { cells } = await commands.json<{ cells: { from: string; to: string; reachable: boolean }[] }>(
          "probe",
          "--all",
        );
        return cells.filter(({ reachable }) => !reachable).map(({ from, to }) => `${from} ${to}`);
      };
      await expect.poll(unreached, { timeout: 60_000, interval: 500 }).toEqual([]);
      const { routes } = await commands.json<{ routes: Row[] }>("route", "show");
      for (const node of ["node1", "node2", "node3", "node4"])
        expect(routes.find((row) => row.announcedBy === node)).toMatchObject({ through });
      const { sessions } = await commands.json<{ sessions: { state: string }[] }>("route", "sessions");
      expect(sessions.filter(({ state }) => state !== "Established")).toEqual([]);
      // What the router has learned, and explain knows of.
      expect(await commands.ask("lab", "exec", "r1", "--", "vtysh", "-c", "show ip route")).toMatch(
        /10\.1\.\S+\/26/,
      );
      await commands.ask("explain", "host/outside", "pod/on-node3:80");
    } finally {
      await commands.end();
    }
  });
});
