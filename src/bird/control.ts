// BIRD's control socket. A reply is lines `CCCC-text` and a last one `CCCC text`; a line that begins with a blank has the
// code of the line before. Codes of 8000 and more are refusals.
import { createConnection, type Socket } from "node:net";
import { TrunklineError, textOf } from "../base/errors.ts";

export interface Reply {
  readonly code: number;
  /** All lines, without codes. */
  readonly text: string;
}

interface Waiting {
  readonly command: string;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: TrunklineError) => void;
}

const PATIENCE_MS = 5000;
const REFUSED = 8000;

/** One connection; commands are answered one after the other. */
export class BirdControl {
  /** Settles when the connection has ended: BIRD has, or `close` was called. */
  readonly closed: Promise<void>;
  readonly #path: string;
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  #rest = "";
  #lines: string[] = [];

  private constructor(path: string, socket: Socket) {
    this.#path = path;
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#failAll("the connection was closed");
        resolve();
      });
    });
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => this.#take(chunk));
    socket.on("error", () => {});
  }

  /** Connects, and waits for the greeting. @throws `bird.no-answer` */
  static async connect(path: string): Promise<BirdControl> {
    const socket = createConnection(path);
    const control = new BirdControl(path, socket);
    const greeted = new Promise<Reply>((resolve, reject) => {
      control.#waiting.push({ command: "", resolve, reject });
      socket.once("error", (error) => reject(control.#noAnswer(textOf(error))));
    });
    await control.#patiently(greeted);
    return control;
  }

  /**
   * Runs a command and returns the reply.
   * @throws `bird.command` where BIRD refuses it, `bird.no-answer`
   */
  async command(command: string, patienceMs = PATIENCE_MS): Promise<Reply> {
    const answered = new Promise<Reply>((resolve, reject) => {
      if (this.#socket.destroyed) reject(this.#noAnswer("the connection was closed"));
      else this.#waiting.push({ command, resolve, reject });
    });
    this.#socket.write(`${command}\n`);
    const reply = await this.#patiently(answered, patienceMs);
    if (reply.code >= REFUSED)
      throw new TrunklineError("bird.command", { command, code: reply.code, why: reply.text.trim() });
    return reply;
  }

  close(): void {
    this.#socket.destroy();
  }

  async #patiently(answer: Promise<Reply>, patienceMs = PATIENCE_MS): Promise<Reply> {
    // Replies carry no number: after one that did not come nothing that comes can be told apart.
    const timer = setTimeout(() => {
      this.#failAll(`no reply within ${patienceMs / 1000} s`);
      this.#socket.destroy();
    }, patienceMs);
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
    }
  }

  #take(chunk: string): void {
    const parts = (this.#rest + chunk).split("\n");
    this.#rest = parts.pop() ?? "";
    for (const line of parts) {
      // "+text" comes unasked: messages for those who want to hear the log.
      if (line.startsWith("+")) continue;
      const found = /^(\d{4})([ -])(.*)$/.exec(line);
      this.#lines.push(found ? (found[3] ?? "") : line.slice(1));
      if (found?.[2] !== " ") continue;
      const reply = { code: Number(found[1]), text: this.#lines.join("\n") };
      this.#lines = [];
      this.#waiting.shift()?.resolve(reply);
    }
  }

  #failAll(why: string): void {
    for (const one of this.#waiting.splice(0)) one.reject(this.#noAnswer(why));
  }

  #noAnswer(why: string): TrunklineError {
    return new TrunklineError("bird.no-answer", { path: this.#path, why });
  }
}
