// The bytes of a batch, as `nft --debug=mnl` shows those of nft's own for the same; test/kernel/nft/nft-changes.test.ts has the
// kernel judge them.
import { describe, expect, it } from "vitest";
import type { NftSetChange } from "../kernel.ts";
import { eachMessage, type Message } from "../netlink/message.ts";
import { encodeBatch } from "./elements.ts";

const heading = { family: "inet", table: "t" } as const;

function encoded(...changes: NftSetChange[]) {
  let sequence = 6;
  return encodeBatch(heading, changes, () => ++sequence);
}

/** Type, flags, sequence and body of each message. */
function messages(bytes: Buffer): readonly [type: number, flags: number, sequence: number, body: string][] {
  const out: [number, number, number, string][] = [];
  eachMessage(bytes, bytes.length, ({ type, flags, sequence, from, to }: Message) => {
    out.push([type, flags, sequence, bytes.toString("hex", from, to)]);
    return undefined;
  });
  return out;
}

describe("a batch", () => {
  it("stands between its marks, what goes before what comes", () => {
    const batch = encoded({
      set: "s",
      definition: { key: ["ipv4_addr"] },
      remove: ["10.0.0.1"],
      add: [["10.0.0.2", ""]],
    });
    const element = (address: string): string =>
      // nfgenmsg; table "t"; set "s"; a list of one element with one key of one value
      `01000000 06000100 74000000 06000200 73000000 14000380 10000180 0c000180 08000100 ${address}`.replaceAll(
        " ",
        "",
      );
    expect(messages(batch?.bytes ?? Buffer.alloc(0))).toEqual([
      [0x10, 0x1, 7, "0000000a"],
      [0xa0e, 0x1, 8, element("0a000001")],
      [0xa0c, 0x405, 9, element("0a000002")],
      [0x11, 0x1, 10, "0000000a"],
    ]);
    expect(batch?.begin).toBe(7);
    expect(batch?.messages).toEqual([
      { sequence: 8, set: "s", places: [{ offset: 40, key: "10.0.0.1" }] },
      { sequence: 9, set: "s", places: [{ offset: 40, key: "10.0.0.2" }] },
    ]);
  });

  it("ends with links of a flow table, no more in a message than the kernel takes", () => {
    const links = (...names: string[]) => {
      const added = { flowtable: "f", priority: 500, links: names };
      return messages(encodeBatch(heading, [], () => 1, added)?.bytes ?? Buffer.alloc(0)).slice(1, -1);
    };
    // nfgenmsg; table "t"; name "f"; a hook with its number, its priority, and a list of one device
    const body =
      "01000000 06000100 74000000 06000200 66000000 20000380 08000100 00000000 08000200 000001f4 0c000380 07000100 6c6f0000";
    expect(links("lo")).toEqual([[0xa16, 0x405, 1, body.replaceAll(" ", "")]]);
    expect(links(...Array.from({ length: 401 }, (_, at) => `tl${at}`))).toHaveLength(3);
  });

  it("has the end of a range as an element of its own, but for the last address of all", () => {
    const ranges = (key: string): string =>
      messages(
        encoded({
          set: "s",
          definition: { key: ["ipv4_addr"], interval: true },
          remove: [],
          add: [[key, ""]],
        })?.bytes ?? Buffer.alloc(0),
      )[1]?.[3].slice(48) ?? "";
    const first = (address: string): string => `100001800c00018008000100${address}`;
    const end = (address: string): string => `180001800c00018008000100${address}0800030000000001`;
    expect(ranges("10.0.0.0/24")).toBe(first("0a000000") + end("0a000100"));
    expect(ranges("10.0.0.9")).toBe(first("0a000009") + end("0a00000a"));
    expect(ranges("255.255.255.0-255.255.255.255")).toBe(first("ffffff00"));
  });

  it("splits what is too long for one message, and tells where each element stands", () => {
    const add = Array.from({ length: 5000 }, (_, n) => [`10.0.${n >> 8}.${n & 255}`, ""] as const);
    const batch = encoded({ set: "s", definition: { key: ["ipv4_addr"] }, remove: [], add });
    expect(batch?.messages.map(({ places }) => places.length)).toEqual([3070, 1930]);
    for (const [, , , body] of messages(batch?.bytes ?? Buffer.alloc(0)))
      expect(body.length).toBeLessThan(0xffff * 2);
    expect(batch?.messages[1]?.places[0]?.key).toBe(add[3070]?.[0]);
  });

  it("is none for a name that stands for many", () => {
    expect(
      encoded({ set: "s", definition: { key: ["ifname"] }, remove: [], add: [['"tl*"', ""]] }),
    ).toBeUndefined();
  });
});
