import { describe, expect, it } from "vitest";
import { readInvocation } from "./environment.ts";

const whole = {
  CNI_COMMAND: "ADD",
  CNI_CONTAINERID: "c1",
  CNI_NETNS: "/run/netns/x",
  CNI_IFNAME: "eth0",
  CNI_PATH: "/opt/cni/bin",
};

function read(changes: Record<string, string | undefined>) {
  const env: Record<string, string | undefined> = { ...whole, ...changes };
  return readInvocation((name) => env[name]);
}

describe("readInvocation", () => {
  it("takes what the runtime says, and empty texts for what it leaves out", () => {
    expect(read({ CNI_ARGS: "A=b" })).toEqual({
      command: "ADD",
      containerId: "c1",
      netns: "/run/netns/x",
      ifName: "eth0",
      args: "A=b",
      path: "/opt/cni/bin",
    });
    expect(read({ CNI_COMMAND: "DEL", CNI_NETNS: undefined })).toMatchObject({ netns: "", args: "" });
  });

  it.each([
    ["ADD", "CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH"],
    ["CHECK", "CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH"],
    ["DEL", "CNI_CONTAINERID,CNI_IFNAME,CNI_PATH"],
    ["GC", "CNI_PATH"],
    ["STATUS", "CNI_PATH"],
  ])("names everything that %s lacks in one error", (command, names) => {
    expect(readInvocation((name) => (name === "CNI_COMMAND" ? command : ""))).toEqual({
      code: 4,
      msg: `required env variables [${names}] missing`,
    });
  });

  it("asks VERSION for nothing, and refuses other words", () => {
    expect(readInvocation((name) => (name === "CNI_COMMAND" ? "VERSION" : undefined))).toMatchObject({
      command: "VERSION",
    });
    expect(read({ CNI_COMMAND: "add" })).toEqual({ code: 4, msg: "unknown CNI_COMMAND: add" });
    expect(read({ CNI_COMMAND: "toString" })).toMatchObject({ code: 4 });
    expect(read({ CNI_COMMAND: undefined })).toMatchObject({
      code: 4,
      msg: "required env variables [CNI_COMMAND] missing",
    });
  });

  it.each(["../x", "-a", ".a", "a/b", "a b", "a\n"])("refuses the container id %j", (id) => {
    expect(read({ CNI_CONTAINERID: id })).toEqual({
      code: 4,
      msg: "invalid characters in containerID",
      details: id,
    });
  });

  it.each([
    ["sixteen-letters-", "interface name is too long"],
    ["ääääääää", "interface name is too long"],
    [".", "interface name is . or .."],
    ["..", "interface name is . or .."],
    ["a/b", "interface name contains / or : or whitespace characters"],
    ["a:b", "interface name contains / or : or whitespace characters"],
    ["a b", "interface name contains / or : or whitespace characters"],
  ])("refuses the interface name %j", (name, msg) => {
    expect(read({ CNI_IFNAME: name })).toMatchObject({ code: 4, msg });
  });

  it("takes the longest names that the kernel takes", () => {
    expect(read({ CNI_IFNAME: "fifteen-letters" })).toMatchObject({ ifName: "fifteen-letters" });
    expect(read({ CNI_IFNAME: "äääääääb" })).toMatchObject({ ifName: "äääääääb" });
  });
});
