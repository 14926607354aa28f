// Where an ADD's time goes: the plugin by starting it without an agent and with one that answers at once, what the agent does by
// its own stamps, and the whole from the start of the process to its end. Means of the middle fifth of all ADDs; the parts follow each
// other and add up.
import { rmSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { type AddPart, addParts } from "../../src/agent/pods/add-parts.ts";
import type { Kernel } from "../../src/kernel/index.ts";
import { type Job, launch } from "./launch.ts";
import { rounds } from "./quick.ts";
import { quantile, type Row, row } from "./row.ts";

const ADDS = rounds(500, 60);
const WARM_UP = rounds(20, 5);
const BARE = rounds(100, 20);

const words: Readonly<Record<AddPart, string>> = {
  request: "agent: reads the request, looks at the namespace and for a queued DEL",
  journal: "agent: two lines into the journal of interfaces (page cache)",
  addresses: "agent: the address, and a line into the allocator's journal (page cache)",
  link: "agent: the namespace's handle; a thread and the kernel make the veth",
  ends: "agent: look at the pod's routes; both ends' settings, addresses, routes, neighbours, by a thread",
  rules: "agent: what is still to wait for rules and other programs once the wire is there",
  answer: "agent: words the result",
};

export interface PartsBench {
  readonly folder: string;
  /** Of the node. */
  readonly kernel: Kernel;
  /** What an agent says that logs at level debug. */
  readonly said: Readable;
  /** Makes a sandbox, and returns its name and its jobs. */
  sandbox(round: number): { readonly id: string; job(verb: "ADD" | "DEL" | "VERSION", socket?: string): Job };
  /** Takes the sandbox's namespace away. */
  remove(id: string): Promise<void>;
}

/** What an agent says of an ADD, in milliseconds. */
type Stamps = Readonly<Record<string, number>>;

/** The answer that an agent would give, by nobody who does anything for it. */
async function echo(socket: string): Promise<() => void> {
  const reply = JSON.stringify({ exitCode: 0, stdout: `${JSON.stringify({ cniVersion: "1.0.0" })}\n` });
  const server = createServer({ allowHalfOpen: true }, (client) => {
    client.resume();
    client.on("end", () => client.end(reply));
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return () => {
    server.close();
    rmSync(socket, { force: true });
  };
}

async function took(job: Job): Promise<number> {
  return (await launch([job], 1)).times[0] ?? Number.NaN;
}

export async function partsRows(bench: PartsBench): Promise<Row[]> {
  const told = new Map<string, Stamps>();
  createInterface(bench.said).on("line", (line) => {
    const { msg, containerId, ms } = JSON.parse(line) as {
      msg: string;
      containerId: string;
      ms: Stamps;
    };
    if (msg === "ADD is answered") told.set(containerId, ms);
  });
  const socket = path.join(bench.folder, "echo.sock");
  const end = await echo(socket);
  try {
    const rounds = await measured(bench, socket);
    return rowsOf(rounds, told, await bareLinks(bench));
  } finally {
    end();
  }
}

/** Of one sandbox, in milliseconds; `began` is when its ADD did. */
interface Round {
  readonly id: string;
  readonly start: number;
  readonly asked: number;
  readonly whole: number;
  readonly began: number;
}

async function measured(bench: PartsBench, socket: string): Promise<Round[]> {
  const found: Round[] = [];
  for (let i = 0; i < ADDS + WARM_UP; i++) {
    const { id, job } = bench.sandbox(i);
    const start = await took(job("VERSION"));
    const asked = await took(job("ADD", socket));
    const { times, began } = await launch([job("ADD")], 1);
    await sleep(25);
    await took(job("DEL"));
    await bench.remove(id);
    await sleep(25);
    const round = { id, start, asked, whole: times[0] ?? Number.NaN, began: began[0] ?? Number.NaN };
    if (i >= WARM_UP) found.push(round);
  }
  return found;
}

/** What the kernel alone takes for such a link. Apart: agents look at their node when strange links come. */
async function bareLinks({ kernel, sandbox, remove }: PartsBench): Promise<number[]> {
  const found: number[] = [];
  for (let i = 0; i < BARE; i++) {
    const { id } = sandbox(i);
    const began = performance.now();
    const peer = { name: "bare1", netns: { name: id } };
    const { index } = kernel.links.add({ kind: "veth", name: "bare0", peer });
    found.push(performance.now() - began);
    await kernel.links.remove(index);
    await remove(id);
  }
  return found;
}

/** The middle fifth, whose mean is as good as a median, and means add up. */
function middle<T>(all: readonly T[], by: (one: T) => number): readonly T[] {
  const sorted = all.toSorted((a, b) => by(a) - by(b));
  return sorted.slice(Math.floor(sorted.length * 0.4), Math.ceil(sorted.length * 0.6));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, one) => sum + one, 0) / values.length;
}

function rowsOf(all: readonly Round[], told: ReadonlyMap<string, Stamps>, bare: readonly number[]): Row[] {
  const typical = middle(all, ({ whole }) => whole);
  const whole = mean(typical.map((round) => round.whole));
  const stamp = (of: string) => mean(typical.map(({ id }) => told.get(id)?.[of] ?? Number.NaN));
  const ownMiddle = (of: "start" | "asked") => mean(middle(all, (one) => one[of]).map((one) => one[of]));
  const [start, asked] = [ownMiddle("start"), ownMiddle("asked")];
  const measured = [
    {
      id: "start",
      what: "plugin: process start, its end, its output (peer in this table: the whole ADD)",
      ms: start,
    },
    {
      id: "socket",
      what: "plugin: the request over the socket; waking the other's thread, and the plugin again",
      ms: asked - start,
    },
    ...addParts.map((part) => ({ id: part, what: words[part], ms: stamp(part) })),
  ];
  const left = whole - measured.reduce((sum, { ms }) => sum + ms, 0);
  const part = (id: string, what: string, ms: number) => row(`add-part-${id}`, what, "ms", ms, whole);
  return [
    ...measured.map(({ id, what, ms }) => part(id, what, ms)),
    row(
      "add-part-left",
      "what is left of the whole: the agent's thread has something else to do",
      "ms",
      left,
      whole,
      { of: "ratio", at: "most", value: 0.1 },
    ),
    row(
      "add-before",
      "from the process's start until the agent reads the request",
      "ms",
      mean(typical.map(({ id, began }) => (told.get(id)?.["began"] ?? Number.NaN) - began)),
    ),
    row(
      "add-rules",
      "beside the wire: from asking for the rules until they are in force",
      "ms",
      stamp("rulesBeside"),
    ),
    row(
      "add-bare-link",
      "the kernel alone for such a veth, without another thread",
      "ms",
      quantile(bare, 0.5),
    ),
  ];
}
