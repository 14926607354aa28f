// What pods cost a machine before anything is decided about them: a namespace, the wire into it, and the plugin's process.

import { attachWire } from "../../src/agent/pods/wire.ts";
import { shimPath } from "../../src/agent/shim-path.ts";
import { runSmall } from "../../src/kernel/exec/index.ts";
import { linuxMachine } from "../../src/kernel/index.ts";
import { processorSecondsWithChildren } from "./processes.ts";

const version = { CNI_COMMAND: "VERSION", CNI_PATH: "/usr/lib/cni" };

/** Returns the processor time that as many pods take at least, in seconds. All is gone again when it returns. */
export async function barePods(pods: number): Promise<number> {
  const machine = linuxMachine();
  const names = Array.from({ length: pods }, (_, at) => `bare-${at}`);
  machine.createNetns("bare");
  const node = machine.open({ name: "bare" });
  try {
    const before = processorSecondsWithChildren(process.pid);
    for (const [at, name] of names.entries()) {
      const netns = machine.createNetns(name);
      await runSmall(shimPath(), [], { input: '{"cniVersion":"1.0.0"}', env: version });
      const hex = at.toString(16).padStart(13, "0");
      await attachWire(machine, node, {
        netns,
        ifName: "eth0",
        hostInterface: `tl${hex}`,
        podMac: `02:00:00:00:${hex.slice(-4, -2)}:${hex.slice(-2)}`,
        alias: name,
        ips: [`10.1.${at >> 8}.${at & 255}`],
        mtu: 1500,
      });
    }
    return processorSecondsWithChildren(process.pid) - before;
  } finally {
    node.close();
    await Promise.all([...names, "bare"].map((name) => machine.removeNetns(name)));
  }
}
