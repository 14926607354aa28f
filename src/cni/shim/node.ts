// Entry of the executable where there was no C compiler to build the small one: the same logic, 20 ms slower.
import { begin, type Done, finish, type Queued, queued } from "./shim.ts";

// No import statements and no top-level await: where the file is installed decides whether Node.js reads it as an ES
// module or as CommonJS, and it has to run as both.
const { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } = process.getBuiltinModule("node:fs");
const { connect } = process.getBuiltinModule("node:net");
const { join } = process.getBuiltinModule("node:path");

function ask(socketPath: string, request: string, timeoutSeconds: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    let reply = "";
    const socket = connect(socketPath, () => socket.end(request));
    socket.setEncoding("utf8");
    socket.setTimeout(timeoutSeconds * 1000, () => socket.destroy(new Error("timeout")));
    socket.on("data", (chunk: string) => (reply += chunk));
    socket.on("end", () => resolve(reply));
    // Whatever the reason is, the agent is away; what follows from that is decided in finish().
    socket.on("error", () => resolve(undefined));
  });
}

function put({ folder, file, text }: Queued): string | undefined {
  const temporary = join(folder, `.${process.pid}.tmp`);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(temporary, text, { mode: 0o600, flush: true });
    renameSync(temporary, join(folder, file));
    return undefined;
  } catch (error) {
    // On a full disk what is left of it would be in the way.
    rmSync(temporary, { force: true });
    return String(error);
  }
}

async function run(): Promise<Done> {
  const step = begin({
    getenv: (name) => process.env[name],
    readStdin: () => readFileSync(0, "utf8"),
  });
  if (!("request" in step)) return step;
  const { agentSocket, timeoutSeconds } = step.config;
  const outcome = finish(step, await ask(agentSocket, step.request, timeoutSeconds));
  return "folder" in outcome ? queued(step, put(outcome)) : outcome;
}

void run().then((end) => {
  process.stdout.write(end.stdout);
  process.stderr.write(end.stderr);
  process.exitCode = end.exitCode;
});
