import { describe, expect, it } from "vitest";
import { withBlock } from "./postgres.ts";

const list = { name: "db", to: "host/db", ranges: ["10.0.0.1/32", "fd00::/64"], sources: [] };
const spec = { path: "/pg_hba.conf" };

describe("the block in pg_hba.conf", () => {
  const block = `# >>> AddressList db
# written anew whenever the list changes
host all all 10.0.0.1/32 scram-sha-256
host all all fd00::/64 scram-sha-256
# <<< AddressList db
`;

  it("stands at the end, and from then on where it is", () => {
    expect(withBlock("local all all peer", list, spec)).toBe(`local all all peer\n${block}`);
    const moved = `# >>> AddressList db\n# <<< AddressList db\nhost all all 0.0.0.0/0 reject\n`;
    const whole = `${block}host all all 0.0.0.0/0 reject\n`;
    expect(withBlock(moved, list, spec)).toBe(whole);
    expect(withBlock(whole, list, spec)).toBe(whole);
    expect(withBlock(whole, { ...list, ranges: [] }, spec)).not.toContain("10.0.0.1");
  });

  it("quotes names of databases and users, but for those that mean more", () => {
    const named = {
      ...spec,
      databases: ["shop", "replication"],
      users: ["app"],
      method: "cert",
      connection: "hostssl" as const,
    };
    expect(withBlock("", list, named)).toContain('hostssl "shop",replication "app" 10.0.0.1/32 cert\n');
  });

  it.each([
    "# >>> AddressList db\n",
    "# <<< AddressList db\n# >>> AddressList db\n",
    "# >>> AddressList db\n# >>> AddressList db\n# <<< AddressList db\n",
  ])("is not written where it cannot be told where: %j", (text) => {
    expect(() => withBlock(text, list, spec)).toThrow("left alone");
  });
});
