// Entry of the compiled executable: host.c provides these functions, and nothing else is there.
import { begin, finish, queued } from "./shim.ts";

declare const host: {
  getenv(name: string): string | undefined;
  readStdin(): string;
  /** Connects, writes, half-closes and reads until the end; undefined if any of it fails. */
  ask(socket: string, request: string, timeoutSeconds: number): string | undefined;
  /** Writes a file of that folder by way of a temporary one; undefined if it went well. */
  put(folder: string, file: string, text: string): string | undefined;
  write(descriptor: 1 | 2, text: string): void;
  exitCode(code: number): void;
};

function run(): void {
  const step = begin(host);
  let end = step;
  if ("request" in step) {
    const { agentSocket, timeoutSeconds } = step.config;
    const outcome = finish(step, host.ask(agentSocket, step.request, timeoutSeconds));
    end = "folder" in outcome ? queued(step, host.put(outcome.folder, outcome.file, outcome.text)) : outcome;
  }
  if ("request" in end) return;
  if (end.stdout !== "") host.write(1, end.stdout);
  if (end.stderr !== "") host.write(2, end.stderr);
  host.exitCode(end.exitCode);
}

run();
