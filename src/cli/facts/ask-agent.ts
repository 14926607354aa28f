// Questions to an agent, at its health socket.
import { TrunklineError } from "../../base/errors.ts";
import { askLocal } from "../../base/http.ts";

const PATIENCE_MS = 5000;

/** Asks an agent at its health socket; the answer may take `patienceMs`. @throws `cli.agent-answer`, what the system says of the socket */
export async function askAgent(socketPath: string, path: string, patienceMs = PATIENCE_MS): Promise<string> {
  const { status, text } = await askLocal({ socketPath, path, patienceMs });
  if (status === 200) return text;
  throw new TrunklineError("cli.agent-answer", { status, body: text.trim() });
}
