import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CniRuntime } from "./cni-runtime.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "cni-"));
  mkdirSync(path.join(folder, "bin"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const attachment = {
  containerId: "c1",
  netns: "/run/netns/none",
  ifName: "eth0",
  pod: { namespace: "default", name: "a", uid: "u1" },
  capabilities: { portMappings: [{ hostPort: 80, containerPort: 8080, protocol: "tcp" }] },
};

/** A plugin that notes how it was called and answers with its own interface behind those that it was given. */
function plugin(name: string, addExit = 0): void {
  const file = path.join(folder, "bin", name);
  const result = `{"cniVersion":"1.0.0","interfaces":[{"name":"${name}"}],"ips":[{"address":"10.0.0.7/32"}]}`;
  const failure = `{"code":7,"msg":"no","details":"really"}`;
  const text = [
    "#!/bin/sh",
    `input=$(cat)`,
    `printf '%s %s %s %s\\n' "$CNI_COMMAND" ${name} "$CNI_ARGS" "$input" >> ${folder}/calls`,
    `if [ "$CNI_COMMAND" = ADD ]; then`,
    `  [ ${addExit} = 0 ] && printf '%s' '${result}' || printf '%s' '${failure}'`,
    `  exit ${addExit}`,
    "fi",
  ].join("\n");
  writeFileSync(file, `${text}\n`);
  chmodSync(file, 0o755);
}

function runtime(plugins: object[]): CniRuntime {
  const list = { cniVersion: "1.0.0", name: "net", plugins };
  writeFileSync(path.join(folder, "10-net.conflist"), JSON.stringify(list));
  return new CniRuntime({ confDir: folder, path: [path.join(folder, "bin")], netns: "self" });
}

function calls(): { verb: string; plugin: string; args: string; input: Record<string, unknown> }[] {
  const lines = readFileSync(path.join(folder, "calls"), "utf8").trim().split("\n");
  return lines.map((line) => {
    const [verb = "", name = "", args = ""] = line.split(" ");
    return {
      verb,
      plugin: name,
      args,
      input: JSON.parse(line.slice(line.indexOf("{"))) as Record<string, unknown>,
    };
  });
}

describe("the CNI runtime", () => {
  it("hands each plugin the result of the one before, and only the capabilities that it has", async () => {
    plugin("one");
    plugin("two");
    const cni = runtime([{ type: "one" }, { type: "two", capabilities: { portMappings: true } }]);
    const result = await cni.add(attachment);
    expect(result.ips).toEqual([{ address: "10.0.0.7/32" }]);
    const [first, second] = calls();
    expect(first?.input).toEqual({ type: "one", name: "net", cniVersion: "1.0.0" });
    expect(second?.input).toMatchObject({
      prevResult: { interfaces: [{ name: "one" }] },
      runtimeConfig: attachment.capabilities,
    });
    expect(first?.args).toBe(
      "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=a;K8S_POD_INFRA_CONTAINER_ID=c1;K8S_POD_UID=u1",
    );
  });

  it("deletes in reverse order with the result of ADD", async () => {
    plugin("one");
    plugin("two");
    const cni = runtime([{ type: "one" }, { type: "two" }]);
    await cni.add(attachment);
    await cni.del(attachment);
    const deleted = calls().slice(2);
    expect(deleted.map((call) => [call.verb, call.plugin])).toEqual([
      ["DEL", "two"],
      ["DEL", "one"],
    ]);
    expect(deleted[1]?.input).toMatchObject({ prevResult: { interfaces: [{ name: "two" }] } });
  });

  it("undoes everything when a plugin fails, and tells that plugin's error", async () => {
    plugin("one");
    plugin("two", 3);
    const cni = runtime([{ type: "one" }, { type: "two" }]);
    await expect(cni.add(attachment)).rejects.toMatchObject({
      code: "lab.cni",
      data: { plugin: "two", command: "ADD", code: 7, message: "no: really" },
    });
    expect(calls().map((call) => call.verb)).toEqual(["ADD", "ADD", "DEL", "DEL"]);
  });

  it("says so when there is no configuration, or no such plugin", async () => {
    const cni = runtime([{ type: "missing" }]);
    await expect(cni.add(attachment)).rejects.toMatchObject({ code: "lab.no-cni-plugin" });
    rmSync(path.join(folder, "10-net.conflist"));
    await expect(cni.add(attachment)).rejects.toMatchObject({ code: "lab.no-cni-config" });
  });
});
