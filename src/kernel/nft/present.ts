// What a table in the kernel is made of, by name. Contents are not read: they may be large, and are written anew anyway.
import type { Nft } from "../kernel.ts";
import type { NftPresent } from "./text.ts";

/** Returns the names of a table's chains, sets and maps; undefined where there is no such table. */
export async function readPresent(nft: Nft, family: string, table: string): Promise<NftPresent | undefined> {
  const [chains, sets, maps] = [
    await nft.text(`list chains ${family}`),
    // Listings of all sets and maps say how they are declared, not what is in them.
    await nft.text(`list sets ${family}`),
    await nft.text(`list maps ${family}`),
  ].map((text, at) => namesIn(text ?? "", `table ${family} ${table} {`, ["chain", "set", "map"][at] ?? ""));
  if (chains === undefined || sets === undefined || maps === undefined) return undefined;
  if (chains.length + sets.length + maps.length === 0) return undefined;
  return { chains, sets, maps };
}

function namesIn(text: string, heading: string, kind: string): string[] {
  const out: string[] = [];
  let inside = false;
  for (const line of text.split("\n")) {
    if (line.startsWith("table ")) inside = line === heading;
    const [what, name] = line.trim().split(" ");
    if (inside && line.startsWith("\t") && line.endsWith("{") && what === kind && name !== undefined)
      out.push(name);
  }
  return out;
}
