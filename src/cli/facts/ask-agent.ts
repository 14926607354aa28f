// Questions to an agent, at its health socket.
import { TrunklineError } from "../../base/errors.ts";
import { http, ownConnection } from "../../base/http.ts";

const PATIENCE_MS = 5000;

/** Asks an agent at its health socket; the answer may take `patienceMs`. @throws `cli.agent-answer`, what the system says of the socket */
export function askAgent(socketPath: string, path: string, patienceMs = PATIENCE_MS): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = http.request({ ...ownConnection, socketPath, path, timeout: patienceMs }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
      });
      response.on("end", () => {
        if (response.statusCode === 200) resolve(body);
        else
          reject(
            new TrunklineError("cli.agent-answer", { status: response.statusCode ?? 0, body: body.trim() }),
          );
      });
    });
    asked.on("timeout", () => asked.destroy(new Error(`no answer within ${patienceMs} ms`)));
    asked.on("error", reject);
    asked.end();
  });
}
