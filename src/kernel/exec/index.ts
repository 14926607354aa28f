export { runAttached } from "./attached.ts";
export { type Daemon, type DaemonExit, type DaemonOptions, startDaemon } from "./daemon.ts";
export { type Finished, isMissingCommand, type RunOptions, run } from "./run.ts";
