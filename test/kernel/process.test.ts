// How this room behaves in a process: descriptors, exits, other programs, ordinary users.
import { readdirSync, readlinkSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { run, startDaemon } from "../../src/kernel/exec/index.ts";
import { makeScene, until } from "./scene.ts";

const scene = makeScene();
const door = path.resolve("src/kernel/index.ts");

function script(body: string): string[] {
  const text = `import { linuxMachine } from ${JSON.stringify(door)}; const machine = linuxMachine(); ${body}`;
  return ["--input-type=module", "--eval", text];
}

describe("descriptors", () => {
  it("are all given back", async () => {
    const { machine } = scene;
    const { name } = scene.space();
    const use = async (): Promise<void> => {
      const kernel = machine.open({ name });
      kernel.links.add({ kind: "veth", name: "v0", peer: { name: "v1" } });
      const watch = kernel.watch(["link", "nftables"], () => {});
      kernel.watch(["route"], () => {});
      await kernel.nft.run("add table inet t");
      await kernel.conntrack.list();
      await kernel.links.remove("v0");
      watch.stop();
      kernel.close();
      // The nft context goes in its turn.
      await new Promise((resolve) => setImmediate(resolve));
    };
    await use();
    const before = readdirSync("/proc/self/fd").length;
    for (let n = 0; n < 10; n++) await use();
    expect(readdirSync("/proc/self/fd").length).toBe(before);
  });

  it("of a namespace stay out of programs that are started, which would keep the namespace alive", async () => {
    const { kernel } = scene.space();
    kernel.watch(["link", "nftables"], () => {});
    await kernel.nft.run("add table inet t");
    await kernel.conntrack.list();
    const daemon = await startDaemon("sleep", ["30"]);
    try {
      const folder = `/proc/${daemon.pid}/fd`;
      const held = readdirSync(folder).map((fd) => heldBy(path.join(folder, fd)));
      expect(held.filter((what) => /^(socket|net):|^\/run\/netns/.test(what))).toEqual([]);
    } finally {
      await daemon.stop();
    }
  });
});

/** What a descriptor is; a program that has just begun opens and closes its libraries meanwhile, and inherited none of those. */
function heldBy(descriptor: string): string {
  try {
    return readlinkSync(descriptor);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "closed";
    throw error;
  }
}

describe("events", () => {
  it("are told as lost where nobody read them in time", async () => {
    const { kernel } = scene.space();
    const kinds = new Set<string>();
    const watch = kernel.watch(["route"], (event) => kinds.add(event.kind));
    const common = { family: 4, type: "blackhole", protocol: 84, table: 1000 } as const;
    for (let n = 0; n < 20_000; n++) {
      kernel.routes.add({ ...common, destination: `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}/32` });
    }
    await until(() => kinds.has("lost"));
    expect(kernel.routes.list({ table: 1000 })).toHaveLength(20_000);
    watch.stop();
  });
});

describe("a process that watches", () => {
  it("ends when it wants to, when it fails, and when it stops watching", async () => {
    const { name } = scene.space();
    const watch = `const kernel = machine.open({ name: "${name}" }); const watch = kernel.watch(["link"], () => {});`;
    const end = async (body: string): Promise<number> =>
      (await run(process.execPath, script(`${watch} ${body}`), { codes: "any", timeoutMs: 10_000 })).code;
    expect(await end("setTimeout(() => process.exit(3), 10)")).toBe(3);
    expect(await end("setTimeout(() => { throw new TypeError('x') }, 10)")).toBe(1);
    expect(await end("setTimeout(() => watch.stop(), 10)")).toBe(0);
    expect(await end("kernel.close()")).toBe(0);
  });
});

describe("other programs", () => {
  it("run in a namespace", async () => {
    const { name, kernel } = scene.space();
    kernel.links.add({ kind: "bridge", name: "br0" });
    const { stdout } = await run("ip", ["-o", "link"], { netns: { name } });
    expect(stdout).toContain("br0");
    await expect(run("trunkline-no-such-program", [], { netns: { name } })).rejects.toMatchObject({
      code: "kernel.command-missing",
    });
    const daemon = await startDaemon("sleep", ["30"], { netns: { name } });
    const home = scene.machine.identityOf({ name });
    await until(() => scene.machine.identityOf({ path: `/proc/${daemon.pid}/ns/net` }) === home);
    expect(await daemon.stop()).toMatchObject({ signal: "SIGTERM" });
  });

  it("see our namespaces as their own, and we see theirs", async () => {
    const { machine } = scene;
    const name = `tlp${process.pid}`;
    machine.createNetns(name);
    expect((await run("ip", ["netns", "list"])).stdout).toContain(name);
    await run("ip", ["netns", "del", name]);
    expect(machine.listNetns()).not.toContain(name);
    await run("ip", ["netns", "add", name]);
    expect(machine.listNetns()).toContain(name);
    expect(machine.open({ name }).links.get("lo")?.up).toBe(false);
    await machine.removeNetns(name);
    expect((await run("ip", ["netns", "list"])).stdout).not.toContain(name);
  });
});

describe("an ordinary user", () => {
  it("has it all inside namespaces of its own", async () => {
    const body = [
      "machine.createNetns('mine'); const kernel = machine.open({ name: 'mine' });",
      "kernel.links.add({ kind: 'veth', name: 'v0', up: true, peer: { name: 'v1', up: true } });",
      "kernel.sysctl.set('net/ipv4/ip_forward', 1);",
      "await kernel.nft.run('add table inet t');",
      "console.log(kernel.links.list().map((link) => link.name).join(), kernel.sysctl.get('net/ipv4/ip_forward'));",
      "kernel.close(); await machine.removeNetns('mine'); console.log(machine.listNetns().length);",
    ].join(" ");
    const user = ["--reuid=65534", "--regid=65534", "--clear-groups", "unshare", "-Urnm", "--"];
    const shell = [
      "sh",
      "-c",
      'mount -t tmpfs tmpfs /run && exec "$0" "$@"',
      process.execPath,
      ...script(body),
    ];
    const { stdout } = await run("setpriv", [...user, ...shell], { env: { HOME: "/" } });
    expect(stdout).toBe("lo,v1,v0 1\n0\n");
  });

  it("is told what it lacks outside of them", async () => {
    const body =
      "try { machine.createNetns('tl-not-mine') } catch (error) { console.log(error.code) } " +
      "try { machine.open('self').links.add({ kind: 'bridge', name: 'tlnone' }) } catch (error) { console.log(error.code) }";
    const user = ["--reuid=65534", "--regid=65534", "--clear-groups", process.execPath];
    const { stdout } = await run("setpriv", [...user, ...script(body)], { env: { HOME: "/" } });
    expect(stdout).toBe("kernel.permission\nkernel.permission\n");
  });
});
