// When a pod's containers end by themselves. A lab runs no programs, but the few commands that tests and examples end
// with are understood: they sleep, and exit with a code. Everything else runs on. Pure.
import type { Container, PodSpec } from "../../api/kinds/core.ts";

export interface End {
  readonly afterMs: number;
  /** Of the process; 0: it has succeeded. */
  readonly code: number;
}

/** Returns how a pod ends; undefined: it runs on, as one does whose containers are started again. */
export function endOfPod(spec: PodSpec): End | undefined {
  const { restartPolicy = "Always", containers } = spec;
  if (restartPolicy === "Always" || containers.length === 0) return undefined;
  const ends = containers.map(endOfContainer);
  const known = ends.filter((end) => end !== undefined);
  if (known.length < ends.length) return undefined;
  const afterMs = Math.max(...known.map((end) => end.afterMs));
  const code = known.find((end) => end.code !== 0)?.code ?? 0;
  return restartPolicy === "OnFailure" && code !== 0 ? undefined : { afterMs, code };
}

function endOfContainer({ command = [], args = [] }: Container): End | undefined {
  const words = [...command, ...args];
  const [program = "", ...rest] = words;
  const name = program.split("/").at(-1);
  if (name !== "sh" && name !== "bash" && name !== "ash") return endOfWords([name ?? "", ...rest]);
  const text = rest.length === 2 && /^-e?u?c$/.test(rest[0] ?? "") ? rest[1] : undefined;
  return text === undefined ? undefined : endOfScript(text);
}

/** Commands one after the other; quotes, variables and the like are not understood. */
function endOfScript(text: string): End | undefined {
  let afterMs = 0;
  let code = 0;
  for (const line of text.split(/;|\n|&&/).map((part) => part.trim())) {
    if (line === "") continue;
    const words = line.split(/\s+/);
    const end = words[0] === "echo" ? { afterMs: 0, code: 0 } : endOfWords(words);
    if (!end) return undefined;
    afterMs += end.afterMs;
    code = end.code;
    if (words[0] === "exit" || (code !== 0 && text.includes("&&"))) break;
  }
  return { afterMs, code };
}

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function endOfWords([name, ...rest]: readonly string[]): End | undefined {
  const [first = "", more] = rest;
  if (name === "true" || name === ":") return { afterMs: 0, code: 0 };
  if (name === "false") return { afterMs: 0, code: 1 };
  if (more !== undefined) return undefined;
  if (name === "exit" && /^\d{0,3}$/.test(first)) return { afterMs: 0, code: Number(first) % 256 };
  const found = name === "sleep" ? /^(\d+(?:\.\d+)?)([smhd]?)$/.exec(first) : null;
  if (!found) return undefined;
  return { afterMs: Number(found[1]) * units[found[2] || "s"]!, code: 0 };
}
