// A lab for what happens to policies while things change: agents as processes of their own, four pods on two nodes, and
// one policy that lets `friend` into `server` and nobody else.
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../../../src/kernel/exec/index.ts";
import { type Kernel, linuxMachine } from "../../../src/kernel/index.ts";
import type { LabPicture } from "../../../src/lab/show/describe.ts";
import { firstPacket } from "../../kernel/packets.ts";
import { Commands } from "../trunkline.ts";

const UDP = 17;

const lab = `
name: changes
networks: [{name: nodes, cidr: 192.168.18.0/24}]
nodes:
  - {name: node1, address: 192.168.18.11}
  - {name: node2, address: 192.168.18.12}
`;

const pod = (name: string, node: string) => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}}
spec: {nodeName: ${node}, containers: [{name: c, ports: [{containerPort: 80}]}]}
`;

const objects = `
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: pods}
spec: {cidr: 10.1.0.0/16, blockSize: 26}
${pod("server", "node1")}${pod("neighbour", "node1")}${pod("friend", "node2")}${pod("stranger", "node2")}`;

const onlyFriend = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only-friend}
spec:
  podSelector: {matchLabels: {app: server}}
  ingress: [{from: [{podSelector: {matchLabels: {app: friend}}}]}]
`;

export class PolicyLab {
  readonly commands = new Commands();
  readonly machine = linuxMachine();
  readonly #kernels = new Map<string, Kernel>();
  readonly #netns = new Map<string, string>();
  readonly #ips = new Map<string, string>();
  #policy = "";

  async up(): Promise<void> {
    await this.commands.up(this.file("lab.yaml", lab), "--separate");
    this.#policy = this.file("policy.yaml", onlyFriend);
    await this.apply(objects);
    await this.commands.ask("wait", "--for", "ready", "--all");
  }

  async end(): Promise<void> {
    for (const kernel of this.#kernels.values()) kernel.close();
    await this.commands.end();
  }

  file(name: string, text: string): string {
    return this.commands.file(name, text);
  }

  async apply(text: string): Promise<void> {
    await this.commands.ask("apply", "-f", this.file(`applied-${Math.random()}.yaml`, text));
  }

  /** Lets nobody but friend into server, on both nodes when it returns. */
  async isolate(): Promise<void> {
    await this.commands.ask("apply", "-f", this.#policy);
    await until("the server is isolated", async () => !(await this.arrives("stranger", "server")));
  }

  async open(): Promise<void> {
    await this.commands.ask("delete", "-f", this.#policy);
    await until("the server is open", () => this.arrives("stranger", "server"));
  }

  /** A handle on a pod's or node's namespace, as it is called at the first time. */
  async kernelOf(name: string): Promise<Kernel> {
    const known = this.#kernels.get(name);
    if (known) return known;
    const kernel = this.machine.open({ name: await this.netnsOf(name) });
    this.#kernels.set(name, kernel);
    return kernel;
  }

  /** Names of namespaces and addresses stay what they are while a node or pod lives, and no name is used twice. */
  async netnsOf(name: string): Promise<string> {
    const known = this.#netns.get(name);
    if (known !== undefined) return known;
    const { members, pods } = await this.commands.json<LabPicture>("lab", "show");
    const all = [...members, ...pods.map((one) => ({ ...one, name: one.name.replace("default/", "") }))];
    for (const one of all) if (one.netns !== undefined) this.#netns.set(one.name, one.netns);
    const found = this.#netns.get(name);
    if (found === undefined) throw new Error(`${name} has no namespace`);
    return found;
  }

  async ipOf(name: string): Promise<string> {
    const known = this.#ips.get(name);
    if (known !== undefined) return known;
    const { status } = await this.commands.json<{ status: { podIP: string } }>("get", "pod", name);
    this.#ips.set(name, status.podIP);
    return status.podIP;
  }

  /** Whether a UDP datagram arrives. */
  async arrives(from: string, to: string): Promise<boolean> {
    const flow = await this.flow(from, to, 200);
    for (let sent = 0; sent < 3 && flow.arrived.size === 0; sent++) {
      flow.send();
      await sleep(20);
    }
    flow.stop();
    return flow.arrived.size > 0;
  }

  /** Datagrams whose source ports count up from `base`, so that each is a first packet, and which of them arrived. */
  async flow(from: string, to: string, base: number) {
    const [sender, receiver, fromIp, toIp] = await Promise.all([
      this.kernelOf(from),
      this.kernelOf(to),
      this.ipOf(from),
      this.ipOf(to),
    ]);
    const port = 7000;
    const arrived = new Set<number>();
    const out = sender.sockets.openRaw(4, UDP);
    const into = receiver.sockets.openRaw(4, UDP);
    const listening = receiver.sockets.receiveRaw(into, (packet, source) => {
      const start = ((packet[0] ?? 0) & 15) * 4;
      const view = Buffer.from(packet.subarray(start));
      if (source === fromIp && view.readUInt16BE(2) === port) arrived.add(view.readUInt16BE(0));
    });
    let sent = 0;
    return {
      arrived,
      get sent() {
        return sent;
      },
      send() {
        const sourcePort = base + sent++;
        const packet = firstPacket({ protocol: "UDP", from: fromIp, to: toIp, port, sourcePort });
        sender.sockets.sendRaw(out, toIp, packet);
      },
      stop() {
        listening.stop();
        sender.sockets.close(out);
        receiver.sockets.close(into);
      },
    };
  }

  /** The node's table without counters and in one order. */
  async table(node: string): Promise<string> {
    const netns = { name: await this.netnsOf(node) };
    const { stdout } = await run("nft", ["list", "table", "inet", "trunkline"], { netns, codes: "any" });
    const plain = stdout.replaceAll(/counter packets \d+ bytes \d+/g, "counter").replace(/\n}\n$/, "\n");
    const [head = "", ...parts] = plain.split(/^(?=\t(?:chain|set|map) )/m);
    return [head, ...parts.map((part) => part.trimEnd()).toSorted()].join("\n");
  }

  /** The processes of the lab's agents, by node. */
  async agents(): Promise<Map<string, number>> {
    const { stdout } = await run("ps", ["-eo", "pid,args"]);
    const found = stdout
      .split("\n")
      .filter((line) => line.includes(" agent --node ") && line.includes(`--netns tl-${this.commands.lab}-`))
      .map((line): [string, number] => [/--node (\S+)/.exec(line)?.[1] ?? "", Number.parseInt(line, 10)]);
    return new Map(found);
  }
}

/** Waits until it is so. */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let left = 200; left > 0; left--) {
    if (await isSo()) return;
    await sleep(50);
  }
  throw new Error(`waited in vain: ${what}`);
}
