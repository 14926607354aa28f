import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { defaultMasqConfig, parsePortRanges, readMasqConfig } from "./masq-config.ts";

const texts = (ranges: readonly { text: string }[] | undefined) => ranges?.map((range) => range.text);
const codes = (text: string) => readMasqConfig(text).errors.map((problem) => problem.code);
const findingCodes = (text: string) => readMasqConfig(text).findings.map((problem) => problem.code);
const list = (...items: string[]) => `nonMasqueradeCIDRs:\n${items.map((item) => `  - ${item}\n`).join("")}`;

describe("validation, after ip-masq-agent's own table", () => {
  it.each([
    ["an empty list", "nonMasqueradeCIDRs: []", []],
    ["the defaults", list("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"), []],
    ["not a CIDR", list("abcdefg"), ["snat.range"]],
    ["a good and a bad one", list("10.0.0.0/8", "abcdefg"), ["snat.range"]],
    ["an octet over 255", list("10.256.0.0/16"), ["snat.range"]],
    ["not aligned", list("10.0.0.1/8"), ["snat.host-bits"]],
    ["a bare address", list("10.0.0.1"), ["snat.range"]],
    ["a leading zero", list("010.0.0.0/8"), ["snat.range"]],
    ["a dotted mask", list("10.0.0.0/255.0.0.0"), ["snat.range"]],
    ["a null item", list("10.0.0.0/8", ""), ["snat.null-item"]],
    ["a number for a range", list("10"), ["snat.type"]],
    ["IPv6 switched off", `enableIPv6: false\n${list("fd00::/8")}`, ["snat.ipv6-off"]],
  ])("%s", (_, text, expected) => expect(codes(text)).toEqual(expected));

  it("counts against cidrLimit and says both numbers", () => {
    const items = Array.from({ length: 65 }, (_, n) => `10.${n}.0.0/16`);
    const [problem] = readMasqConfig(list(...items)).errors;
    expect(problem?.message).toBe(
      "nonMasqueradeCIDRs has 65 entries (excluding link-local), more than cidrLimit 64",
    );
    expect(codes(`cidrLimit: 65\n${list(...items)}`)).toEqual([]);
    expect(codes(list(...items.slice(1)))).toEqual([]);
  });
});

