export { runAttached } from "./attached.ts";
export { type Daemon, startDaemon } from "./daemon.ts";
export { type Finished, isMissingCommand, type RunOptions, run } from "./run.ts";
export { runSmall } from "./small.ts";
