import { expect, it } from "vitest";
import { type Scene, table } from "./scene.suite.ts";

export function nftTests(scene: Scene): void {
  it("runs commands as one transaction: all or nothing", async () => {
    const kernel = scene.open(scene.netns());
    expect(await kernel.nft.text("list table inet t")).toBeUndefined();
    await kernel.nft.run(table);
    const failing = kernel.nft.run("add element inet t s { 10.0.0.1 }\nadd rule inet t nowhere accept");
    await expect(failing).rejects.toMatchObject({ code: "kernel.nft" });
    await expect(failing).rejects.toThrow("No such file or directory");
    expect(await kernel.nft.text("list set inet t s")).not.toContain("10.0.0.1");
    await kernel.nft.run("add element inet t s { 10.0.0.1 }");
    expect(await kernel.nft.text("list set inet t s")).toContain("10.0.0.1");
  });

  it("keeps namespaces apart", async () => {
    const [a, b] = [scene.open(scene.netns()), scene.open(scene.netns())];
    await Promise.all([a.nft.run(table), b.nft.run("add table inet other")]);
    expect(await a.nft.list("list table inet other")).toBeUndefined();
    expect(await b.nft.list("list table inet t")).toBeUndefined();
  });

  it("guards what is referred to", async () => {
    const kernel = scene.open(scene.netns());
    await kernel.nft.run(table);
    await kernel.nft.run(
      "add map inet t m { type ipv4_addr : verdict; }\nadd element inet t m { 10.0.0.1 : jump c }",
    );
    await kernel.nft.run("add chain inet t d\nadd rule inet t d ip saddr @s accept");
    for (const refused of [
      "delete chain inet t c",
      "delete set inet t s",
      "delete chain inet t nowhere",
      "delete element inet t s { 10.0.0.9 }",
      "add element inet t m { 10.0.0.1 : drop }",
      "add element inet t m { 10.0.0.2 : jump nowhere }",
      "add rule inet t d ip saddr @nowhere accept",
      "create table inet t",
      "delete table inet nowhere",
    ]) {
      await expect(kernel.nft.run(refused), refused).rejects.toMatchObject({ code: "kernel.nft" });
    }
    await kernel.nft.run(
      "delete element inet t m { 10.0.0.1 }\nflush chain inet t d\ndelete chain inet t c\ndelete set inet t s",
    );
    expect(await kernel.nft.text("list table inet t")).not.toContain("chain c");
  });

  it("tells by name what a table has, and nothing of other tables", async () => {
    const kernel = scene.open(scene.netns());
    const heading = { family: "inet", table: "t" } as const;
    expect(await kernel.nft.present(heading)).toBeUndefined();
    expect(await kernel.nft.hasChain(heading, "c")).toBe(false);
    await kernel.nft.run("add table inet t");
    expect(await kernel.nft.present(heading)).toEqual({ chains: [], sets: [], maps: [] });
    await kernel.nft.run(
      [
        "add chain inet t c { type filter hook input priority 0; }",
        "add chain inet t d",
        "add set inet t s { type ipv4_addr; flags interval; }",
        "add element inet t s { 10.0.0.0/8 }",
        "add map inet t m { type ipv4_addr . inet_service : verdict; }",
        "add element inet t m { 10.0.0.1 . 80 : goto d }",
        "add rule inet t c tcp dport { 80, 81 } accept",
        "add table inet other",
        "add chain inet other e",
        "add set inet other o { type ipv4_addr; }",
        "add table ip t",
        "add chain ip t f",
      ].join("\n"),
    );
    const found = await kernel.nft.present(heading);
    expect({ ...found, chains: found?.chains.toSorted() }).toEqual({
      chains: ["c", "d"],
      sets: ["s"],
      maps: ["m"],
    });
    expect(await kernel.nft.hasChain(heading, "d")).toBe(true);
    for (const strange of ["e", "f", "s"]) expect(await kernel.nft.hasChain(heading, strange)).toBe(false);
    await kernel.nft.run("delete table inet t");
    expect(await kernel.nft.present(heading)).toBeUndefined();
    expect(await kernel.nft.present({ family: "ip", table: "t" })).toEqual({
      chains: ["f"],
      sets: [],
      maps: [],
    });
  });

  it("tells names of so many chains and sets that they are several messages", async () => {
    const kernel = scene.open(scene.netns());
    const names = Array.from({ length: 500 }, (_, n) => `n${n}`);
    await kernel.nft.run(
      [
        "add table inet t",
        ...names.flatMap((name) => [
          `add chain inet t ${name}`,
          `add set inet t ${name}s { type ipv4_addr; }`,
        ]),
      ].join("\n"),
    );
    const found = await kernel.nft.present({ family: "inet", table: "t" });
    expect(new Set(found?.chains)).toEqual(new Set(names));
    expect(new Set(found?.sets)).toEqual(new Set(names.map((name) => `${name}s`)));
  });

  it("lists as JSON", async () => {
    const kernel = scene.open(scene.netns());
    await kernel.nft.run(
      [
        "add table inet t",
        "add chain inet t c { type filter hook forward priority -10; policy drop; }",
        "add chain inet t d",
        "add map inet t m { type ipv4_addr . inet_service : verdict; }",
        "add element inet t m { 10.0.0.1 . 80 : goto d, 10.0.0.2 . 80 : accept }",
        "add set inet t i { type ipv4_addr; flags interval; }",
        "add element inet t i { 10.0.0.0/8, 192.168.0.1-192.168.0.7 }",
      ].join("\n"),
    );
    const found = await kernel.nft.list("list table inet t");
    const common = { family: "inet", table: "t" };
    const of = (kind: string): unknown[] => (found ?? []).flatMap((one) => (kind in one ? [one[kind]] : []));
    expect(of("table")).toMatchObject([{ family: "inet", name: "t" }]);
    const hook = { ...common, name: "c", type: "filter", hook: "forward", prio: -10, policy: "drop" };
    expect(of("chain")).toEqual(
      expect.arrayContaining([
        expect.objectContaining(hook),
        expect.objectContaining({ ...common, name: "d" }),
      ]),
    );
    const [map] = of("map") as [{ elem: unknown[] }];
    expect(map).toMatchObject({ ...common, name: "m", type: ["ipv4_addr", "inet_service"], map: "verdict" });
    expect(map.elem).toHaveLength(2);
    expect(map.elem).toContainEqual([{ concat: ["10.0.0.1", 80] }, { goto: { target: "d" } }]);
    expect(of("set")).toMatchObject([{ name: "i", type: "ipv4_addr", flags: ["interval"] }]);
    const [set] = of("set") as [{ elem: unknown[] }];
    expect(set.elem).toContainEqual({ prefix: { addr: "10.0.0.0", len: 8 } });
    expect(set.elem).toContainEqual({ range: ["192.168.0.1", "192.168.0.7"] });
  });

  it("replaces a whole table in one go, by delete and add or in block form", async () => {
    const kernel = scene.open(scene.netns());
    await kernel.nft.run(table);
    await kernel.nft.run("add table inet t\ndelete table inet t\nadd table inet t\nadd chain inet t other");
    await kernel.nft.run(
      "table ip u {\n set s {\n type ipv4_addr\n elements = { 10.0.0.1 }\n }\n chain c {\n ip saddr @s accept\n }\n}",
    );
    expect(await kernel.nft.text("list table inet t")).not.toContain("set s");
    expect(await kernel.nft.text("list chain ip u c")).toContain("ip saddr @s accept");
  });

  it("changes elements as one transaction, removals first", async () => {
    const kernel = scene.open(scene.netns());
    await kernel.nft.run(
      "add table inet t\nadd chain inet t c\nadd set inet t s { type ipv4_addr; }\nadd map inet t m { type ipv4_addr . inet_service : verdict; }",
    );
    const heading = { family: "inet", table: "t" } as const;
    const plain = { set: "s", definition: { key: ["ipv4_addr"] } } as const;
    const map = {
      set: "m",
      definition: { key: ["ipv4_addr", "inet_service"], value: "verdict" },
    } as const;
    await kernel.nft.change(heading, [
      {
        ...plain,
        remove: [],
        add: [
          ["10.0.0.1", ""],
          ["10.0.0.2", ""],
        ],
      },
      { ...map, remove: [], add: [["10.0.0.1 . 80", "goto c"]] },
    ]);
    await kernel.nft.change(heading, [
      { ...plain, remove: ["10.0.0.1"], add: [["10.0.0.3", ""]] },
      { ...map, remove: ["10.0.0.1 . 80"], add: [["10.0.0.1 . 80", "accept"]] },
    ]);
    const elements = async (): Promise<string> =>
      JSON.stringify([
        await kernel.nft.list("list set inet t s"),
        await kernel.nft.list("list map inet t m"),
      ]);
    const before = await elements();
    expect(before).toMatch(/"elem":\["10.0.0.[23]","10.0.0.[23]"\]/);
    expect(before).toContain('{"accept":null}');
    const none = { remove: [], add: [] };
    const fine = { ...plain, ...none, add: [["10.0.0.9", ""]] } as const;
    for (const changes of [
      [fine, { ...map, ...none, remove: ["10.0.0.7 . 1"] }],
      [fine, { ...map, ...none, add: [["10.0.0.1 . 80", "drop"]] }],
      [fine, { ...map, ...none, add: [["10.0.0.2 . 80", "goto nowhere"]] }],
      [fine, { ...plain, ...none, set: "nowhere", add: [["10.0.0.9", ""]] }],
    ] as const) {
      await expect(kernel.nft.change(heading, changes)).rejects.toMatchObject({ code: "kernel.nft" });
      expect(await elements()).toBe(before);
    }
  });

  it("does not run what is no listing as a listing", async () => {
    const kernel = scene.open(scene.netns());
    await expect(kernel.nft.list("flush ruleset")).rejects.toMatchObject({ code: "kernel.nft" });
  });
}
