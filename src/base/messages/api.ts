import { formatProblem, type Problem } from "../problem.ts";

export const apiMessages = {
  "api.selector": (d: { text: string; column: number; why: string }) =>
    `'${d.text}' is not a selector: ${d.why} (column ${d.column})`,
  "api.file": (d: { path: string; why: string }) => `${d.path} cannot be read: ${d.why}`,
  "api.problems": (d: { problems: readonly Problem[]; consequence: string }) =>
    [...d.problems.map(formatProblem), d.consequence].join("\n"),
};
