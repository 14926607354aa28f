// A cluster on this machine, driven as a user drives it: by the executable.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Pod } from "../../src/api/kinds/core.ts";
import { Commands, machineState } from "./trunkline.ts";

interface Probe {
  readonly reachable: boolean;
  readonly sourceSeen: string | null;
}
interface Cell extends Probe {
  readonly from: string;
  readonly to: string;
  readonly port: string;
}

function ninePods(): string {
  const ports = [80, 81].flatMap((port) =>
    ["TCP", "UDP", "SCTP"].map((protocol) => `{containerPort: ${port}, protocol: ${protocol}}`),
  );
  return ["x", "y", "z"]
    .flatMap((namespace) => [
      `apiVersion: v1\nkind: Namespace\nmetadata: {name: "${namespace}"}\n`,
      ...["a", "b", "c"].map(
        (pod) =>
          `apiVersion: v1\nkind: Pod\nmetadata: {name: ${pod}, namespace: "${namespace}"}\n` +
          `spec: {containers: [{name: c, image: i, ports: [${ports.join(", ")}]}]}\n`,
      ),
    ])
    .join("---\n");
}

describe("first light", () => {
  const trunkline = new Commands();
  beforeAll(async () => {
    await trunkline.up("examples/first-light");
    await trunkline.ask("apply", "-f", "examples/first-light/workloads.yaml");
    await trunkline.ask("wait", "--for", "ready", "--all", "-A", "--timeout", "60s");
  });
  afterAll(() => trunkline.end());

  const pods = async (...words: string[]): Promise<Pod[]> =>
    (await trunkline.json<{ items: Pod[] }>("get", "pods", ...words)).items;

  it("gives pods addresses out of two or more blocks of the pool, spread over the nodes", async () => {
    const all = await pods("-n", "default");
    const addresses = all.map((pod) => pod.status?.podIP ?? "");
    expect(new Set(all.map((pod) => pod.spec.nodeName)).size).toBeGreaterThan(1);
    expect(addresses.every((address) => address.startsWith("10.1."))).toBe(true);
    expect(new Set(addresses).size).toBe(all.length);
    const blocks = await trunkline.json<{ items: unknown[] }>("get", "addressblocks");
    expect(blocks.items.length).toBeGreaterThanOrEqual(2);
  });

  it("sees the source address that explain had said", async () => {
    const said = await trunkline.json<Probe & { allowed: boolean }>("explain", "rc/myweb", "rc/mysql:3306");
    const seen = await trunkline.json<Probe>("probe", "rc/myweb", "rc/mysql:3306");
    expect(seen).toMatchObject({ reachable: true, sourceSeen: said.sourceSeen });
    expect(said.allowed).toBe(true);
    const web = (await pods("-n", "default")).map((pod) => pod.status?.podIP);
    expect(web).toContain(seen.sourceSeen);
  });

  it("lets pods reach nodes and nodes reach pods", async () => {
    expect(await trunkline.json<Probe>("probe", "rc/myweb", "node/node1")).toMatchObject({ reachable: true });
    expect(await trunkline.json<Probe>("probe", "node/node3", "rc/mysql:3306")).toMatchObject({
      reachable: true,
      sourceSeen: "192.168.18.13",
    });
  });

  it("says no with exit code 1 where nobody listens, and 2 where nobody is called so", async () => {
    const closed = await trunkline.say(
      "probe",
      "rc/myweb",
      "rc/mysql:3307",
      "--lab",
      trunkline.lab,
      "-o",
      "json",
    );
    expect(closed.code).toBe(1);
    expect(JSON.parse(closed.stdout)).toMatchObject({
      reachable: false,
      outcome: "refused",
      sourceSeen: null,
    });
    expect((await trunkline.say("probe", "pod/nobody", "rc/mysql", "--lab", trunkline.lab)).code).toBe(2);
  });

  it("runs commands where a node or a pod lives, and passes on their exit codes", async () => {
    expect(await trunkline.ask("lab", "exec", "node1", "--", "ip", "route")).toContain("proto 84");
    const [pod] = await pods("-n", "default");
    const inside = await trunkline.ask("lab", "exec", pod!.metadata.name, "--", "ip", "-o", "address");
    expect(inside).toContain(pod!.status!.podIP);
    expect(
      (await trunkline.say("lab", "exec", "--lab", trunkline.lab, "node1", "--", "sh", "-c", "exit 7")).code,
    ).toBe(7);
  });

  it("draws what there is", async () => {
    const drawing = await trunkline.ask("lab", "show");
    expect(drawing).toContain("node node1  eth0 192.168.18.11/24");
    expect(drawing).toMatch(/pod default\/mysql-\w+ {2}tl[0-9a-f]{13}══eth0 {2}10\.1\./);
  });

  it("probes everybody to everybody by TCP, UDP and SCTP", async () => {
    const file = path.join(trunkline.folder, "nine.yaml");
    writeFileSync(file, ninePods());
    await trunkline.ask("apply", "-f", file);
    await trunkline.ask("wait", "--for", "ready", "--all", "-A");
    const spaces = ["-n", "x", "-n", "y", "-n", "z"];
    const { cells } = await trunkline.json<{ cells: Cell[] }>("probe", "--all", ...spaces);
    const address = new Map(
      (await pods("-A")).map(({ metadata, status }) => [
        `pod/${metadata.namespace}/${metadata.name}`,
        status?.podIP,
      ]),
    );
    expect(cells).toHaveLength(486);
    expect(cells.filter((cell) => !cell.reachable || cell.sourceSeen !== address.get(cell.from))).toEqual([]);
    const closed = await trunkline.json<{ cells: Cell[] }>(
      "probe",
      "--all",
      ...spaces,
      "--port",
      "82/tcp,82/udp,82/sctp",
    );
    expect(closed.cells).toHaveLength(243);
    expect(closed.cells.filter((cell) => cell.reachable)).toEqual([]);
  });

  it("scales up and down, and gives no address to two pods", async () => {
    await trunkline.ask("scale", "rc/myweb", "--replicas", "60");
    await trunkline.ask("wait", "--for", "ready", "rc/myweb", "--timeout", "60s");
    const many = (await pods("-A")).map((pod) => pod.status?.podIP);
    expect(new Set(many).size).toBe(many.length);
    await trunkline.ask("scale", "rc/myweb", "--replicas", "2");
    await trunkline.ask("wait", "--for", "ready", "rc/myweb");
    await expect.poll(async () => (await pods("-n", "default")).length, { timeout: 20_000 }).toBe(3);
  });
});

describe("a lab that was killed", () => {
  const trunkline = new Commands();
  afterAll(() => trunkline.end());

  it("leaves nothing after its process was killed, and never touched the machine's own network", async () => {
    const before = machineState(trunkline.lab);
    await trunkline.up("examples/network-policy", "--separate");
    await trunkline.ask("wait", "--for", "ready", "--all", "-A");
    expect(machineState(trunkline.lab)).not.toBe(before);
    const record = path.join(trunkline.folder, "labs", trunkline.lab, "lab.json");
    const { process: owner } = JSON.parse(readFileSync(record, "utf8")) as { process: { pid: number } };
    process.kill(owner.pid, "SIGKILL");
    await expect
      .poll(async () => (await trunkline.say("lab", "list")).stdout, { timeout: 5000 })
      .toMatch(new RegExp(`${trunkline.lab} +dead`));
    expect((await trunkline.say("get", "pods", "--lab", trunkline.lab)).code).toBe(2);
    expect((await trunkline.say("lab", "down", trunkline.lab)).code).toBe(0);
    expect(existsSync(path.join(trunkline.folder, "labs"))).toBe(false);
    expect(machineState(trunkline.lab)).toBe(before);
  });
});
