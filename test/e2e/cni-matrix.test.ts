// Every verb of the specification in every awkward situation, asked by a runtime that is not ours: cnitool (libcni), with
// the executable, an agent in a process of its own, and Debian's portmap and bandwidth chained behind.
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { installCni } from "../../src/agent/install-cni.ts";
import type { CniFailure, CniResult } from "../../src/cni/spec.ts";
import { type Finished, run } from "../../src/kernel/exec/index.ts";
import { ROUTE_PROTOCOL } from "../../src/kernel/index.ts";
import { CniBed, containerId, executable, resultFile } from "./cni-bed.ts";
import { cnitool } from "./cnitool.ts";

const tool = await cnitool();
if ("missing" in tool) console.error(`CNI matrix: NOT run: ${tool.missing}`);

const versions = ["0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;
const bed = new CniBed("missing" in tool ? "" : tool.path);
const { id, folder, socket, queue, machine } = bed;
const { cni, direct, pod, hostEnd, podAddresses, held } = bed;
const addressOf = (added: Finished) => (JSON.parse(added.stdout) as CniResult).ips?.[0]?.address ?? "";

/** Waits for what happens behind an answer. */
async function eventually(look: () => boolean): Promise<void> {
  await expect.poll(look, { timeout: 5000, interval: 20 }).toBe(true);
}

async function expectGone(name: string): Promise<void> {
  await eventually(() => hostEnd(name) === undefined);
  expect(held().has(`${containerId(name)}/eth0`)).toBe(false);
}

describe.skipIf("missing" in tool)("the CNI verbs, asked by cnitool", () => {
  beforeAll(async () => {
    for (const version of versions) {
      bed.network(`m-${version}`, version);
      bed.network(`c-${version}`, version, ["portmap", "bandwidth"]);
    }
    await bed.start();
  });
  afterEach(() => bed.removePods());
  afterAll(() => bed.end());

  for (const version of versions) {
    const net = `m-${version}`;
    describe(`in version ${version}`, () => {
      it("ADD, CHECK and DEL, fresh and repeated", async () => {
        const name = pod();
        const added = await cni("add", net, name);
        expect(added.stderr).toBe("");
        expect(JSON.parse(added.stdout)).toMatchObject({ cniVersion: version });
        expect(podAddresses(name)).toEqual([addressOf(added)]);
        const again = await cni("add", net, name);
        expect(again).toEqual(added);
        if (version !== "0.3.1") {
          expect(await cni("check", net, name)).toMatchObject({ code: 0 });
          expect(await cni("check", net, name)).toMatchObject({ code: 0 });
        } else expect((await cni("check", net, name)).stderr).toContain("does not support the CHECK command");
        expect(await cni("del", net, name)).toMatchObject({ code: 0, stderr: "" });
        await expectGone(name);
        expect(await cni("del", net, name)).toMatchObject({ code: 0, stderr: "" });
      });

      it("DEL without namespace, without prevResult and with a wrong one", async () => {
        const [gone, bare, wrong] = [pod(), pod(), pod()];
        for (const name of [gone, bare, wrong])
          expect(await cni("add", net, name)).toMatchObject({ code: 0 });
        await machine.removeNetns(gone);
        rmSync(resultFile(net, bare));
        spoil(resultFile(net, wrong));
        for (const name of [gone, bare, wrong]) {
          expect(await cni("del", net, name), name).toMatchObject({ code: 0, stderr: "" });
          await expectGone(name);
        }
      });
    });
  }

  it("ADD fails with code 8 where the namespace is gone, and leaves nothing", async () => {
    const name = `${id}-never`;
    const added = await cni("add", "m-1.1.0", name);
    expect(added.code).not.toBe(0);
    expect(added.stderr).toContain("CNI_NETNS cannot be opened");
    await expectGone(name);
  });

  it("CHECK finds what was damaged, and a result that is not ours", async () => {
    const name = pod();
    await cni("add", "m-1.1.0", name);
    const inside = machine.open({ name });
    const [route] = inside.routes.list().filter((one) => one.destination === "0.0.0.0/0");
    inside.routes.remove(route!);
    expect((await cni("check", "m-1.1.0", name)).stderr).toContain("the pod lacks the route to 0.0.0.0/0");
    inside.routes.add(route!);
    expect(await cni("check", "m-1.1.0", name)).toMatchObject({ code: 0 });
    const link = inside.links.get("eth0")!;
    for (const address of inside.addresses.list(link.index)) inside.addresses.remove(address);
    expect((await cni("check", "m-1.1.0", name)).stderr).toContain("lacks the address");
    inside.close();
    // ADD heals, with the same address.
    const before = readFileSync(resultFile("m-1.1.0", name), "utf8");
    expect(await cni("add", "m-1.1.0", name)).toMatchObject({ code: 0 });
    expect(readFileSync(resultFile("m-1.1.0", name), "utf8")).toBe(before);
    expect(await cni("check", "m-1.1.0", name)).toMatchObject({ code: 0 });
    spoil(resultFile("m-1.1.0", name));
    expect((await cni("check", "m-1.1.0", name)).stderr).toContain("prevResult lacks the address");
    await machine.removeNetns(name);
    expect((await cni("check", "m-1.1.0", name)).code).not.toBe(0);
    expect(await cni("del", "m-1.1.0", name)).toMatchObject({ code: 0 });
  });

  it("two ADDs of one container at a time give one interface, and ADD beside DEL gives one or none", async () => {
    const name = pod();
    const [a, b] = await Promise.all([cni("add", "m-1.1.0", name), cni("add", "m-1.1.0", name)]);
    expect(a).toMatchObject({ code: 0 });
    expect(b).toEqual(a);
    expect(podAddresses(name)).toEqual([addressOf(a)]);
    await Promise.all([cni("add", "m-1.1.0", name), cni("del", "m-1.1.0", name)]);
    expect(podAddresses(name).length).toBeLessThan(2);
    expect(await cni("del", "m-1.1.0", name)).toMatchObject({ code: 0 });
    await expectGone(name);
  });

  it("eight pods at a time get eight addresses", async () => {
    const names = Array.from({ length: 8 }, () => pod());
    const added = await Promise.all(names.map((name) => cni("add", "m-1.0.0", name)));
    expect(new Set(added.map(addressOf)).size).toBe(8);
    await Promise.all(names.map((name) => cni("del", "m-1.0.0", name)));
    for (const name of names) await expectGone(name);
  });

  it("an executable that is killed half-way leaves nothing once DEL was called", async () => {
    for (const afterMs of [1, 3, 5, 8]) {
      const name = pod();
      const signal = AbortSignal.timeout(afterMs);
      const killed = run(executable, [], {
        input: JSON.stringify({ cniVersion: "1.1.0", name: "m-1.1.0", agentSocket: socket }),
        env: {
          CNI_COMMAND: "ADD",
          CNI_CONTAINERID: containerId(name),
          CNI_NETNS: `/run/netns/${name}`,
          CNI_IFNAME: "eth0",
          CNI_PATH: "/",
        },
        signal,
      });
      await killed.catch((error: unknown) => expect(error).toBe(signal.reason));
      expect(await cni("del", "m-1.1.0", name)).toMatchObject({ code: 0 });
      await expectGone(name);
    }
  });

  it("an agent that is killed half-way: ADD says try again, and what was answered holds", async () => {
    const kept = pod();
    const first = await cni("add", "m-1.1.0", kept);
    for (const afterMs of [2, 5, 9]) {
      const name = pod();
      const adding = cni("add", "m-1.1.0", name);
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      await bed.killAgent();
      const added = await adding;
      await bed.startAgent();
      if (added.code !== 0) expect(added.stderr).toMatch(/cannot be reached|broke off/);
      const again = await cni("add", "m-1.1.0", name);
      expect(again).toMatchObject({ code: 0 });
      if (added.code === 0) expect(again).toEqual(added);
      expect(addressOf(again)).not.toBe(addressOf(first));
      expect(await cni("check", "m-1.1.0", name)).toMatchObject({ code: 0 });
      await cni("del", "m-1.1.0", name);
      await expectGone(name);
    }
    expect(await cni("add", "m-1.1.0", kept)).toEqual(first);
    expect(await cni("check", "m-1.1.0", kept)).toMatchObject({ code: 0 });
    await cni("del", "m-1.1.0", kept);
  });

  it("while the agent is away ADD, CHECK, GC and STATUS fail, and DEL waits in the queue for it", async () => {
    const [old, fresh, reborn] = [pod(), pod(), pod()];
    await cni("add", "m-1.1.0", old);
    await cni("add", "m-1.1.0", reborn);
    await bed.killAgent();
    expect((await cni("add", "m-1.1.0", fresh)).stderr).toContain("cannot be reached");
    expect((await cni("check", "m-1.1.0", old)).stderr).toContain("cannot be reached");
    expect((await cni("status", "m-1.1.0", old)).stderr).toContain("cannot be reached");
    expect(failureOf(await direct("STATUS")).code).toBe(50);
    expect(failureOf(await direct("GC")).code).toBe(11);
    expect(await cni("del", "m-1.1.0", old)).toMatchObject({ code: 0, stderr: "" });
    expect(readdirSync(queue)).toEqual([`${containerId(old)}:eth0.json`]);
    expect(hostEnd(old)).toBeDefined();
    await bed.startAgent();
    await expectGone(old);
    expect(readdirSync(queue)).toEqual([]);
    expect(await cni("check", "m-1.1.0", reborn)).toMatchObject({ code: 0 });
    expect(await cni("status", "m-1.1.0", old)).toMatchObject({ code: 0, stderr: "" });
    await cni("del", "m-1.1.0", reborn);
  });

  it("GC removes what is not named, of its own network only", async () => {
    const [keep, drop, other] = [pod(), pod(), pod()];
    await cni("add", "m-1.1.0", keep);
    await cni("add", "m-1.1.0", drop);
    await cni("add", "m-1.0.0", other);
    const valid = [{ containerID: containerId(keep), ifname: "eth0" }];
    expect(await direct("GC", { "cni.dev/valid-attachments": valid })).toMatchObject({ code: 0, stdout: "" });
    await expectGone(drop);
    expect(await cni("check", "m-1.1.0", keep)).toMatchObject({ code: 0 });
    expect(await cni("check", "m-1.0.0", other)).toMatchObject({ code: 0 });
    // cnitool names none: all of the network goes.
    expect(await cni("gc", "m-1.1.0", keep)).toMatchObject({ code: 0 });
    await expectGone(keep);
    expect(hostEnd(other)).toBeDefined();
    await cni("del", "m-1.0.0", other);
  });

  // Debian 12's plugins know nothing newer than 1.0.0.
  for (const version of ["0.3.1", "0.4.0", "1.0.0"] as const)
    it(`chained with portmap and bandwidth in ${version}`, async () => {
      const name = pod();
      const env = {
        CAP_ARGS: JSON.stringify({
          portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }],
          bandwidth: {
            ingressRate: 1_000_000,
            ingressBurst: 1_000_000,
            egressRate: 2_000_000,
            egressBurst: 2_000_000,
          },
        }),
      };
      const added = await cni("add", `c-${version}`, name, env);
      expect(added.stderr).toBe("");
      const interfaces = (JSON.parse(added.stdout) as CniResult).interfaces ?? [];
      // The bandwidth plugin names the ifb that it made for the pod's egress.
      expect(interfaces.length).toBe(3);
      const ifb = bed.kernel.links.get(interfaces[2]?.name ?? "");
      expect(ifb?.kind).toBe("ifb");
      if (version !== "0.3.1") {
        // The portmap plugin of Debian 12 looks for IPv6 chains of pods that have IPv4 only.
        const check = await cni("check", `c-${version}`, name, env);
        expect(check.stderr.replace(/^could not check ipv6 dnat: .*\n/, "")).toBe("");
      }
      expect(await cni("del", `c-${version}`, name, env)).toMatchObject({ code: 0, stderr: "" });
      await expectGone(name);
      expect(bed.kernel.links.get(interfaces[2]?.name ?? "")).toBeUndefined();
    });

  it("install-cni writes a configuration that all chained plugins speak, over and over the same", async () => {
    const options = {
      source: executable,
      binDir: path.join(folder, "bin"),
      confDir: path.join(folder, "net.d"),
      pluginPath: ["/usr/lib/cni"],
      agentSocket: socket,
      queueDir: queue,
      network: "installed",
      timeoutMs: 5000,
    };
    const installed = await installCni(options);
    expect(installed.plugins).toEqual(["trunkline", "portmap"]);
    expect(path.basename(installed.configuration)).toBe("10-trunkline.conflist");
    const before = statSync(installed.configuration);
    expect(await installCni(options)).toEqual(installed);
    expect(statSync(installed.configuration).ino).toBe(before.ino);
    const name = pod();
    const added = await cni("add", "installed", name, {
      CNI_PATH: `${options.binDir}:/usr/lib/cni`,
      CAP_ARGS: JSON.stringify({ portMappings: [{ hostPort: 8081, containerPort: 80, protocol: "tcp" }] }),
    });
    expect(added.stderr).toBe("");
    expect(JSON.parse(added.stdout)).toMatchObject({ cniVersion: installed.version });
    expect(await cni("del", "installed", name)).toMatchObject({ code: 0, stderr: "" });
    await expectGone(name);
  });

  it("writes JSON log lines with stable keys", async () => {
    const name = pod();
    await cni("add", "m-1.1.0", `${id}-never`);
    await cni("del", "m-1.1.0", name);
    const lines = readFileSync(path.join(folder, "agent.log"), "utf8").trimEnd().split("\n");
    const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const line of parsed)
      expect(line).toMatchObject({
        level: expect.stringMatching(/^(debug|info|warn|error)$/),
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        component: "agent",
        node: "n1",
        msg: expect.any(String),
      });
    expect(parsed).toContainEqual(
      expect.objectContaining({
        level: "warn",
        verb: "ADD",
        code: 8,
        containerId: containerId(`${id}-never`),
      }),
    );
  });

  it("leaves no route and no interface behind", async () => {
    const name = pod();
    await cni("add", "m-1.1.0", name);
    await cni("gc", "m-1.1.0", name);
    for (const each of versions) await cni("del", `m-${each}`, name);
    await expectGone(name);
    const podRoutes = bed.kernel.routes
      .list({ protocol: ROUTE_PROTOCOL })
      .filter((one) => one.destination.endsWith("/32"));
    expect(podRoutes.filter((one) => one.linkIndex !== undefined).length).toBe(held().size);
  });
});

function failureOf(finished: Finished): CniFailure {
  return JSON.parse(finished.stdout) as CniFailure;
}

/** Makes libcni's kept result another pod's. */
function spoil(file: string): void {
  writeFileSync(file, readFileSync(file, "utf8").replaceAll(/10\.1\.\d+\.\d+/g, "10.250.0.1"));
}
