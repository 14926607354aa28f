// Elements over our own netlink messages beside the same in nft's words: the kernel holds the same afterwards, in sets of
// every type and shape, and refuses the same.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isError } from "../../../src/base/errors.ts";
import type { KernelEvent, Nft, NftSetChange } from "../../../src/kernel/index.ts";
import { loadNftables } from "../../../src/kernel/nft/library.ts";
import type { NftSet } from "../../../src/kernel/nft/state.ts";
import { changeText } from "../../../src/kernel/nft/text.ts";
import { makeScene, until } from "../scene.ts";

const scene = makeScene();
const heading = { family: "inet", table: "t" } as const;

/** Each with keys of which no two overlap, and what nft calls the set. */
const shapes: readonly {
  name: string;
  definition: NftSet;
  declared: string;
  keys: readonly string[];
  values: readonly string[];
}[] = [
  plain("v4", { key: ["ipv4_addr"] }, "set { type ipv4_addr; }", [
    "10.0.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "192.168.7.19",
  ]),
  plain("v6", { key: ["ipv6_addr"], counter: true }, "set { type ipv6_addr; counter; }", [
    "::",
    "fd00::1",
    "2001:db8:0:1::ffff",
    "::ffff:10.0.0.1",
  ]),
  plain("ranges4", { key: ["ipv4_addr"], interval: true }, "set { type ipv4_addr; flags interval; }", [
    "0.0.0.0",
    "10.0.0.0-10.0.0.7",
    "10.0.0.8-10.0.0.9",
    "10.0.1.0/24",
    "10.0.3.1",
    "255.255.255.0-255.255.255.255",
  ]),
  plain("ranges6", { key: ["ipv6_addr"], interval: true }, "set { type ipv6_addr; flags interval; }", [
    "fd00::/64",
    "fd00:0:0:1::1-fd00:0:0:1::ffff",
    "::1",
    "ff00::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
  ]),
  plain("ports", { key: ["inet_service"], interval: true }, "set { type inet_service; flags interval; }", [
    "0-9",
    "80",
    "443-444",
    "65535",
  ]),
  plain(
    "links",
    { key: ["ifname"], counter: true, limit: { perSecond: 10, burst: 20 } },
    "set { type ifname; counter limit rate 10/second burst 20 packets; }",
    ['"tl0"', '"eth0.100"', '"abcdefghijklmno"', '"eth*"'],
  ),
  plain("macs", { key: ["ether_addr", "mark"] }, "set { type ether_addr . mark; }", [
    "ee:ee:ee:ee:ee:ee . 0x1",
    "00:11:22:33:44:55 . 0xfffffffe",
  ]),
  plain(
    "row",
    { key: ["classid", "ipv4_addr", "inet_proto", "inet_service"], counter: true },
    "set { type classid . ipv4_addr . inet_proto . inet_service; counter; }",
    [
      "ec9f:57b7 . 10.0.0.1 . tcp . 80",
      "0:1 . 10.0.0.1 . udp . 81",
      "ffff:fffe . 10.9.8.7 . sctp . 65535",
      "1:0 . 10.0.0.1 . 89 . 0",
    ],
  ),
  plain(
    "boxes",
    { key: ["ipv4_addr", "inet_service"], interval: true },
    "set { type ipv4_addr . inet_service; flags interval; }",
    ["10.0.0.0/24 . 80-90", "10.0.1.1 . 80", "10.0.2.0-10.0.2.9 . 1-65535"],
  ),
  map(
    "verdicts",
    { key: ["ifname", "ipv6_addr"], value: "verdict" },
    "map { type ifname . ipv6_addr : verdict; }",
    ['"tl0" . fd00::1', '"tl1" . fd00::2'],
  ),
  map(
    "rangeVerdicts",
    { key: ["ipv4_addr"], value: "verdict", interval: true, counter: true },
    "map { type ipv4_addr : verdict; flags interval; counter; }",
    ["10.0.0.0-10.0.0.7", "10.0.0.8-10.0.0.8", "10.0.0.9-10.0.255.255"],
  ),
  {
    name: "classes",
    definition: { key: ["ipv4_addr"], value: ["classid"] },
    declared: "map { type ipv4_addr : classid; }",
    keys: ["10.0.0.1", "10.0.0.2"],
    values: ["ec9f:57b7", "0:1"],
  },
  {
    name: "sources",
    definition: { key: ["mark"], value: ["ipv4_addr", "inet_service"] },
    declared: "map { type mark : ipv4_addr . inet_service; }",
    keys: ["0x1", "0xff"],
    values: ["10.0.0.1 . 80", "10.0.0.2 . 8080"],
  },
];

