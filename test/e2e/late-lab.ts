// Starts a lab in the background as `lab up -d` does, and waits for it no longer than told: node late-lab.ts EXECUTABLE
// FILE NAME MILLISECONDS. Prints the code of the error that comes of it.
import { isError } from "../../src/base/errors.ts";
import { startInBackground } from "../../src/lab/life/launch.ts";

const [main = "", file = "", name = "", patienceMs] = process.argv.slice(2);
// What is started again is the program itself.
process.argv[1] = main;
try {
  await startInBackground(name, ["lab", "up", file, "--name", name, "--background"], Number(patienceMs));
} catch (error) {
  if (!isError(error)) throw error;
  process.stdout.write(error.code);
}
