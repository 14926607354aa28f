// Running a program in a pod's container by way of the API server, as `kubectl exec` does: a WebSocket of the protocol
// v5.channel.k8s.io (or v4), in which the first byte of each message names a stream.
import type { ApiClient } from "./client.ts";
import { controlFrame, type Frame, FrameReader } from "./frames.ts";

export interface ContainerCommand {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly command: readonly string[];
}

export interface ContainerSaid {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface EndStatus {
  readonly status?: string;
  readonly message?: string;
  readonly reason?: string;
  readonly details?: { readonly causes?: readonly { readonly reason?: string; readonly message?: string }[] };
}

const STDOUT = 1;
const STDERR = 2;
const END = 3;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/**
 * Runs a program in a container to its end.
 * @param timeoutMs how long it may take
 * @throws ApiRefusal (no such pod, no right to it), TrunklineError `store.unreachable`; Error where it could not be run
 */
export async function execInPod(
  client: ApiClient,
  { namespace, pod, container, command }: ContainerCommand,
  timeoutMs = 30_000,
): Promise<ContainerSaid> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/exec`;
  const query: [string, string][] = [
    ["container", container],
    ["stdout", "true"],
    ["stderr", "true"],
    ...command.map((word): [string, string] => ["command", word]),
  ];
  const { socket, head } = await client.upgrade(path, query, ["v5.channel.k8s.io", "v4.channel.k8s.io"]);
  const said = { [STDOUT]: [] as Buffer[], [STDERR]: [] as Buffer[] };
  const reader = new FrameReader();
  return await new Promise((resolve, reject) => {
    let end: EndStatus | undefined;
    const timer = setTimeout(
      () => socket.destroy(new Error(`the container did not answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
    const text = (stream: typeof STDOUT | typeof STDERR) => Buffer.concat(said[stream]).toString("utf8");
    const hear = ({ kind, payload }: Frame) => {
      if (kind === PING) socket.write(controlFrame(PONG, payload.subarray(0, 125)));
      // All is said: a server that keeps the connection is not waited for.
      if (kind === CLOSE) socket.end(controlFrame(CLOSE, payload.subarray(0, 2)), () => socket.destroy());
      if (kind > 2) return;
      const [stream] = payload;
      const rest = payload.subarray(1);
      if (stream === STDOUT || stream === STDERR) said[stream].push(rest);
      else if (stream === END && rest.length > 0) end = JSON.parse(rest.toString("utf8")) as EndStatus;
    };
    const take = (piece: Buffer) => {
      try {
        for (const frame of reader.take(piece)) hear(frame);
      } catch (error) {
        socket.destroy(error instanceof Error ? error : new Error(String(error)));
      }
    };
    socket.on("data", take);
    socket.on("error", reject);
    socket.on("close", () => {
      clearTimeout(timer);
      const code = end === undefined ? undefined : codeOf(end);
      if (code !== undefined) resolve({ code, stdout: text(STDOUT), stderr: text(STDERR) });
      else reject(new Error(end?.message ?? "the stream broke off"));
    });
    if (head.length > 0) take(head);
  });
}

/** The exit code that the last message tells; undefined where the program did not run. */
function codeOf({ status, reason, details }: EndStatus): number | undefined {
  if (status === "Success") return 0;
  if (reason !== "NonZeroExitCode") return undefined;
  const code = Number(details?.causes?.find((cause) => cause.reason === "ExitCode")?.message);
  return Number.isInteger(code) ? code : undefined;
}
