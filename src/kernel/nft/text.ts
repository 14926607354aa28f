// nft's grammar: how a whole table is written down, what takes the place of one that is there, and how its elements
// change, or its flow table's links, when nothing else does.
import type { NftFlowLinks, NftHeading, NftPresent, NftSetChange } from "../kernel.ts";
import type { NftChain, NftSetState } from "./state.ts";
import { byName, chainText, definitionText, elementCommands, elementText, kindOf } from "./words.ts";

type Chains = ReadonlyMap<string, NftChain>;
type Sets = ReadonlyMap<string, NftSetState>;

/** The kernel's NFT_NETDEVICE_MAX is 256 in one message. */
const MOST_LINKS = 200;

/** Returns links in portions that the kernel takes. */
export function linkPortions(links: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(links.length / MOST_LINKS) }, (_, at) =>
    links.slice(at * MOST_LINKS, (at + 1) * MOST_LINKS),
  );
}

/** Returns the commands that make a flow table, or give it more links. */
export function flowtableCommands(
  { family, table }: NftHeading,
  { flowtable, priority, links }: NftFlowLinks,
): string[] {
  return linkPortions(links).map((portion) => {
    const names = portion.map((name) => `"${name}"`).join(", ");
    return `add flowtable ${family} ${table} ${flowtable} { hook ingress priority ${priority}; devices = { ${names} }; }`;
  });
}

/** Returns the transaction that changes elements, and adds links to a flow table, in nft's words. */
export function changeText(
  heading: NftHeading,
  changes: readonly NftSetChange[],
  links?: NftFlowLinks,
): string {
  const { family, table } = heading;
  const place = (set: string): string => `element ${family} ${table} ${set}`;
  const lines = [
    // Without values: nft finds an element by its key alone.
    ...changes.flatMap(({ set, remove }) => elementCommands(`delete ${place(set)}`, remove)),
    ...changes.flatMap(({ set, add }) =>
      elementCommands(
        `add ${place(set)}`,
        add.map(([key, value]) => elementText(key, value)),
      ),
    ),
    ...(links === undefined ? [] : flowtableCommands(heading, links)),
  ];
  return `${lines.join("\n")}\n`;
}

/** Returns the transaction that builds a whole table in place of the one that is there. */
export function replaceText(heading: string, chains: Chains, sets: Sets): string {
  // `add` before `delete`: deleting a table that is not there would be an error.
  const lines = [`add table ${heading}`, `delete table ${heading}`, `add table ${heading}`];
  return `${[...lines, ...buildLines(heading, chains, sets)].join("\n")}\n`;
}

function buildLines(heading: string, chains: Chains, sets: Sets): string[] {
  const lines: string[] = [];
  const sortedSets = byName(sets);
  const sortedChains = byName(chains);
  // Chains first: nft 1.0.6 sends the elements of an interval map right after the map, whatever stands between them.
  for (const [name, chain] of sortedChains) lines.push(`add chain ${heading} ${name}${chainText(chain)}`);
  for (const [name, set] of sortedSets)
    lines.push(`add ${kindOf(set.definition)} ${heading} ${name} ${definitionText(set.definition)}`);
  for (const [name, set] of sortedSets) {
    const elements = byName(set.elements).map(([key, value]) => elementText(key, value));
    lines.push(...elementCommands(`add element ${heading} ${name}`, elements));
  }
  for (const [name, chain] of sortedChains)
    for (const rule of chain.rules) lines.push(`add rule ${heading} ${name} ${rule}`);
  return lines;
}

/**
 * Returns the transaction that gives the objects that are there their wanted contents, adds what is missing, and deletes
 * the rest; the sets called `intact` are left as they are. Unlike a deleted table's, whose base chains go on for a moment
 * with sets that are empty already, the rules of these are the old ones until they are the new ones.
 */
export function refillText(
  heading: string,
  chains: Chains,
  sets: Sets,
  present: NftPresent,
  intact: ReadonlySet<string>,
): string {
  // A table may be there and asleep (dormant); added once more without that flag, it wakes up.
  const lines = [`add table ${heading}`, ...present.chains.map((name) => `flush chain ${heading} ${name}`)];
  for (const name of present.sets) if (!intact.has(name)) lines.push(`flush set ${heading} ${name}`);
  for (const name of present.maps) if (!intact.has(name)) lines.push(`flush map ${heading} ${name}`);
  for (const name of present.sets) if (!sets.has(name)) lines.push(`delete set ${heading} ${name}`);
  for (const name of present.maps) if (!sets.has(name)) lines.push(`delete map ${heading} ${name}`);
  for (const name of present.chains) if (!chains.has(name)) lines.push(`delete chain ${heading} ${name}`);
  // Adding what is there with the same definition changes nothing; with another one it fails.
  const rest = new Map([...sets].filter(([name]) => !intact.has(name)));
  return `${[...lines, ...buildLines(heading, chains, rest)].join("\n")}\n`;
}

/**
 * Returns the transaction that takes away what is there and builds the wanted objects, beside others of the table that it
 * leaves as they are. As with a deleted table, the kernel runs deleted base chains for a moment with sets that are empty.
 */
export function rebuildText(heading: string, chains: Chains, sets: Sets, present: NftPresent): string {
  const lines = [
    `add table ${heading}`,
    ...present.chains.map((name) => `flush chain ${heading} ${name}`),
    ...present.sets.map((name) => `flush set ${heading} ${name}`),
    ...present.maps.map((name) => `flush map ${heading} ${name}`),
    ...present.sets.map((name) => `delete set ${heading} ${name}`),
    ...present.maps.map((name) => `delete map ${heading} ${name}`),
    ...present.chains.map((name) => `delete chain ${heading} ${name}`),
  ];
  return `${[...lines, ...buildLines(heading, chains, sets)].join("\n")}\n`;
}

/** Returns the table in nft's block form, sorted, for people and golden texts. */
export function renderTable(heading: string, chains: Chains, sets: Sets): string {
  const lines = [`table ${heading} {`];
  for (const [name, { definition, elements }] of byName(sets)) {
    lines.push(`  ${kindOf(definition)} ${name} ${definitionText(definition)}`);
    for (const [key, value] of byName(elements)) lines.push(`    ${elementText(key, value)}`);
  }
  for (const [name, chain] of byName(chains)) {
    lines.push(`  chain ${name}${chainText(chain)}`);
    for (const rule of chain.rules) lines.push(`    ${rule}`);
  }
  lines.push("}");
  return `${lines.join("\n")}\n`;
}
