import { describe, expect, it } from "vitest";
import { type ListForm, listText } from "./formats.ts";

const list = {
  to: "host/db",
  for: "deployment/default/web\nallow all;",
  ranges: ["10.2.1.0/24", "192.0.2.7-192.0.2.9", "fd00::1/128"],
  sources: [
    { range: "10.2.1.0/24", why: 'all of vSwitch "vsw-1", of node n2' },
    { range: "192.0.2.7-192.0.2.9", why: "seen" },
    { range: "fd00::1/128", why: "seen" },
  ],
};

const cidrs = ["10.2.1.0/24", "192.0.2.7/32", "192.0.2.8/31", "fd00::1/128"];
const head = "# what host/db must admit for deployment/default/web?allow all;";

describe("a list for who admits", () => {
  it.each<[ListForm, readonly string[]]>([
    [
      "csv",
      [
        "range,why",
        '10.2.1.0/24,"all of vSwitch ""vsw-1"", of node n2"',
        "192.0.2.7-192.0.2.9,seen",
        "fd00::1/128,seen",
      ],
    ],
    ["pg_hba", [head, ...cidrs.map((cidr) => `host all all ${cidr} scram-sha-256`)]],
    ["nginx", [head, ...cidrs.map((cidr) => `allow ${cidr};`), "deny all;"]],
    ["haproxy", [head, ...cidrs]],
    [
      "nft",
      [
        head,
        "define allowlist4 = {",
        "  10.2.1.0/24,",
        "  192.0.2.7-192.0.2.9,",
        "}",
        "define allowlist6 = {",
        "  fd00::1/128,",
        "}",
      ],
    ],
    ["terraform", [head, "allowlist = [", ...cidrs.map((cidr) => `  "${cidr}",`), "]"]],
  ])("is this as %s, and no name ends the comment", (form, lines) => {
    expect(listText(list, form)).toBe(`${lines.join("\n")}\n`);
  });
});
