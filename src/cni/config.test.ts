import { describe, expect, it } from "vitest";
import { readConfig } from "./config.ts";

const read = (config: unknown) => readConfig(typeof config === "string" ? config : JSON.stringify(config));

describe("readConfig", () => {
  it("fills in defaults and passes over keys of others", () => {
    expect(read({ name: "n", type: "trunkline", cniVersion: "1.0.0", somebodyElses: 1 })).toEqual({
      cniVersion: "1.0.0",
      name: "n",
      agentSocket: "/run/trunkline/agent.sock",
      queueDir: "/var/lib/trunkline/cni-queue",
      timeoutSeconds: 60,
      mtu: undefined,
      prevResult: undefined,
      validAttachments: [],
    });
  });

  it.each([
    ["{", 6],
    ["[]", 6],
    ["null", 6],
    [{ name: 1 }, 6],
    [{ name: "n", cniVersion: 1 }, 6],
    [{ name: "n", prevResult: "x" }, 6],
    [{}, 7],
    [{ name: "" }, 7],
    [{ name: "a/b" }, 7],
    [{ name: "n", agentSocket: "relative" }, 7],
    [{ name: "n", queueDir: "../x" }, 7],
    [{ name: "n", mtu: 67 }, 7],
    [{ name: "n", mtu: 1500.5 }, 7],
    [{ name: "n", timeoutSeconds: 0 }, 7],
    [{ name: "n", "cni.dev/valid-attachments": {} }, 6],
    [{ name: "n", "cni.dev/valid-attachments": [{ containerID: "c" }] }, 6],
  ])("refuses %j with code %i", (config, code) => {
    expect(read(config)).toMatchObject({ code });
  });

  it("reads the attachments under both keys, and libcni's ways to say that there are none", () => {
    const list = [{ containerID: "c", ifname: "eth0" }];
    const want = [{ containerId: "c", ifName: "eth0" }];
    expect(read({ name: "n", "cni.dev/valid-attachments": list })).toMatchObject({ validAttachments: want });
    expect(read({ name: "n", "cni.dev/attachments": list })).toMatchObject({ validAttachments: want });
    expect(read({ name: "n", "cni.dev/valid-attachments": null })).toMatchObject({ validAttachments: [] });
    expect(read({ name: "n" })).toMatchObject({ validAttachments: [] });
  });
});
