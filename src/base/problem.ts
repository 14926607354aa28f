// What is wrong with something a user wrote: data with a position, worded once.

/** A place in a text that a user wrote; line and column count from 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A change of a text: what stands from `start` up to, not including, `end` becomes `text`. */
export interface TextEdit {
  readonly start: Position;
  readonly end: Position;
  readonly text: string;
}

/** One thing that is wrong with input. All problems of a file are collected, never only the first. */
export interface Problem {
  /** Stable id such as `yaml.syntax`, `schema.required`, `ippool.overlap`. */
  readonly code: string;
  readonly message: string;
  /** What to do about it. */
  readonly hint?: string;
  /** What was probably meant in place of the last name of `path` (of an unknown field), or of the value there. */
  readonly meant?: string;
  /** Path inside the object, such as `spec.ingress[0].ports[1].port`. */
  readonly path?: string;
  readonly position?: Position;
}

/** Returns `file:line:column`. */
export function formatPosition({ file, line, column }: Position): string {
  return `${file}:${line}:${column}`;
}

/** Returns `file:line:column: message (path). hint`, the form every command prints. */
export function formatProblem(problem: Problem): string {
  const { position, path, hint } = problem;
  const where = position ? `${formatPosition(position)}: ` : "";
  const inside = path ? ` (at ${path})` : "";
  return `${where}${problem.message}${inside}${hint ? `. ${hint}` : ""}`;
}

/** Steps into an object: `["spec", "ingress", 0, "ports"]`. */
export type Path = readonly (string | number)[];

/** Returns `spec.ingress[0].ports` for the steps of a path; a step that is no plain word is quoted. */
export function formatPath(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(step)) text += text === "" ? step : `.${step}`;
    else text += `["${step}"]`;
  }
  return text;
}

/** Returns the steps of a path that `formatPath` wrote. */
export function parsePath(text: string): Path {
  const steps = text.matchAll(/\[(\d+)\]|\["(.*?)"\]|\.?([A-Za-z_][\w-]*)/g);
  return [...steps].map(([, index, quoted, plain]) =>
    index === undefined ? (quoted ?? plain ?? "") : Number(index),
  );
}
