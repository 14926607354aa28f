import { describe, expect, it } from "vitest";
import { endOfPod } from "./container-end.ts";

const ended = (command: readonly string[], restartPolicy = "Never", args: readonly string[] = []) =>
  endOfPod({ restartPolicy, containers: [{ name: "c", command, args }] });

describe("a pod ends by itself", () => {
  it.each<[readonly string[], number, number]>([
    [["true"], 0, 0],
    [["/bin/false"], 0, 1],
    [["sleep", "30"], 30_000, 0],
    [["sleep", "0.5"], 500, 0],
    [["sleep", "2h"], 7_200_000, 0],
    [["sh", "-c", "sleep 5; exit 3"], 5000, 3],
    [["/bin/bash", "-c", "echo begin && sleep 1m && echo end"], 60_000, 0],
    [["sh", "-c", "false && sleep 9"], 0, 1],
    [["sh", "-c", "false; sleep 9"], 9000, 0],
  ])("by %j", (command, afterMs, code) => {
    expect(ended(command)).toEqual({ afterMs, code });
  });

  it("by command and arguments together", () => {
    expect(ended(["sh"], "Never", ["-c", "sleep 1"])).toEqual({ afterMs: 1000, code: 0 });
  });

  it.each<readonly string[]>([
    [],
    ["nginx"],
    ["sleep", "infinity"],
    ["sleep", "1", "2"],
    ["sh", "-c", "while true; do sleep 1; done"],
    ["sh", "-c", "sleep $N"],
    ["sh", "script.sh"],
  ])("but not by %j", (...command) => {
    expect(ended(command)).toBeUndefined();
  });

  it("only when all containers have, and are not started again; sidecars do not count", () => {
    const sleeping = (name: string, seconds: number) => ({ name, command: ["sleep", String(seconds)] });
    const two = [sleeping("a", 1), sleeping("b", 2)];
    const sidecar = { name: "side", restartPolicy: "Always" };
    expect(endOfPod({ restartPolicy: "Never", containers: two, initContainers: [sidecar] })).toEqual({
      afterMs: 2000,
      code: 0,
    });
    expect(endOfPod({ restartPolicy: "Never", containers: [...two, { name: "c" }] })).toBeUndefined();
    expect(endOfPod({ containers: two })).toBeUndefined();
    expect(ended(["true"], "OnFailure")).toEqual({ afterMs: 0, code: 0 });
    expect(ended(["false"], "OnFailure")).toBeUndefined();
  });
});
