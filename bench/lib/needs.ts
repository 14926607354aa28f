// What a bench needs of the machine, looked at before it begins.
import path from "node:path";
import { isExecutable } from "../../src/base/executable.ts";

/** A program, or a file, and the Debian package that has it, or the script of ours that makes it. */
export type Need = { readonly program: string } & (
  | { readonly debian: string; readonly script?: never }
  | { readonly script: string; readonly debian?: never }
);

/** Returns a need in words. */
export function needText({ program, debian, script }: Need): string {
  return `${program} (${debian === undefined ? script : `Debian: ${debian}`})`;
}

/** Returns those that are not there. A program is looked for in PATH and where root's programs are, a path as it stands. */
export function missing(needs: readonly Need[]): readonly Need[] {
  const folders = [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/sbin"];
  return needs.filter(({ program }) => {
    const places = path.isAbsolute(program) ? [program] : folders.map((folder) => path.join(folder, program));
    return !places.some(isExecutable);
  });
}
