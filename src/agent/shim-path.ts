// Where the plugin's executable is: beside the bundle, or in the checkout whose sources run.
import path from "node:path";

/** Returns the path of the built executable (which may not be there: see scripts/build-shim.mjs). */
export function shimPath(): string {
  const here = import.meta.dirname;
  const root = path.basename(here) === "dist" ? here : path.resolve(here, "../../dist");
  return path.join(root, "cni/trunkline");
}
