// The YAML library behind a module of our own: it is loaded only where YAML is printed, and a bundler can see its
// names only through a static import.
import { stringify as write } from "yaml";

/** Returns YAML that readers of version 1.1 (kubectl) and 1.2 understand alike: `"yes"` and times stay texts. */
export function stringify(value: unknown): string {
  return write(value, { version: "1.1", lineWidth: 0, aliasDuplicateObjects: false });
}
