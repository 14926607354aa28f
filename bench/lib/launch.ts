// Runs programs through the small launcher (launch.c), which is compiled when first needed.
import { spawn } from "node:child_process";
import { compiled } from "./compiled.ts";

export interface Job {
  readonly program: string;
  /** Standard input; one line. */
  readonly input: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface Launched {
  /** Milliseconds from start to end, in the order of the jobs. */
  readonly times: readonly number[];
  /** When each began, in milliseconds of CLOCK_MONOTONIC, which is the clock of `process.hrtime`. */
  readonly began: readonly number[];
  /** Milliseconds for all of them. */
  readonly wall: number;
}

/** Runs the jobs, so many at a time. Rejects if any of them fails. */
export async function launch(jobs: readonly Job[], atATime: number): Promise<Launched> {
  const child = spawn(compiled("launch"), [String(atATime)], { stdio: ["pipe", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on("close", resolve);
    child.on("error", reject);
  });
  child.stdin.end(
    jobs
      .map(({ program, input, env }) => {
        const variables = Object.entries(env).map(([name, value]) => `${name}=${value}\n`);
        return `${program}\n${input}\n${variables.join("")}\n`;
      })
      .join(""),
  );
  const code = await ended;
  const lines = text.trimEnd().split("\n");
  const wall = Number(lines.pop());
  const failed = lines.filter((line) => !line.endsWith(" 0"));
  if (code !== 0 || lines.length !== jobs.length || failed.length > 0)
    throw new Error(`${failed.length} of ${jobs.length} programs failed`);
  const column = (at: number) => lines.map((line) => Number(line.split(" ")[at]));
  return { times: column(0), began: column(1), wall };
}
