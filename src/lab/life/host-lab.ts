// The life of a lab's process: record, build, serve, wait, clear away.
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { shimPath } from "../../agent/shim-path.ts";
import { TrunklineError, textOf } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { type CloudCallBody, callCloud } from "../../cloud/lab/client.ts";
import { linuxMachine } from "../../kernel/index.ts";
import { identifyProcess } from "../../kernel/process.ts";
import { collectFacts } from "../../plan/collect.ts";
import { serveControl, wireError } from "../control/server.ts";
import type { LabFile } from "../file/lab-file.ts";
import { Lab } from "../lab.ts";
import { groundNow } from "../now/ground-now.ts";
import { machineKnowledge } from "../now/machine-knowledge.ts";
import { natKnowledge, nodeRules } from "../now/nat-knowledge.ts";
import { podsNow } from "../now/pods-now.ts";
import { policyCounts } from "../now/policy-counts.ts";
import type { MatrixRequest, ProbeRequest } from "../probe/prober.ts";
import { birdControl } from "../routers/bird-router.ts";
import { routerFolder } from "../routers/folders.ts";
import { daemonsOf, writeTools } from "../routers/tools.ts";
import { describeLab } from "../show/describe.ts";
import type { ProviderAct } from "../subnets/lab-provider.ts";
import { findMember } from "../targets.ts";
import { namespacesOf } from "../topology/build.ts";
import { groundOf } from "../topology/ground.ts";
import { planTopology, type Topology } from "../topology/plan.ts";
import { clearAway, LAB_VARIABLE } from "./clear-away.ts";
import type { ProcessAct } from "./processes.ts";
import { routingReady } from "./routing-ready.ts";
import { isKept, type LabPaths, type LabRecord, labPaths, nodePaths, readLab, writeLab } from "./state.ts";

export interface HostOptions {
  readonly file: LabFile;
  /** Where it was read. */
  readonly source: string;
  readonly separate: boolean;
  readonly rootless: boolean;
  readonly logger: Logger;
  readonly progress: (text: string) => void;
  /** Applies the lab file's manifests to the store, once everything serves. */
  readonly applyManifests: (lab: Lab) => Promise<void>;
  /** Told once everything serves. */
  readonly onReady: (record: LabRecord) => void;
  /** Aborted when the process is asked to end. */
  readonly signal: AbortSignal;
}

/** The kernel's limit for a unix socket's path, in bytes, with its end mark. */
const SOCKET_PATH_LIMIT = 108;
/** For processes of their own to do what fell due when the clock was moved, in milliseconds. */
const TURN_APART_MS = 500;

/**
 * Runs a lab until `signal` aborts or somebody asks it to end; then nothing is left of it.
 * @throws TrunklineError `lab.running`, `lab.names-taken`, `lab.path-long`, `lab.no-shim`, and whatever keeps it from being built
 */
export async function hostLab(options: HostOptions): Promise<void> {
  const { file, progress } = options;
  const paths = labPaths(file.name);
  checkSocketPaths(paths, file);
  if (!existsSync(shimPath())) throw new TrunklineError("lab.no-shim", { path: shimPath() });
  await clearDead(file.name, progress);
  const topology = planTopology(file);
  checkNames(topology);
  const record = recordOf(options, topology);
  writeLab(record);
  // Until the lab has taken up what was kept, it is kept on, whatever becomes of this start.
  const end = { keep: isKept(file.name) };
  mkdirSync(paths.nodes, { recursive: true, mode: 0o700 });
  writeTools(paths);
  process.env[LAB_VARIABLE] = paths.folder;
  try {
    await serve(options, topology, record, paths, end);
  } finally {
    const entry = readLab(file.name);
    // Somebody else may have cleared it away already, and may have begun a new one of the name.
    if (entry?.record.process.pid === process.pid) await clearAway(entry, linuxMachine, end.keep);
  }
}

async function serve(
  options: HostOptions,
  topology: Topology,
  record: LabRecord,
  paths: LabPaths,
  end: { keep: boolean },
): Promise<void> {
  const { file, source, separate, rootless, logger, progress, signal } = options;
  const ending = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => ending.resolve());
  const machine = linuxMachine();
  let now = record;
  const change = (to: Partial<LabRecord>): void => {
    now = { ...now, ...to };
    writeLab(now);
  };
  const lab = await Lab.start({
    file,
    topology,
    source,
    paths,
    machine,
    mark: record.mark,
    separate,
    rootless,
    logger,
    progress,
    onChange: (nextFile, next) => change(partsOf(nextFile, next)),
  });
  try {
    const control = await serveControl(
      paths.control,
      handlersOf(
        lab,
        () => now,
        (keep) => {
          end.keep ||= keep;
          ending.resolve();
        },
      ),
      logger,
    );
    try {
      await options.applyManifests(lab);
      if (!signal.aborted) {
        rmSync(paths.kept, { force: true });
        end.keep = false;
        const missing = await missingRoutes(lab, paths, options);
        change({ ready: true, ...(missing.length > 0 && { missing }) });
        options.onReady(now);
      }
      await ending.promise;
    } finally {
      await control.close();
    }
  } finally {
    await stopWithin(lab, logger);
  }
}

