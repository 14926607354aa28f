// Reads `show protocols all` of BIRD 2, with `timeformat protocol iso long ms`.

export interface ProtocolState {
  readonly name: string;
  /** `BGP`, `RIP`, `Kernel`, … */
  readonly type: string;
  /** `up`, `start`, `down`, … */
  readonly state: string;
  /** RFC 3339, of the last change of state; undefined where it cannot be read. */
  readonly since: string | undefined;
  /** BGP's word: `Established`, `Active`, …; `Down` where BIRD says nothing. */
  readonly bgpState: string;
  readonly lastError: string | undefined;
  readonly imported: number;
  readonly filtered: number;
  readonly exported: number;
}

/** Returns every protocol by name. Lines that are not known are passed over. */
export function readProtocols(text: string): ReadonlyMap<string, ProtocolState> {
  const out = new Map<string, ProtocolState>();
  let lines: string[] = [];
  const finish = () => {
    const state = lines.length > 0 ? readOne(lines) : undefined;
    if (state) out.set(state.name, state);
    lines = [];
  };
  for (const line of text.split("\n")) {
    const begins = line !== "" && !/^\s/.test(line);
    if (begins) finish();
    if (begins || lines.length > 0) lines.push(line);
  }
  finish();
  return out;
}

function readOne(lines: readonly string[]): ProtocolState | undefined {
  const head = /^(\S+)\s+(\S+)\s+(\S+)\s+(up|start|down|stop|flush|feed)\s+(\S+ \S+)/.exec(lines[0] ?? "");
  if (!head) return undefined;
  const value = (name: string) =>
    lines
      .map((line) => line.trim())
      .find((line) => line.startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim();
  const routes = value("Routes") ?? "";
  const count = (word: string) => Number(new RegExp(String.raw`(\d+) ${word}`).exec(routes)?.[1] ?? 0);
  return {
    name: head[1]!,
    type: head[2]!,
    state: head[4]!,
    since: readTime(head[5]!),
    bgpState: value("BGP state") ?? "Down",
    lastError: value("Last error"),
    imported: count("imported"),
    filtered: count("filtered"),
    exported: count("exported"),
  };
}

/** BIRD writes local time, and runs with this process's zone. */
function readTime(text: string): string | undefined {
  const time = new Date(text.replace(" ", "T"));
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}

export interface RipNeighbour {
  readonly interface: string;
  readonly address: string;
}

/** Reads `show rip neighbors`. */
export function readRipNeighbours(text: string): RipNeighbour[] {
  return text.split("\n").flatMap((line) => {
    const found = /^([0-9a-fA-F.:]+)\s+(\S+)\s+\d+\s+\d+\s/.exec(line);
    return found ? [{ address: found[1]!, interface: found[2]! }] : [];
  });
}
