// The policy of the address blocks, the namespace and the pod: what packets do is what the plans say, cell by cell.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Commands } from "./trunkline.ts";

interface Cell {
  readonly from: string;
  readonly to: string;
  readonly port: string;
  readonly reachable?: boolean;
  readonly allowed?: boolean;
}

const policy = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: event, namespace: data}
spec:
  podSelector: {matchLabels: {role: data_centerevent}}
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - ipBlock: {cidr: 172.17.0.0/16, except: [172.17.1.0/24]}
    - namespaceSelector: {matchLabels: {project: apps_project}}
    - podSelector: {matchLabels: {role: apps}}
    ports: [{protocol: TCP, port: 8080}]
  egress:
  - to:
    - ipBlock: {cidr: 10.0.0.0/24}
    ports: [{protocol: TCP, port: 6379}]
`;

describe("the lab of network-policy", () => {
  const trunkline = new Commands();
  beforeAll(async () => {
    await trunkline.up("examples/network-policy");
    await trunkline.ask("wait", "--for", "ready", "--all", "-A");
  });
  afterAll(() => trunkline.end());

  const text = ({ from, to, port }: Cell): string => `${from} ${to} ${port}`;
  const reach = async (): Promise<Set<string>> =>
    new Set(
      (await trunkline.json<{ cells: Cell[] }>("probe", "--all")).cells
        .filter((cell) => cell.reachable)
        .map(text),
    );

  it("lets packets through exactly where the plans say so", async () => {
    expect((await reach()).size).toBe(128);
    const file = path.join(trunkline.folder, "policy.yaml");
    writeFileSync(file, policy);
    await trunkline.ask("apply", "-f", file);
    const { cells } = await trunkline.json<{ cells: Cell[] }>("policy", "matrix", "-A");
    const planned = new Set(cells.filter((cell) => cell.allowed).map(text));
    await expect.poll(reach, { timeout: 20_000 }).toEqual(planned);

    const event = "pod/data/event";
    const into = [...planned].filter((cell) => cell.includes(` ${event} `)).toSorted();
    expect(into).toEqual([
      `host/office ${event} 8080/tcp`,
      `pod/apps/client ${event} 8080/tcp`,
      `pod/data/apps ${event} 8080/tcp`,
      // A pod always reaches itself.
      `${event} ${event} 6379/tcp`,
      `${event} ${event} 8080/tcp`,
    ]);
    const out = [...planned].filter((cell) => cell.startsWith(`${event} `) && !cell.includes(` ${event} `));
    expect(out).toEqual([`${event} host/redis 6379/tcp`]);
  });
});
