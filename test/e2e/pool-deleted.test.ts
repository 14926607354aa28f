// A pool that is deleted while pods have addresses of it: with packets, and as the commands tell it.
import { afterAll, beforeAll, expect, it } from "vitest";
import { Commands } from "./trunkline.ts";

const lab = `name: pool-deleted
networks: [{name: nodes, cidr: 192.168.18.0/24}]
nodes:
  - {name: node1, address: 192.168.18.11}
  - {name: node2, address: 192.168.18.12}
`;
const pod = (name: string, node: string, pool: string) => `---
apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  labels: {app: ${name}}
  annotations: {cni.projectcalico.org/ipv4pools: '["${pool}"]'}
spec: {nodeName: ${node}, containers: [{name: c, image: x, ports: [{containerPort: 80}]}]}
`;
const pool = (name: string, cidr: string) => `---
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: ${name}}
spec: {cidr: ${cidr}, blockSize: 26, natOutgoing: true}
`;
const policy = `---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nodes-only}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{ipBlock: {cidr: 192.168.18.0/24}}]}]
`;

const commands = new Commands();
beforeAll(async () => {
  await commands.up(commands.file("lab.yaml", lab));
  const objects = [pool("one", "10.1.0.0/16"), pool("two", "10.2.0.0/16"), pod("cli", "node1", "one")];
  objects.push(pod("web", "node2", "two"), pod("open", "node2", "two"), policy);
  await commands.ask("apply", "-f", commands.file("objects.yaml", objects.join("")));
  await commands.ask("wait", "--for", "ready", "pod", "--all");
}, 60_000);
afterAll(() => commands.end(), 60_000);

const probe = async (to: string): Promise<object> => {
  const { stdout } = await commands.say(
    "probe",
    "pod/cli",
    to,
    "--timeout",
    "500ms",
    "-o",
    "json",
    "--lab",
    commands.lab,
  );
  return JSON.parse(stdout) as object;
};
const explain = async (to: string): Promise<object> => {
  const { stdout } = await commands.say("explain", "pod/cli", to, "-o", "json", "--lab", commands.lab);
  return JSON.parse(stdout) as object;
};

it("leaves what lives in it pods: not translated towards each other, and no nodes for a policy", async () => {
  const before = { web: await probe("pod/web:80"), open: await probe("pod/open:80") };
  expect(before).toMatchObject({ web: { reachable: false }, open: { reachable: true } });
  const { stdout } = await commands.say(
    "get",
    "pod",
    "cli",
    "-o",
    "jsonpath={.status.podIP}",
    "--lab",
    commands.lab,
  );
  const { stderr, code } = await commands.say("delete", "ippool", "two", "--lab", commands.lab);
  expect(code).toBe(0);
  expect(stderr).toContain(
    "2 pods still have addresses of pool two (1 block of nodes): default/open, default/web",
  );
  await expect
    .poll(async () => (await commands.say("explain", "pod/cli", "pod/web:80", "--lab", commands.lab)).stdout)
    .toContain("cut from pool two, which is no longer there");
  for (let n = 0; n < 2; n++) {
    expect(await probe("pod/open:80")).toMatchObject({ reachable: true, sourceSeen: stdout.trim() });
    expect(await probe("pod/web:80")).toMatchObject({ reachable: false });
  }
  expect(await explain("pod/open:80")).toMatchObject({ allowed: true, sourceSeen: stdout.trim() });
  expect(await explain("pod/web:80")).toMatchObject({ allowed: false });
});