function plain(name: string, definition: NftSet, declared: string, keys: readonly string[]) {
  return { name, definition, declared, keys, values: [""] };
}

function map(name: string, definition: NftSet, declared: string, keys: readonly string[]) {
  return {
    name,
    definition,
    declared,
    keys,
    values: ["accept", "drop", "return", "continue", "jump c", "goto d"],
  };
}

const start = [
  "add table inet t\nadd chain inet t c\nadd chain inet t d",
  ...shapes.map(({ name, declared }) => declared.replace(/^(\w+)/, `add $1 inet t ${name}`)),
].join("\n");

/** Which keys are touched, with which values; `wild`: removed and added as drawn, whether they are there or not. */
const change = fc.constantFrom(...shapes).chain(({ name, definition, keys, values }) =>
  fc.record({
    set: fc.constant(name),
    definition: fc.constant(definition),
    wild: fc.nat(9).map((dice) => dice === 0),
    remove: fc.subarray([...keys], { maxLength: 2 }),
    add: fc
      .subarray([...keys])
      .chain((some) =>
        fc.tuple(...some.map((key) => fc.constantFrom(...values).map((value) => [key, value] as const))),
      ),
  }),
);
const walks = fc.array(fc.uniqueArray(change, { minLength: 1, maxLength: 3, selector: ({ set }) => set }), {
  minLength: 1,
  maxLength: 12,
});

/** Makes a drawn step fit what is there: removes only that, and adds only what is not there, or is removed by it. */
function fitted(
  there: ReadonlyMap<string, ReadonlySet<string>>,
  { wild, set, definition, remove, add }: { readonly wild: boolean } & NftSetChange,
): NftSetChange {
  if (wild) return { set, definition, remove, add };
  const present = there.get(set) ?? new Set();
  const gone = remove.filter((key) => present.has(key));
  return {
    set,
    definition,
    remove: gone,
    add: add.filter(([key]) => !present.has(key) || gone.includes(key)),
  };
}

async function accepts(work: Promise<void>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (isError(error, "kernel.nft")) return false;
    throw error;
  }
}

/** Elements of a hash come in no order. */
async function contents(nft: Nft): Promise<unknown> {
  const listing = (await nft.list("list table inet t")) ?? [];
  return listing.flatMap((item) => {
    const { name, elem } = (item["set"] ?? item["map"] ?? {}) as { name?: string; elem?: unknown[] };
    return name === undefined ? [] : [[name, ...(elem ?? []).map((one) => JSON.stringify(one)).toSorted()]];
  });
}

