// The text of what a user names as a file, whatever it is: also a pipe, which the shell's `<(…)` makes, and which may have
// nobody at its other end; or a device that never ends.
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { TrunklineError, textOf } from "../../base/errors.ts";

/** Bytes. Ten times what the largest clusters export. */
const mostBytes = 256 * 2 ** 20;
/** How long somebody may take to begin to write into a pipe, in milliseconds. */
const writerMs = 5_000;
const pauseMs = 10;

/**
 * Returns the text of a file, pipe or device.
 * @throws TrunklineError `api.file`
 */
export async function readText(path: string): Promise<string> {
  try {
    // A pipe that nobody writes to would hold up the opening for ever.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const whole = await readAll(file, (await file.stat()).isFIFO());
      return new TextDecoder("utf-8", { ignoreBOM: true }).decode(whole);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new TrunklineError("api.file", { path, why: textOf(error) }, { cause: error });
  }
}

async function readAll(file: FileHandle, isPipe: boolean): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  let written = !isPipe;
  for (let waited = 0; size <= mostBytes; ) {
    const chunk = await readSome(file);
    if (chunk === "nothing yet" || chunk.length > 0) written = true;
    if (chunk !== "nothing yet" && chunk.length > 0) {
      chunks.push(chunk);
      size += chunk.length;
      continue;
    }
    // The end, or nobody has opened the other end so far.
    if (chunk !== "nothing yet" && (written || waited >= writerMs)) {
      if (!written) throw new Error("it is a pipe that nobody writes to");
      return Buffer.concat(chunks);
    }
    await sleep(pauseMs);
    waited += pauseMs;
  }
  throw new Error(`it has more than ${mostBytes / 2 ** 20} MiB`);
}

async function readSome(file: FileHandle): Promise<Buffer | "nothing yet"> {
  const buffer = Buffer.allocUnsafe(1 << 18);
  try {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return "nothing yet";
    throw error;
  }
}
