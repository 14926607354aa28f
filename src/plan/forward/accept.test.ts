import { describe, expect, it } from "vitest";
import { parseCidr } from "../../base/ip.ts";
import { acceptInput, readForward } from "./accept.ts";

const ranges = [parseCidr("10.244.0.0/16"), parseCidr("10.1.0.0/24")];
const saved = (policy: string, ...rules: string[]) =>
  `*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ${policy} [12:720]\n:OUTPUT ACCEPT [0:0]\n${rules.map((rule) => `${rule}\n`).join("")}COMMIT\n`;
const jump =
  '-A FORWARD -m comment --comment "trunkline: pods pass, whatever the policy" -j TRUNKLINE-FORWARD';
const own = [
  '-A TRUNKLINE-FORWARD -s 10.1.0.0/24 -m comment --comment "trunkline: from pods" -j ACCEPT',
  '-A TRUNKLINE-FORWARD -d 10.1.0.0/24 -m comment --comment "trunkline: to pods" -j ACCEPT',
  '-A TRUNKLINE-FORWARD -s 10.244.0.0/16 -m comment --comment "trunkline: from pods" -j ACCEPT',
  '-A TRUNKLINE-FORWARD -d 10.244.0.0/16 -m comment --comment "trunkline: to pods" -j ACCEPT',
];
const chain = ":TRUNKLINE-FORWARD - [0:0]";
const inputFor = (text: string, pods = ranges) => {
  const state = readForward(text);
  return state && acceptInput(state, pods);
};

describe("iptables' FORWARD chain", () => {
  it("gets our chain behind everybody's rules where its policy drops", () => {
    expect(inputFor(saved("DROP", "-A FORWARD -j DOCKER-USER"))).toBe(
      `*filter\n${[chain, ...own, jump].join("\n")}\nCOMMIT\n`,
    );
  });

  it.each([
    ["the policy accepts", saved("ACCEPT"), undefined],
    ["all is there", saved("DROP", chain, ...own, jump), undefined],
    ["there is no such chain", "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n", undefined],
    [
      "counters stand in front",
      saved("DROP", chain, ...own.map((rule) => `[3:180] ${rule}`), `[1:60] ${jump}`),
      undefined,
    ],
  ])("is left alone where %s", (_, text, expected) => expect(inputFor(text)).toBe(expected));

  it("is left alone without pods' ranges of the family", () => {
    expect(inputFor(saved("DROP"), [])).toBeUndefined();
  });

  it("is healed: a rule gone, a foreign one in our chain, the jump gone or doubled", () => {
    const healed = (...rules: string[]) => inputFor(saved("DROP", ...rules)) ?? "";
    expect(healed(chain, ...own.slice(1), jump)).toBe(`*filter\n${[chain, ...own].join("\n")}\nCOMMIT\n`);
    expect(healed(chain, ...own, "-A TRUNKLINE-FORWARD -j DROP", jump)).toContain(own.join("\n"));
    expect(healed(chain, ...own)).toContain(jump);
    const doubled = healed(chain, ...own, jump, jump).split("\n");
    expect(doubled.filter((line) => line.startsWith("-D FORWARD"))).toHaveLength(2);
    expect(doubled.filter((line) => line === jump)).toHaveLength(1);
  });

  it("loses everything of ours, and nothing else, once the policy accepts", () => {
    const cleared = inputFor(saved("ACCEPT", chain, ...own, "-A FORWARD -j MINE", jump));
    expect(cleared).toBe(`*filter\n${chain}\n${jump.replace("-A", "-D")}\n-X TRUNKLINE-FORWARD\nCOMMIT\n`);
  });
});
