// The plugin executable's logic: environment and standard input in, one request to the agent, its reply out. It runs
// in a JavaScript engine without any library (or, where there is no C compiler, in Node.js); what it needs of the
// system is the Host below. Nothing here may use more of the language than ES2020.
import { type PluginConfig, readConfig } from "../config.ts";
import { type Invocation, readInvocation } from "../environment.ts";
import { type AgentRequest, readReply } from "../protocol.ts";
import { failureText } from "../result.ts";
import { type CniFailure, failure, failureCode, isFailure } from "../spec.ts";
import { negotiate, newestVersion, supportedVersions, versionReply } from "../versions.ts";

export interface Host {
  getenv(name: string): string | undefined;
  readStdin(): string;
}

export interface Done {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What to ask the agent; the answer, or its absence, goes to `finish`. */
export interface Question {
  readonly invocation: Invocation;
  readonly config: PluginConfig;
  readonly cniVersion: string;
  readonly request: string;
}

/** A DEL that the agent will do when it is back. */
export interface Queued {
  readonly folder: string;
  readonly file: string;
  readonly text: string;
}

const about = `CNI plugin trunkline\nCNI protocol versions supported: ${supportedVersions.join(", ")}\n`;

/** Answers what needs no agent (no command, VERSION, wrong use); everything else becomes a question. */
export function begin(host: Host): Done | Question {
  if ((host.getenv("CNI_COMMAND") ?? "") === "") return { exitCode: 0, stdout: "", stderr: about };
  const invocation = readInvocation((name) => host.getenv(name));
  if (isFailure(invocation)) return failed(invocation, newestVersion);
  if (invocation.command === "VERSION") return done(`${JSON.stringify(versionReply())}\n`);
  const text = host.readStdin();
  const config = readConfig(text);
  if (isFailure(config)) return failed(config, newestVersion);
  const cniVersion = negotiate(config.cniVersion, invocation.command);
  if (typeof cniVersion === "object") return failed(cniVersion, newestVersion);
  const request: AgentRequest = { version: 1, ...invocation, config: text };
  return { invocation, config, cniVersion, request: JSON.stringify(request) };
}

/**
 * Turns the agent's reply into the executable's output.
 * @param reply all that came over the socket; undefined if the agent could not be reached
 */
export function finish(question: Question, reply: string | undefined): Done | Queued {
  const answer = reply === undefined ? undefined : readReply(reply);
  if (answer !== undefined) return { exitCode: answer.exitCode, stdout: answer.stdout, stderr: "" };
  const { invocation, config, cniVersion } = question;
  const { containerId, ifName, command } = invocation;
  if (command === "DEL")
    return { folder: config.queueDir, file: queueFile(containerId, ifName), text: question.request };
  const why = reply === undefined ? "cannot be reached" : "broke off";
  const code = command === "STATUS" ? failureCode.notAvailable : failureCode.tryAgainLater;
  return failed(failure(code, `the Trunkline agent at ${config.agentSocket} ${why}`), cniVersion);
}

/** The end of a DEL whose request was put into the queue folder, or could not be (`error`). */
export function queued(question: Question, error: string | undefined): Done {
  if (error === undefined) return done("");
  const what = `the agent is away and ${question.config.queueDir} cannot be written`;
  return failed(failure(failureCode.io, what, error), question.cniVersion);
}

/**
 * A repeated DEL of one attachment replaces the first. Both parts are validated and hold neither `/` nor `:`, so that no
 * two attachments have one file.
 */
export function queueFile(containerId: string, ifName: string): string {
  return `${containerId}:${ifName}.json`;
}

function done(stdout: string): Done {
  return { exitCode: 0, stdout, stderr: "" };
}

function failed(what: CniFailure, cniVersion: string): Done {
  return { exitCode: 1, stdout: failureText(what, cniVersion), stderr: "" };
}
