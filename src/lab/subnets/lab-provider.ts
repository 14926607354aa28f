// The lab's provider of subnets: its cloud, with its state in the lab's folder, and what people may do to it.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { goDuration } from "../../api/pod-networking.ts";
import { TrunklineError } from "../../base/errors.ts";
import { LabCloud } from "../../cloud/lab/lab-cloud.ts";
import { type CloudState, emptyCloud } from "../../cloud/lab/state.ts";
import { type CloudCall, type CloudProvider, cloudCalls } from "../../cloud/provider.ts";
import type { InstanceLimits } from "../../cloud/types.ts";
import type { LabFile } from "../file/lab-file.ts";
import { instanceDefaults, instanceIdOf } from "../file/subnets.ts";
import { Wiring, type WiringParts } from "./wiring.ts";

export interface LabProviderOptions extends Pick<WiringParts, "machine" | "topology" | "members"> {
  readonly file: () => LabFile;
  /** Where its state is kept. */
  readonly stateFile: string;
  readonly now: () => number;
  /** Ends a process of the lab's by its name. */
  readonly kill: (name: string) => void;
}

/** What may be asked of the provider from outside. */
export type ProviderAct =
  | { readonly act: "show" }
  | {
      readonly act: "set";
      readonly latencyMs?: number;
      readonly callsPerSecond?: number;
      readonly down?: boolean;
    }
  | { readonly act: "fault"; readonly call: string; readonly effect: string; readonly times: number }
  | { readonly act: "clear" }
  | { readonly act: "hide"; readonly id: string; readonly hidden: boolean }
  | {
      readonly act: "add-interface";
      readonly vSwitchID: string;
      readonly address?: string;
      readonly tags: Readonly<Record<string, string>>;
    }
  | { readonly act: "delete-interface"; readonly id: string };

const effects = /^(throttle|error:[\w.]+|timeout|lost|half|kill-before|kill-after)$/;

export class LabProvider {
  readonly #cloud: LabCloud;
  readonly #options: LabProviderOptions;

  constructor(options: LabProviderOptions) {
    this.#options = options;
    const file = options.file();
    const state = readState(options.stateFile) ?? withPrimaries(file, options.now());
    const wiring = new Wiring({
      ...options,
      nodeOf: (id) => options.file().nodes.find((node) => instanceIdOf(node) === id)?.name,
      router: file.routers[0]?.name ?? "",
    });
    this.#cloud = new LabCloud({
      state,
      subnets: file.subnets,
      securityGroupIDs: file.securityGroups.map(({ id }) => id),
      instances: file.nodes.map(limitsOf),
      now: options.now,
      wiring: (one, gone) => wiring.change(one, gone),
      save: (fresh) => writeState(options.stateFile, fresh),
      kill: options.kill,
    });
  }

  /** Returns the provider as a process of the lab sees it. */
  for(caller: string): CloudProvider {
    return this.#cloud.for(caller);
  }

  /** Returns `ADDRESS MAC` of all that is attached. */
  plugged(): ReadonlySet<string> {
    const all = this.#cloud.interfaces({ status: "InUse" });
    return new Set(all.flatMap(({ addresses, mac }) => addresses.map((address) => `${address} ${mac}`)));
  }

  rewire(): Promise<void> {
    return this.#cloud.rewire();
  }

  /** @throws `lab.cloud-unknown`, `lab.cloud-fault`, `cloud.refused` */
  async act(body: ProviderAct): Promise<unknown> {
    const cloud = this.#cloud;
    switch (body.act) {
      case "show":
        return this.#show();
      case "set": {
        const { act: _act, ...settings } = body;
        Object.assign(cloud.state.settings, settings);
        return this.#saved();
      }
      case "fault":
        return this.#fault(body);
      case "clear":
        cloud.state.faults = [];
        return this.#saved();
      case "hide":
        return cloud.hide(body.id, body.hidden);
      case "add-interface":
        return { id: cloud.addForeign(body.vSwitchID, body.address, body.tags) };
      case "delete-interface":
        return await cloud.removeForeign(body.id);
    }
  }

  #fault({ call, effect, times }: Extract<ProviderAct, { act: "fault" }>): void {
    if (call !== "*" && !cloudCalls.some((one) => one === call))
      throw new TrunklineError("lab.cloud-fault", { word: call, known: [...cloudCalls, "*"] });
    if (!effects.test(effect))
      throw new TrunklineError("lab.cloud-fault", {
        word: effect,
        known: ["throttle", "error:CODE", "timeout", "lost", "half", "kill-before", "kill-after"],
      });
    this.#cloud.state.faults.push({ call: call as CloudCall | "*", effect, left: times });
    this.#saved();
  }

  #saved(): void {
    writeState(this.#options.stateFile, this.#cloud.state);
  }

  #show() {
    const { settings, faults, calls, interfaces } = this.#cloud.state;
    const { latencyMs, ...rest } = settings;
    const latency = latencyMs % 1000 === 0 ? goDuration(latencyMs) : `${latencyMs}ms`;
    return {
      settings: { latency, ...rest },
      faults,
      calls,
      interfaces: interfaces.map((one) => ({
        ...one,
        instanceID: one.instanceID ?? null,
        trunkENIID: one.trunkENIID ?? null,
        vid: one.vid ?? null,
      })),
      subnets: this.#cloud.subnets(),
      securityGroups: this.#cloud.securityGroups(),
    };
  }
}

function limitsOf(node: LabFile["nodes"][number]): InstanceLimits {
  const { adapters, ipv4PerAdapter, memberAdapterLimit } = node.instance ?? instanceDefaults;
  return { instanceID: instanceIdOf(node), adapters, ipv4PerAdapter, memberAdapterLimit };
}

/** Every machine has an interface of its own, which is not in any vSwitch of pods'. */
function withPrimaries(file: LabFile, now: number): CloudState {
  const { latency, callsPerSecond } = file.provider;
  const state = emptyCloud({ latencyMs: latency, callsPerSecond });
  for (const node of file.nodes) {
    const number = state.nextId++;
    const hex = number.toString(16).padStart(6, "0");
    state.interfaces.push({
      id: `eni-lab${hex}`,
      type: "Primary",
      status: "InUse",
      vSwitchID: "",
      instanceID: instanceIdOf(node),
      mac: `00:16:3e:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}`,
      securityGroupIDs: [],
      addresses: [...node.addresses],
      tags: {},
      createdAt: new Date(now).toISOString(),
    });
  }
  return state;
}

function readState(file: string): CloudState | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as CloudState;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function writeState(file: string, state: CloudState): void {
  writeFileSync(`${file}.new`, JSON.stringify(state), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
