import { describe, expect, it, vi } from "vitest";
import { type Running, Supervisor } from "./supervisor.ts";

/** Something that runs until it is told to end. */
class Fake implements Running {
  readonly pid: number;
  readonly exited: Promise<unknown>;
  readonly signals: string[] = [];
  readonly #end: () => void;

  constructor(pid: number) {
    this.pid = pid;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.exited = promise;
    this.#end = resolve;
  }

  signal(name: NodeJS.Signals) {
    this.signals.push(name);
    this.#end();
  }

  async stop() {
    this.signal("SIGTERM");
    await this.exited;
  }
}

function supervised(refuse: () => boolean = () => false) {
  const started: Fake[] = [];
  const told: string[] = [];
  const supervisor = new Supervisor({
    start: async () => {
      if (refuse()) throw new Error("not now");
      const fake = new Fake(started.length + 100);
      started.push(fake);
      return fake;
    },
    onExit: (pid) => told.push(`exit ${pid}`),
    onRestart: () => told.push("restart"),
    onFailure: (error) => told.push((error as Error).message),
  });
  return { supervisor, started, told };
}

describe("a supervisor", () => {
  it("starts again what was killed", async () => {
    vi.useFakeTimers();
    try {
      const { supervisor, told } = supervised();
      await supervisor.start();
      expect(supervisor.pid).toBe(100);
      await supervisor.kill();
      await vi.advanceTimersByTimeAsync(0);
      expect(supervisor.pid).toBeNull();
      await vi.advanceTimersByTimeAsync(1000);
      expect(supervisor.pid).toBe(101);
      expect(told).toEqual(["exit 100", "restart"]);
      await supervisor.stop();
    } finally {
      vi.useRealTimers();
    }
  });

  it("leaves alone what was stopped, also while it was away, and starts it when told to", async () => {
    vi.useFakeTimers();
    try {
      const { supervisor, started } = supervised();
      await supervisor.start();
      await supervisor.kill();
      await vi.advanceTimersByTimeAsync(10);
      const stopping = supervisor.stop();
      await vi.advanceTimersByTimeAsync(5000);
      await stopping;
      expect(started).toHaveLength(1);
      await supervisor.start();
      await supervisor.start();
      expect(started).toHaveLength(2);
      await supervisor.stop();
      expect(started[1]?.signals).toEqual(["SIGTERM"]);
    } finally {
      vi.useRealTimers();
    }
  });

  it("tries again what could not be started again", async () => {
    vi.useFakeTimers();
    try {
      let refusals = 0;
      const { supervisor, told } = supervised(() => refusals-- > 0);
      await supervisor.start();
      refusals = 2;
      await supervisor.kill();
      await vi.advanceTimersByTimeAsync(3000);
      expect(told).toEqual(["exit 100", "not now", "not now", "restart"]);
      await supervisor.stop();
    } finally {
      vi.useRealTimers();
    }
  });

  it("says what keeps it from being started the first time, and can be started later", async () => {
    let refusals = 1;
    const { supervisor, started } = supervised(() => refusals-- > 0);
    await expect(supervisor.start()).rejects.toThrow("not now");
    await supervisor.start();
    expect(started).toHaveLength(1);
    await supervisor.stop();
  });
});
