// The process that a lab lives in: gives it a log, the manifests of its file, and an end.
import { mkdirSync } from "node:fs";
import path from "node:path";
import { readManifests } from "../../api/manifest/files.ts";
import { TrunklineError } from "../../base/errors.ts";
import { onReaderGone } from "../../kernel/sockets/reader.ts";
import type { LabFile } from "../../lab/file/lab-file.ts";
import type { Lab } from "../../lab/lab.ts";
import { hostLab } from "../../lab/life/host-lab.ts";
import { isRootless, prepareOwnRun } from "../../lab/life/launch.ts";
import { type LabRecord, labPaths } from "../../lab/life/state.ts";
import { applyManifests } from "../../store/apply.ts";
import { keepPrivate } from "../daemon.ts";
import { jsonLogger } from "../json-logger.ts";
import { say, whenReaderGone } from "../output.ts";

interface HostHereOptions {
  readonly file: LabFile;
  /** The lab file's path. */
  readonly source: string;
  readonly separate: boolean;
  readonly onReady: (record: LabRecord) => void;
}

/** Runs a lab in this process until SIGINT, SIGTERM, SIGHUP, `lab down`, or until nobody reads what it says. */
export async function hostHere({ file, source, separate, onReady }: HostHereOptions): Promise<void> {
  keepPrivate();
  const rootless = isRootless();
  if (rootless) await prepareOwnRun();
  const { folder, log } = labPaths(file.name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const ending = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => ending.abort());
  // As when the terminal goes: a lab that nobody sees ends in order, and leaves nothing.
  whenReaderGone(() => ending.abort());
  onReaderGone(process.stdout.fd, () => ending.abort());
  await hostLab({
    file,
    source,
    separate,
    rootless,
    logger: jsonLogger("info", { component: "lab", lab: file.name }, log),
    progress: (text) => say(text),
    applyManifests: (lab) => applyOwn(lab, file, source),
    onReady,
    signal: ending.signal,
  });
  // Nothing of the lab is left; a stray handle must not keep the process.
  process.exit();
}

async function applyOwn(lab: Lab, { manifests, minReleaseAfter }: LabFile, source: string): Promise<void> {
  if (manifests.length === 0) return;
  const files = manifests.map((file) => path.resolve(path.dirname(source), file));
  const read = await readManifests(files);
  const result =
    read.errors.length > 0
      ? read
      : await applyManifests(lab.store, read.objects, {
          ...(minReleaseAfter !== undefined && { minReleaseAfterMs: minReleaseAfter }),
        });
  if (result.errors.length > 0) {
    throw new TrunklineError("api.problems", {
      problems: result.errors,
      consequence: "The lab was not started.",
    });
  }
}