describe("elements over our own netlink messages", () => {
  it("are the same as those over nft", async () => {
    const [{ kernel: ours }, { kernel: theirs }] = [scene.space(), scene.space()];
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(walks, async (walk) => {
        for (const { nft } of [ours, theirs]) await nft.run(`flush ruleset\n${start}`);
        const there = new Map(shapes.map(({ name }) => [name, new Set<string>()]));
        for (const step of walk) {
          const changes = step.map((one) => fitted(there, one));
          const text = changeText(heading, changes);
          if (text === "\n") continue;
          const theirAnswer = await accepts(theirs.nft.run(text));
          const ourAnswer = await accepts(ours.nft.change(heading, changes));
          expect(ourAnswer, text).toBe(theirAnswer);
          if (ourAnswer) {
            accepted++;
            for (const { set, remove, add } of changes) {
              for (const key of remove) there.get(set)?.delete(key);
              for (const [key] of add) there.get(set)?.add(key);
            }
          }
          expect(await contents(ours.nft), text).toEqual(await contents(theirs.nft));
        }
      }),
      { numRuns: 40 },
    );
    expect(accepted).toBeGreaterThan(60);
  });

  it("name what the kernel refuses, also far into a long message", async () => {
    const { kernel } = scene.space();
    await kernel.nft.run(start);
    const definition: NftSet = { key: ["ipv4_addr"] };
    const add = Array.from({ length: 3000 }, (_, n) => [`10.1.${n >> 8}.${n & 255}`, ""] as const);
    await kernel.nft.change(heading, [{ set: "v4", definition, remove: [], add }]);
    const remove = [...add.map(([key]) => key).slice(0, 2500), "10.9.9.9", "10.1.11.1"];
    await expect(kernel.nft.change(heading, [{ set: "v4", definition, remove, add: [] }])).rejects.toThrow(
      "element 10.9.9.9 of set v4: No such file or directory",
    );
    await expect(
      kernel.nft.change(heading, [{ set: "none", definition, remove: [], add: [["10.0.0.1", ""]] }]),
    ).rejects.toThrow("set none: No such file or directory");
    await expect(
      kernel.nft.change({ family: "ip6", table: "no" }, [
        { set: "v4", definition, remove: [], add: [["10.0.0.1", ""]] },
      ]),
    ).rejects.toThrow("No such file or directory");
    const verdicts = {
      set: "verdicts",
      definition: { key: ["ifname", "ipv6_addr"], value: "verdict" },
    } as const;
    await expect(
      kernel.nft.change(heading, [
        {
          ...verdicts,
          remove: [],
          add: [
            ['"tl0" . fd00::1', "accept"],
            ['"tl1" . fd00::1', "goto nowhere"],
          ],
        },
      ]),
    ).rejects.toThrow('element "tl1" . fd00::1 of set verdicts: No such file or directory');
    await kernel.nft.change(heading, [{ ...verdicts, remove: [], add: [['"tl0" . fd00::1', "accept"]] }]);
    await expect(
      kernel.nft.change(heading, [{ ...verdicts, remove: [], add: [['"tl0" . fd00::1', "drop"]] }]),
    ).rejects.toThrow(/element "tl0" \. fd00::1 of set verdicts: (File exists|Device or resource busy)/);
  });

  it("take 50,000 at once on another thread, in turn with nft's transactions, and are known as ours", async () => {
    const { kernel } = scene.space();
    const events: KernelEvent[] = [];
    const { stop } = kernel.watch(["nftables"], (event) => events.push(event));
    const definition: NftSet = { key: ["ipv4_addr"] };
    const add = Array.from(
      { length: 50_000 },
      (_, n) => [`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`, ""] as const,
    );
    const library = loadNftables();
    const { run, runAsync } = library;
    let runs = 0;
    library.run = (...values) => {
      runs++;
      return run(...values);
    };
    library.runAsync = (...values) => {
      runs++;
      runAsync(...values);
    };
    try {
      await Promise.all([
        kernel.nft.run(start),
        kernel.nft.change(heading, [{ set: "v4", definition, remove: [], add }]),
        kernel.nft.change(heading, [{ set: "v4", definition, remove: ["10.0.0.7"], add: [] }]),
      ]);
      expect(runs).toBe(1);
    } finally {
      Object.assign(library, { run, runAsync });
    }
    const [, listed] = (await kernel.nft.list("list set inet t v4")) as [object, { set: { elem: string[] } }];
    expect(listed.set.elem).toHaveLength(49_999);
    await until(() => events.length >= 3);
    expect(events.filter((event) => event.kind !== "nftables" || !event.byUs)).toEqual([]);
    stop();
  });
});