describe("reading, after ip-masq-agent's own table", () => {
  const defaults = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];

  it("reads YAML with all keys", () => {
    const { config } = readMasqConfig(`
nonMasqueradeCIDRs:
  - 172.16.0.0/12
  - 10.0.0.0/8
masqLinkLocal: true
masqLinkLocalIPv6: true
cidrLimit: 32
resyncInterval: 5s
`);
    expect(texts(config?.nonMasquerade)).toEqual(["172.16.0.0/12", "10.0.0.0/8"]);
    expect(config).toMatchObject({
      masqLinkLocal: true,
      masqLinkLocalIPv6: true,
      cidrLimit: 32,
      resyncInterval: 5000,
    });
  });

  it.each([
    ["only nonMasqueradeCIDRs", list("10.1.0.0/16"), ["10.1.0.0/16"], false, 60_000],
    ["only masqLinkLocal", "masqLinkLocal: true", defaults, true, 60_000],
    ["only resyncInterval", "resyncInterval: 5m", defaults, false, 300_000],
    ["JSON, only a list", '{"nonMasqueradeCIDRs":["10.1.0.0/16"]}', ["10.1.0.0/16"], false, 60_000],
    ["JSON, a duration with escapes", '{"resyncInterval":"\\u0035\\u006d"}', defaults, false, 300_000],
    ["JSON with tabs", '{\n\t"masqLinkLocal": true\n}', defaults, true, 60_000],
    ["no text", "", defaults, false, 60_000],
    ["only a comment", "# nothing yet\n", defaults, false, 60_000],
    ["null", "null", defaults, false, 60_000],
    ["keys in another case", "NONMASQUERADECIDRS: [10.1.0.0/16]", ["10.1.0.0/16"], false, 60_000],
    ["a null list", "nonMasqueradeCIDRs:", [], false, 60_000],
    ["null for a boolean", "masqLinkLocal: null", defaults, false, 60_000],
    ["a YAML 1.1 boolean", "masqLinkLocal: yes", defaults, true, 60_000],
    ["an alias", "a: &x [10.1.0.0/16]\nnonMasqueradeCIDRs: *x", ["10.1.0.0/16"], false, 60_000],
  ])("%s", (_, text, ranges, linkLocal, resync) => {
    const { config, errors } = readMasqConfig(text);
    expect(errors).toEqual([]);
    expect(texts(config?.nonMasquerade)).toEqual(ranges);
    expect(config?.masqLinkLocal).toBe(linkLocal);
    expect(config?.resyncInterval).toBe(resync);
  });

  it.each([
    ["YAML that is none", "*", 1, 1],
    ["JSON that is none", "{*", 1, 2],
    ["a list at the top", "- 10.0.0.0/8", 1, 1],
    ["a bare word", "hello", 1, 1],
    ["two documents", "masqLinkLocal: true\n---\nmasqLinkLocal: false", 2, 1],
    ["a key twice", "masqLinkLocal: true\nmasqLinkLocal: false", 2, 1],
    ["a key twice in another case", "masqLinkLocal: true\nMasqLinkLocal: false", 2, 1],
    ["a bad range", "nonMasqueradeCIDRs:\n- 10.0.0.0/8\n- 10.0.0.1/8", 3, 3],
    ["a range list that is a text", "nonMasqueradeCIDRs: 10.0.0.0/8", 1, 21],
    ["a boolean that is a text", 'masqLinkLocal: "true"', 1, 16],
    ["a duration without unit", "resyncInterval: 60", 1, 17],
    ["a duration that is none", "resyncInterval: 5 minutes", 1, 17],
    ["a limit with a fraction", "cidrLimit: 1.5", 1, 12],
    ["ports the wrong way round", "toPorts: 5-1", 1, 10],
  ])("%s is refused, with line and column", (_, text, line, column) => {
    const { config, errors } = readMasqConfig(text);
    expect(config).toBeUndefined();
    expect(errors[0]?.position).toEqual({ file: "kube-system/ip-masq-agent[config]", line, column });
  });

  it("mixes IPv4 and IPv6", () => {
    const { config } = readMasqConfig(list("10.0.0.0/8", "fd00:1::/32"));
    expect(config?.ipv6).toBe(true);
    expect(texts(config?.nonMasquerade)).toEqual(["10.0.0.0/8", "fd00:1::/32"]);
  });

  it("collects all problems, not the first only", () => {
    expect(codes("masqLinkLocal: 3\ncidrLimit: x\nnonMasqueradeCIDRs: [a, null]")).toHaveLength(4);
  });
});

describe("settings and our own keys", () => {
  it("adds the reserved ranges to the defaults only", () => {
    expect(readMasqConfig("nomasqAllReservedRanges: true").config?.nonMasquerade).toHaveLength(11);
    const both = readMasqConfig(`nomasqAllReservedRanges: true\n${list("10.0.0.0/8")}`);
    expect(both.config?.nonMasquerade).toHaveLength(1);
  });

  it("reads flags", () => {
    const { config } = readMasqConfig("randomFully: false\ntoPorts: 1024,2000-3000\nmasqChain: MINE");
    expect(config).toMatchObject({
      randomFully: false,
      masqChain: "MINE",
      toPorts: [
        { first: 1024, last: 1024 },
        { first: 2000, last: 3000 },
      ],
    });
  });

  it("takes the inverse list alone as all there is to masquerade", () => {
    const { config } = readMasqConfig("masqueradeCIDRs: [10.5.0.0/16]");
    expect(config?.nonMasquerade).toEqual([]);
    expect(config?.othersMasqueraded).toBe(false);
    const both = readMasqConfig("masqueradeCIDRs: [10.5.0.0/16]\nnonMasqueradeCIDRs: [10.0.0.0/8]").config;
    expect(both?.othersMasqueraded).toBe(true);
  });

  it("has defaults", () => {
    expect(defaultMasqConfig()).toMatchObject({
      ipv6: false,
      randomFully: true,
      toPorts: [],
      masqChain: "IP-MASQ-AGENT",
      cidrLimit: 64,
      othersMasqueraded: true,
      masquerade: undefined,
    });
  });
});

