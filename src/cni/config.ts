// The network configuration that a runtime writes to a plugin's standard input (specification, section 3).
import { checkNetworkName } from "./environment.ts";
import { type Attachment, type CniFailure, type CniResult, failure, failureCode } from "./spec.ts";

export interface PluginConfig {
  readonly cniVersion: string | undefined;
  readonly name: string;
  readonly agentSocket: string;
  /** Where a DEL waits for an agent that is away. */
  readonly queueDir: string;
  /** How long the executable waits for the agent's reply, in seconds. */
  readonly timeoutSeconds: number;
  /** Bytes; undefined: as the node's uplink. */
  readonly mtu: number | undefined;
  /** As it came: the agent must work with a stale or a foreign one, so nothing is taken from it unchecked. */
  readonly prevResult: CniResult | undefined;
  /** Only for GC. libcni leaves the key out, or writes null, when no attachment of the network is valid. */
  readonly validAttachments: readonly Attachment[];
}

export const defaultAgentSocket = "/run/trunkline/agent.sock";
export const defaultQueueDir = "/var/lib/trunkline/cni-queue";
/** The second is what an earlier text of the specification said. */
const attachmentKeys = ["cni.dev/valid-attachments", "cni.dev/attachments"];
const defaultTimeoutSeconds = 60;

/** Parses standard input. Unknown keys are for other plugins or for a later version, and are passed over. */
export function readConfig(text: string): PluginConfig | CniFailure {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    // JSON.parse throws nothing but SyntaxError.
    return decoding(`error unmarshall network config: ${String(error)}`);
  }
  if (!isRecord(parsed)) return decoding("error unmarshall network config: not a JSON object");
  const wrong = firstWrong(parsed);
  if (wrong !== undefined) return wrong;
  const name = (parsed["name"] as string | undefined) ?? "";
  const attachments = attachmentKeys.map((key) => parsed[key]).find((value) => value !== undefined);
  const valid = readAttachments(attachments ?? []);
  if ("code" in valid) return valid;
  return (
    checkNetworkName(name) ?? {
      cniVersion: parsed["cniVersion"] as string | undefined,
      name,
      agentSocket: (parsed["agentSocket"] as string | undefined) ?? defaultAgentSocket,
      queueDir: (parsed["queueDir"] as string | undefined) ?? defaultQueueDir,
      timeoutSeconds: (parsed["timeoutSeconds"] as number | undefined) ?? defaultTimeoutSeconds,
      mtu: parsed["mtu"] as number | undefined,
      prevResult: (parsed["prevResult"] as CniResult | null | undefined) ?? undefined,
      validAttachments: valid,
    }
  );
}

function firstWrong(config: Record<string, unknown>): CniFailure | undefined {
  for (const key of ["cniVersion", "name", "agentSocket", "queueDir"]) {
    const value = config[key];
    if (value !== undefined && typeof value !== "string") return decoding(`'${key}' must be a text`);
  }
  for (const key of ["agentSocket", "queueDir"]) {
    const value = config[key];
    if (typeof value === "string" && !value.startsWith("/"))
      return failure(failureCode.invalidConfig, `'${key}' must be an absolute path`, value);
  }
  const { mtu, timeoutSeconds, prevResult } = config;
  if (mtu !== undefined && !isWhole(mtu, 68, 65535))
    return failure(failureCode.invalidConfig, "'mtu' must be a whole number from 68 to 65535", String(mtu));
  if (timeoutSeconds !== undefined && !isWhole(timeoutSeconds, 1, 3600))
    return failure(
      failureCode.invalidConfig,
      "'timeoutSeconds' must be from 1 to 3600",
      String(timeoutSeconds),
    );
  if (prevResult !== undefined && prevResult !== null && !isRecord(prevResult))
    return decoding("'prevResult' must be an object");
  return undefined;
}

function readAttachments(value: unknown): readonly Attachment[] | CniFailure {
  if (!Array.isArray(value)) return decoding("'cni.dev/valid-attachments' must be a list");
  const attachments: Attachment[] = [];
  for (const item of value as unknown[]) {
    const containerId = isRecord(item) ? item["containerID"] : undefined;
    const ifName = isRecord(item) ? item["ifname"] : undefined;
    if (typeof containerId !== "string" || typeof ifName !== "string")
      return decoding("every item of 'cni.dev/valid-attachments' needs containerID and ifname");
    attachments.push({ containerId, ifName });
  }
  return attachments;
}

function decoding(msg: string): CniFailure {
  return failure(failureCode.decoding, msg);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isWhole(value: unknown, least: number, most: number): boolean {
  return typeof value === "number" && Number.isInteger(value) && value >= least && value <= most;
}
