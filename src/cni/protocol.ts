// What the executable and the agent say to each other: one JSON object each way over a unix socket. The executable
// half-closes after its request; the reply is complete when the agent closes.
import { checkInvocation, type Invocation } from "./environment.ts";
import { type CniFailure, failure, failureCode } from "./spec.ts";

export interface AgentRequest extends Invocation {
  readonly version: 1;
  /** The executable's standard input, as it came. */
  readonly config: string;
}

export interface AgentReply {
  readonly exitCode: number;
  readonly stdout: string;
}

/** Parses and validates what came over the socket or out of the queue folder. */
export function readRequest(text: string): AgentRequest | CniFailure {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    // JSON.parse throws nothing but SyntaxError.
    return failure(failureCode.decoding, `the request is not JSON: ${String(error)}`);
  }
  const request = parsed as Partial<Record<keyof AgentRequest, unknown>> | null;
  const texts = ["command", "containerId", "netns", "ifName", "args", "path", "config"] as const;
  if (
    typeof request !== "object" ||
    request === null ||
    texts.some((key) => typeof request[key] !== "string")
  )
    return failure(failureCode.decoding, "the request lacks a field");
  if (request.version !== 1)
    return failure(
      failureCode.decoding,
      "plugin and agent are of different versions; run trunkline install-cni",
    );
  const { command } = request;
  if (
    command !== "ADD" &&
    command !== "DEL" &&
    command !== "CHECK" &&
    command !== "GC" &&
    command !== "STATUS"
  )
    return failure(failureCode.invalidEnvironment, `unknown CNI_COMMAND: ${String(command)}`);
  return checkInvocation(request as AgentRequest) ?? (request as AgentRequest);
}

/** Returns the parsed reply, or undefined if it is cut off or not a reply (the agent died while it wrote). */
export function readReply(text: string): AgentReply | undefined {
  try {
    const reply = JSON.parse(text) as Partial<AgentReply> | null;
    if (typeof reply?.exitCode === "number" && typeof reply.stdout === "string")
      return { exitCode: reply.exitCode, stdout: reply.stdout };
  } catch {
    // JSON.parse throws nothing but SyntaxError: the reply was cut off.
  }
  return undefined;
}