describe("findings", () => {
  it.each([
    ["an unknown key", "resyncIntervals: 5s", ["snat.unknown-key"]],
    ["a duplicate", list("10.0.0.0/8", "10.0.0.0/8"), ["snat.duplicate"]],
    ["one range in another", list("10.1.0.0/16", "10.0.0.0/8"), ["snat.overlap"]],
    ["everything exempted", list("0.0.0.0/0"), ["snat.everything"]],
    ["a pause of zero", "resyncInterval: 0s", ["snat.interval-not-positive"]],
    ["a null list", "nonMasqueradeCIDRs: null", ["snat.null-list"]],
    ["a range in both lists", `${list("10.0.0.0/8")}masqueradeCIDRs: [10.0.0.0/8]`, ["snat.both-lists"]],
    ["nothing wrong", list("10.0.0.0/8", "192.168.0.0/16"), []],
  ])("%s", (_, text, expected) => {
    expect(codes(text)).toEqual([]);
    expect(findingCodes(text)).toEqual(expected);
  });

  it("suggests the key that was likely meant", () => {
    const [problem] = readMasqConfig("non-masquerade-cidr: []").findings;
    expect(problem?.message).toBe("unknown key 'non-masquerade-cidr'; did you mean 'nonMasqueradeCIDRs'?");
  });

  it("points at the inner range and names the outer one's line", () => {
    const [problem] = readMasqConfig(list("10.1.0.0/16", "10.0.0.0/8")).findings;
    expect(problem?.message).toBe("10.1.0.0/16 lies within 10.0.0.0/8 of line 3");
    expect(problem?.position?.line).toBe(2);
  });
});

describe("a fuzz corpus", () => {
  const seeds = [
    "nonMasqueradeCIDRs:\n- 10.0.0.0/8\n- 172.16.0.0/12\nmasqLinkLocal: false\nresyncInterval: 60s\n",
    '{"nonMasqueradeCIDRs": ["10.0.0.0/8", null], "cidrLimit": 3, "masqueradeCIDRs": ["fd00::/8"]}',
    "a: &a [*a]\nb: !!binary x\n? [1, 2]\n: 3\n<<: {masqLinkLocal: true}\n",
  ];

  it("never throws, and every error has a line and a column inside the text", () => {
    const mutated = fc
      .tuple(
        fc.constantFrom(...seeds),
        fc.array(fc.tuple(fc.nat(), fc.nat(3), fc.string()), { maxLength: 6 }),
      )
      .map(([seed, edits]) =>
        edits.reduce((text, [at, remove, insert]) => {
          const place = at % (text.length + 1);
          return text.slice(0, place) + insert + text.slice(place + remove);
        }, seed),
      );
    fc.assert(
      fc.property(mutated, (text) => {
        const { config, errors } = readMasqConfig(text);
        expect(config === undefined).toBe(errors.length > 0);
        const lines = text.split(/\n/);
        for (const { position } of errors) {
          expect(position?.line).toBeGreaterThanOrEqual(1);
          expect(position?.line).toBeLessThanOrEqual(lines.length);
          expect(position?.column).toBeGreaterThanOrEqual(1);
          expect(position?.column).toBeLessThanOrEqual((lines[(position?.line ?? 1) - 1]?.length ?? 0) + 1);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("port ranges", () => {
  it.each([["1-2-3"], ["5-1"], ["0"], ["65536"], [""], ["a"], ["1,,2"]])("ports %j are refused", (text) =>
    expect(parsePortRanges(text)).toBeTypeOf("string"),
  );
});
