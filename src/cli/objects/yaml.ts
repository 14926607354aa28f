// The YAML library behind a module of our own: it is loaded only where YAML is printed, and a bundler can see its
// names only through a static import.
import { stringify as write } from "yaml";
import { kubectlScalars } from "../../api/manifest/scalars.ts";

/** Words that YAML 1.1 in full, and other readers of 1.2, take for numbers or times, and kubectl for texts. */
const others = { compat: "yaml-1.1" } as const;

/** Returns YAML that kubectl, and readers of versions 1.1 and 1.2, understand alike: `"yes"` and times stay texts. */
export function stringify(value: unknown): string {
  return write(value, { ...kubectlScalars, ...others, lineWidth: 0, aliasDuplicateObjects: false });
}
