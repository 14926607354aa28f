// The parameters that a runtime hands over in environment variables (specification, section 2).
import { type CniFailure, failure, failureCode, type Verb } from "./spec.ts";

export interface Invocation {
  readonly command: Verb;
  /** Empty where the verb needs none. */
  readonly containerId: string;
  /** Empty where the verb needs none, and in a DEL whose namespace is gone. */
  readonly netns: string;
  readonly ifName: string;
  readonly args: string;
  readonly path: string;
}

export type Environment = (name: string) => string | undefined;

const required: Readonly<Record<Verb, readonly string[]>> = {
  ADD: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
  CHECK: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
  DEL: ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"],
  GC: ["CNI_PATH"],
  STATUS: ["CNI_PATH"],
  VERSION: [],
};

/** Reads and validates the environment; a failure names everything that is missing at once. */
export function readInvocation(env: Environment): Invocation | CniFailure {
  const command = env("CNI_COMMAND") ?? "";
  if (command === "") return missing(["CNI_COMMAND"]);
  if (!isVerb(command)) return failure(failureCode.invalidEnvironment, `unknown CNI_COMMAND: ${command}`);
  const needs = required[command];
  const absent = needs.filter((name) => (env(name) ?? "") === "");
  if (absent.length > 0) return missing(absent);
  const invocation: Invocation = {
    command,
    containerId: env("CNI_CONTAINERID") ?? "",
    netns: env("CNI_NETNS") ?? "",
    ifName: env("CNI_IFNAME") ?? "",
    args: env("CNI_ARGS") ?? "",
    path: env("CNI_PATH") ?? "",
  };
  return checkInvocation(invocation) ?? invocation;
}

/** Returns what is wrong with the values, or undefined. The agent asks again what the executable asked already. */
export function checkInvocation(invocation: Invocation): CniFailure | undefined {
  const needs = required[invocation.command];
  if (needs.includes("CNI_CONTAINERID")) {
    const wrong = checkContainerId(invocation.containerId);
    if (wrong !== undefined) return wrong;
  }
  return needs.includes("CNI_IFNAME") ? checkInterfaceName(invocation.ifName) : undefined;
}

/** Letters, digits, `_`, `.` and `-`, the first one a letter or digit: what may name a container or a network. */
const plainName = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

function checkContainerId(id: string): CniFailure | undefined {
  if (id === "") return failure(failureCode.unknownContainer, "missing containerID");
  if (plainName.test(id)) return undefined;
  return failure(failureCode.invalidEnvironment, "invalid characters in containerID", id);
}

export function checkNetworkName(name: string): CniFailure | undefined {
  if (name === "") return failure(failureCode.invalidConfig, "missing network name");
  if (plainName.test(name)) return undefined;
  return failure(failureCode.invalidConfig, "invalid characters found in network name", name);
}

/** The kernel's rules for a link's name: 1 to 15 bytes, not `.` or `..`, none of `/`, `:` and white space. */
export function checkInterfaceName(name: string): CniFailure | undefined {
  const wrong = (msg: string, details?: string) => failure(failureCode.invalidEnvironment, msg, details);
  if (name === "") return wrong("interface name is empty");
  if (byteLength(name) > 15)
    return wrong("interface name is too long", "interface name should be less than 16 characters");
  if (name === "." || name === "..") return wrong("interface name is . or ..");
  if (/[/:\s]/.test(name)) return wrong("interface name contains / or : or whitespace characters");
  return undefined;
}

function isVerb(text: string): text is Verb {
  // The executable's engine is of 2021 and has no Object.hasOwn.
  return Object.keys(required).includes(text);
}

function missing(names: readonly string[]): CniFailure {
  return failure(failureCode.invalidEnvironment, `required env variables [${names.join(",")}] missing`);
}

// No TextEncoder: the executable's engine has none.
function byteLength(text: string): number {
  let length = 0;
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    length += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return length;
}
