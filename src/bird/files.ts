// Where a node's BIRD keeps what, in a folder of its own below the agent's state folder.
import path from "node:path";

export interface BirdFiles {
  readonly folder: string;
  readonly config: string;
  /** What is to become the configuration, while it is checked. */
  readonly next: string;
  readonly control: string;
  readonly pid: string;
  readonly log: string;
  /** While it is there BIRD is not started: somebody wants it down. */
  readonly stayDown: string;
}

/** @param stateDir the agent's state folder */
export function birdFiles(stateDir: string): BirdFiles {
  const folder = path.join(stateDir, "bird");
  const file = (name: string) => path.join(folder, name);
  return {
    folder,
    config: file("bird.conf"),
    next: file("bird.next.conf"),
    control: file("bird.ctl"),
    pid: file("bird.pid"),
    log: file("bird.log"),
    stayDown: file("stay-down"),
  };
}
