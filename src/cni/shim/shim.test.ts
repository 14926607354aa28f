import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkInvocation } from "../environment.ts";
import { begin, type Done, finish, type Question, queued, queueFile } from "./shim.ts";

const config = { cniVersion: "1.1.0", name: "n", agentSocket: "/s", queueDir: "/q" };

function start(command: string | undefined, text: unknown = config) {
  const env: Record<string, string | undefined> = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: "c1",
    CNI_NETNS: "/x",
    CNI_IFNAME: "eth0",
    CNI_PATH: "/p",
  };
  return begin({
    getenv: (name) => env[name],
    readStdin: () => (typeof text === "string" ? text : JSON.stringify(text)),
  });
}

const ask = (command: string) => start(command) as Question;
const failure = (done: unknown) => JSON.parse((done as Done).stdout) as { code: number; cniVersion: string };

describe("the plugin executable", () => {
  it("tells about itself without a command, and answers VERSION whatever comes on standard input", () => {
    expect(start(undefined)).toMatchObject({
      exitCode: 0,
      stdout: "",
      stderr: expect.stringContaining("1.1.0"),
    });
    expect(start("VERSION", "garbage")).toEqual({
      exitCode: 0,
      stdout: '{"cniVersion":"1.1.0","supportedVersions":["0.3.1","0.4.0","1.0.0","1.1.0"]}\n',
      stderr: "",
    });
  });

  it("fails on standard output with the codes of the specification, without asking the agent", () => {
    expect(failure(start("ADD", "{")).code).toBe(6);
    expect(failure(start("ADD", {})).code).toBe(7);
    expect(failure(start("ADD", { ...config, cniVersion: "9.9.9" })).code).toBe(1);
    expect(failure(start("STATUS", { ...config, cniVersion: "1.0.0" })).code).toBe(1);
    expect(failure(start("NOSUCH")).code).toBe(4);
  });

  it("hands the agent everything, and prints what it answers", () => {
    const question = ask("ADD");
    expect(JSON.parse(question.request)).toEqual({
      version: 1,
      command: "ADD",
      containerId: "c1",
      netns: "/x",
      ifName: "eth0",
      args: "",
      path: "/p",
      config: JSON.stringify(config),
    });
    expect(finish(question, '{"exitCode":0,"stdout":"yes"}')).toEqual({
      exitCode: 0,
      stdout: "yes",
      stderr: "",
    });
    expect(finish(question, '{"exitCode":1,"stdout":"no"}')).toEqual({
      exitCode: 1,
      stdout: "no",
      stderr: "",
    });
  });

  it.each([
    ["ADD", 11],
    ["CHECK", 11],
    ["GC", 11],
    ["STATUS", 50],
  ])("says of %s without an agent, or with one that died, code %i", (command, code) => {
    for (const reply of [undefined, "", '{"exitCode":0,"std'])
      expect(failure(finish(ask(command), reply))).toMatchObject({ code, cniVersion: "1.1.0" });
  });

  it("never puts the DELs of two attachments into one file", () => {
    expect(queueFile("a.b", "c")).not.toBe(queueFile("a", "b.c"));
    const part = fc.string({
      unit: fc.constantFrom("a", "b", ".", "-", "_", ":", "/"),
      minLength: 1,
      maxLength: 6,
    });
    const attachment = fc
      .record({ containerId: part, ifName: part })
      .filter(
        (one) => checkInvocation({ command: "DEL", netns: "", args: "", path: "/", ...one }) === undefined,
      );
    fc.assert(
      fc.property(attachment, attachment, (one, other) => {
        const same = one.containerId === other.containerId && one.ifName === other.ifName;
        expect(queueFile(one.containerId, one.ifName) === queueFile(other.containerId, other.ifName)).toBe(
          same,
        );
      }),
    );
  });

  it("queues a DEL, which then succeeds, or fails with an I/O error where even that is impossible", () => {
    const question = ask("DEL");
    expect(finish(question, undefined)).toEqual({
      folder: "/q",
      file: "c1:eth0.json",
      text: question.request,
    });
    expect(queued(question, undefined)).toEqual({ exitCode: 0, stdout: "", stderr: "" });
    expect(failure(queued(question, "disk full"))).toMatchObject({ code: 5, details: "disk full" });
  });
});
