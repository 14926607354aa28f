// Reads `show route … all` of BIRD 2: routes with the attributes that tell where they are from.

export interface BirdRoute {
  readonly prefix: string;
  /** `unicast`, `blackhole`, `unreachable`, `prohibit` */
  readonly type: string;
  /** BIRD's name of the protocol that it came by. */
  readonly protocol: string;
  /** It is the one that is used. */
  readonly best: boolean;
  readonly via: string | undefined;
  readonly interface: string | undefined;
  /** Who told it, where that is not the other end of the protocol: a RIP neighbour. */
  readonly from: string | undefined;
  readonly asPath: readonly number[];
  readonly nextHop: string | undefined;
  /** Both sizes. */
  readonly communities: readonly (readonly number[])[];
}

const HEAD =
  /^(\S+)?\s+(unicast|blackhole|unreachable|prohibit)\s+\[(\S+) [^\]]*?(?: from ([^\]\s]+))?\](?: (\*))?/;

/** Returns the routes in BIRD's order. A further route of the same prefix has an empty first column. */
export function readRoutes(text: string): BirdRoute[] {
  const out: { head: RegExpExecArray; prefix: string; lines: string[] }[] = [];
  for (const line of text.split("\n")) {
    const head = HEAD.exec(line);
    if (head) out.push({ head, prefix: head[1] ?? out.at(-1)?.prefix ?? "", lines: [] });
    else out.at(-1)?.lines.push(line.trim());
  }
  return out.map(({ head, prefix, lines }) => readOne(head, prefix, lines));
}

function readOne(head: RegExpExecArray, prefix: string, lines: readonly string[]): BirdRoute {
  const value = (name: string) =>
    lines
      .find((line) => line.startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim();
  const hop = lines.map((line) => /^via (\S+) on (\S+)/.exec(line)).find((found) => found !== null);
  const link = lines.map((line) => /^dev (\S+)/.exec(line)).find((found) => found !== null);
  const nextHop = value("BGP.next_hop")?.split(" ")[0];
  return {
    prefix,
    type: head[2]!,
    protocol: head[3]!,
    from: head[4],
    best: head[5] === "*",
    via: hop?.[1],
    interface: hop?.[2] ?? link?.[1],
    asPath: (value("BGP.as_path") ?? "").match(/\d+/g)?.map(Number) ?? [],
    nextHop,
    communities: [...communities(value("BGP.community")), ...communities(value("BGP.large_community"))],
  };
}

function communities(text = ""): number[][] {
  return [...text.matchAll(/\(([^)]*)\)/g)].map((found) => (found[1] ?? "").split(",").map(Number));
}
