import { expect, it } from "vitest";
import { isError } from "../../base/errors.ts";
import type { Change, Kernel } from "../kernel.ts";
import { ours, pair, route, type Scene } from "./scene.suite.ts";

/** Returns the code of the error that a promise is rejected with; undefined where it is kept. */
async function refusalOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (isError(error)) return error.code;
    throw error;
  }
}

function addressesOf(kernel: Kernel, index: number): string[] {
  return kernel.addresses.list(index).map(({ address }) => address);
}

export function changeTests(scene: Scene): void {
  it("makes changes in their order, of which the later ones need the earlier", async () => {
    const name = scene.netns();
    const kernel = scene.open(name);
    const link = kernel.links.add({ kind: "veth", name: "v0", peer: { name: "v1", up: true } });
    const on = { linkIndex: link.index };
    const changes: Change[] = [
      { kind: "link", index: link.index, to: { up: true, alias: "one" } },
      { kind: "address", address: { ...on, address: "10.0.0.1/24", scope: "global" } },
      { kind: "route", route: route({ destination: "10.7.0.0/16", via: "10.0.0.2", ...on }) },
      {
        kind: "neighbour",
        neighbour: { ...on, address: "10.0.0.2", mac: "02:00:00:00:00:02", state: "permanent" },
      },
    ];
    await kernel.apply(changes);
    await kernel.apply([]);
    expect(kernel.links.get("v0")).toMatchObject({ up: true, alias: "one" });
    expect(addressesOf(kernel, link.index)).toContain("10.0.0.1/24");
    expect(ours(kernel).map(({ destination }) => destination)).toEqual(["10.7.0.0/16"]);
    expect(kernel.neighbours.list(on).map(({ mac }) => mac)).toContain("02:00:00:00:00:02");
  });

  it("tries all of them and tells of the first that is refused", async () => {
    const { kernel, link } = pair(scene);
    const linkIndex = link.index;
    const work = kernel.apply([
      { kind: "address", address: { linkIndex, address: "10.0.0.9/24", scope: "global" } },
      { kind: "address", address: { linkIndex, address: "10.0.0.1/24", scope: "global" } },
      { kind: "route", route: route({ destination: "10.7.0.0/16", via: "192.0.2.1", linkIndex }) },
      { kind: "route", route: route({ destination: "10.8.0.0/16", linkIndex }) },
    ]);
    expect(await refusalOf(work)).toBe("kernel.exists");
    expect(addressesOf(kernel, linkIndex)).toContain("10.0.0.9/24");
    expect(ours(kernel).map(({ destination }) => destination)).toEqual(["10.8.0.0/16"]);
  });

  it("makes links, many at a time, and says of each what became of it", async () => {
    const [here, there] = [scene.netns(), scene.netns()];
    const kernel = scene.open(here);
    const names = [...Array.from({ length: 30 }, (_, at) => `v${at}`), "v7"];
    const outcomes = await Promise.allSettled(
      names.map((name, at) =>
        kernel.links.make({ kind: "veth", name, peer: { name: `p${at}`, netns: { name: there } } }),
      ),
    );
    for (const [at, outcome] of outcomes.slice(0, 30).entries())
      expect(outcome).toMatchObject({ status: "fulfilled", value: { name: `v${at}`, kind: "veth" } });
    expect(outcomes[30]).toMatchObject({ status: "rejected", reason: { code: "kernel.exists" } });
    const peers = scene.open(there).links.list();
    for (const outcome of outcomes.slice(0, 30)) {
      if (outcome.status !== "fulfilled") continue;
      const peer = peers.find(({ index }) => index === outcome.value.lower);
      expect(peer?.name).toBe(`p${names.indexOf(outcome.value.name)}`);
    }
  });

  it("leaves requests that do not wait alone", async () => {
    const { kernel, link } = pair(scene);
    const linkIndex = link.index;
    const waiting = Array.from({ length: 20 }, (_, at) =>
      kernel.apply([{ kind: "route", route: route({ destination: `10.7.${at}.0/24`, linkIndex }) }]),
    );
    for (let at = 0; at < 20; at++) {
      expect(kernel.links.get("v0")?.index).toBe(linkIndex);
      kernel.routes.add(route({ destination: `10.8.${at}.0/24`, linkIndex }));
    }
    await Promise.all(waiting);
    expect(ours(kernel)).toHaveLength(40);
  });

  it("finishes what is under way when the handle is closed, and takes nothing more", async () => {
    const name = scene.netns();
    const kernel = scene.open(name);
    const work = kernel.links.make({ kind: "bridge", name: "b0" });
    kernel.close();
    expect((await work).name).toBe("b0");
    expect(await refusalOf(kernel.links.make({ kind: "bridge", name: "b1" }))).toBe("kernel.closed");
    expect(await refusalOf(kernel.apply([{ kind: "link", index: 1, to: { up: true } }]))).toBe(
      "kernel.closed",
    );
    expect(
      scene
        .open(name)
        .links.list()
        .map((link) => link.name),
    ).toEqual(expect.arrayContaining(["b0"]));
  });
}