/** Waits until routing stands, and tells what of it does not in time. */
async function missingRoutes(
  lab: Lab,
  paths: LabPaths,
  { signal, logger }: HostOptions,
): Promise<readonly string[]> {
  const missing = await routingReady({
    facts: () => collectFacts(lab.store),
    socket: (node) => nodePaths(paths, node).healthSocket,
    signal,
  });
  for (const what of missing) logger.warn({ what }, "the lab is up, and this does not stand yet");
  return missing;
}

/** What cannot be stopped in order is ended with the process and its namespaces. */
async function stopWithin(lab: Lab, logger: Logger): Promise<void> {
  try {
    await lab.stop();
  } catch (error) {
    logger.error({ error: textOf(error) }, "the lab did not stop in order");
  }
}

function handlersOf(lab: Lab, record: () => LabRecord, end: (keep: boolean) => void) {
  return {
    probe: (body: ProbeRequest) => lab.prober.probe(body),
    // Many in one request: each has its own answer or error.
    probes: async ({ requests }: { requests: readonly ProbeRequest[] }) => ({
      answers: await Promise.all(requests.map((request) => lab.prober.probe(request).catch(wireError))),
    }),
    matrix: async (body: MatrixRequest) => ({ cells: await lab.prober.probeAll(body) }),
    show: async () => describeLab(lab, record()),
    member: async ({ word, namespace }: { word: string; namespace?: string }) => {
      const party = await findMember(word, namespace ?? "default", lab.population, [...lab.members.keys()]);
      return { name: party.name, netns: lab.netnsOf(party), ...daemonsOf(party, lab, record().name) };
    },
    nat: ({ node }: { node: string }) =>
      natKnowledge(lab, node, nodePaths(labPaths(record().name), node).folder),
    rules: async ({ node }: { node: string }) => ({ text: await nodeRules(lab, node) }),
    machines: () => machineKnowledge(lab, (node) => nodePaths(labPaths(record().name), node)),
    ground: async () => ({
      ...groundNow(record().ground, lab.members.values(), lab.plugged),
      pods: await podsNow(lab),
    }),
    counts: ({ node, addresses }: { node: string; addresses: readonly string[] }) =>
      policyCounts(lab, node, addresses),
    processes: async () => ({ processes: lab.processes }),
    process: ({ name, act }: { name: string; act: ProcessAct }) => lab.act(name, act),
    "node-add": ({ node }: { node: unknown }) => lab.nodeChanges.add(node),
    "node-remove": ({ name }: { name: string }) => lab.nodeChanges.remove(name),
    "node-renumber": ({ name, address }: { name: string; address: string }) =>
      lab.nodeChanges.renumber(name, address),
    clock: async ({ advanceMs }: { advanceMs?: number }) => {
      if (advanceMs !== undefined) {
        await lab.clock.advance(advanceMs);
        if (record().separate) await pause(TURN_APART_MS);
      }
      return lab.clock.state;
    },
    provider: async (body: ProviderAct) => lab.provider.act(body),
    cloud: ({ caller, method, args }: CloudCallBody) => callCloud(lab.provider.for(caller), method, args),
    // The answer has to leave before the door is shut.
    down: async ({ keep = false }: { keep?: boolean }) => void setTimeout(() => end(keep), 20),
  };
}

function recordOf({ file, source, rootless, separate }: HostOptions, topology: Topology): LabRecord {
  return {
    name: file.name,
    // This process runs.
    process: identifyProcess()!,
    file: source,
    ready: false,
    rootless,
    separate,
    ...(file.minReleaseAfter !== undefined && { minReleaseAfter: file.minReleaseAfter }),
    startedAt: new Date().toISOString(),
    mark: `lab ${file.name} ${randomUUID()}`,
    ...partsOf(file, topology),
  };
}

/** What of a record changes when nodes come and go. */
function partsOf(file: LabFile, topology: Topology): Pick<LabRecord, "members" | "namespaces" | "ground"> {
  return {
    members: topology.members.map(({ name, role, netns, interfaces }) => ({
      name,
      role,
      netns,
      addresses: interfaces.flatMap(({ addresses }) =>
        addresses.map((address) => address.split("/")[0] ?? ""),
      ),
    })),
    namespaces: namespacesOf(topology),
    ground: groundOf(file, topology),
  };
}

async function clearDead(name: string, progress: (text: string) => void): Promise<void> {
  const before = readLab(name);
  if (!before) return;
  if (before.running) throw new TrunklineError("lab.running", { name });
  progress(`clearing away what the last lab '${name}' left`);
  await clearAway(before, linuxMachine, isKept(name));
}

/** Nobody else's namespaces are touched: another lab of that name may run under another folder of state. */
function checkNames(topology: Topology): void {
  const there = new Set(linuxMachine().listNetns());
  const taken = namespacesOf(topology).filter((name) => there.has(name));
  if (taken.length > 0) throw new TrunklineError("lab.names-taken", { taken });
}

function checkSocketPaths(paths: LabPaths, file: LabFile): void {
  const sockets = [
    paths.control,
    ...file.nodes.flatMap(({ name }) => {
      const { agentSocket, healthSocket, birdControl } = nodePaths(paths, name);
      return [agentSocket, healthSocket, birdControl];
    }),
    ...file.routers
      .filter(({ type }) => type === "bird")
      .map((router) => birdControl(routerFolder(paths, router))),
  ];
  const long = sockets.find((path) => Buffer.byteLength(path) >= SOCKET_PATH_LIMIT);
  if (long !== undefined) throw new TrunklineError("lab.path-long", { path: long });
}
