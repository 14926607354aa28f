import { describe, expect, it } from "vitest";
import { POD_LINK_GROUP } from "../../kernel/kernel.ts";
import { aliasOf, hostInterfaceName, isHostInterface, podMac } from "./endpoint.ts";

const attached = { containerId: "c1", ifName: "eth0" };

describe("the names of an endpoint", () => {
  it("never change: the agents of tomorrow must find today's interfaces", () => {
    expect(hostInterfaceName("c1", "eth0")).toBe("tld72e032fedd94");
    expect(podMac(attached)).toBe("02:2b:03:a8:10:41");
  });

  it("differ between sandboxes, and between interfaces of one", () => {
    expect(hostInterfaceName("c1", "eth1")).not.toBe(hostInterfaceName("c1", "eth0"));
    expect(hostInterfaceName("c2", "eth0")).not.toBe(hostInterfaceName("c1", "eth0"));
  });

  it("tell ours from interfaces of others", () => {
    const alias = aliasOf({ ...attached, pod: { namespace: "ns", name: "p", uid: "" } });
    expect(alias).toBe("trunkline ns/p c1/eth0");
    expect(aliasOf({ ...attached, pod: undefined })).toBe("trunkline - c1/eth0");
    expect(isHostInterface({ name: hostInterfaceName("c1", "eth0"), alias, group: 0 })).toBe(true);
    const name = "tld72e032fedd94";
    expect(isHostInterface({ name, alias: undefined, group: POD_LINK_GROUP })).toBe(true);
    expect(isHostInterface({ name, alias: undefined, group: 0 })).toBe(false);
    expect(isHostInterface({ name, alias: "somebody else's", group: 0 })).toBe(false);
    expect(isHostInterface({ name: "eth0", alias, group: POD_LINK_GROUP })).toBe(false);
    expect(isHostInterface({ name: "tlvpn0", alias: undefined, group: 0 })).toBe(false);
  });

  it("keep the alias within what the kernel keeps", () => {
    const pod = { namespace: "n".repeat(63), name: "p".repeat(253), uid: "" };
    expect(aliasOf({ ...attached, pod }).length).toBe(255);
  });
});
