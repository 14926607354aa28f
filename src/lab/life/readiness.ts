// Whether an agent serves, asked at its health socket as a kubelet would.
import { textOf } from "../../base/errors.ts";
import { http, ownConnection } from "../../base/http.ts";

/** Returns what keeps an agent from serving, in words; undefined: nothing does. `patienceMs`: how long it is waited for. */
export function whyNotReady(socketPath: string, patienceMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const asked = http.request(
      { ...ownConnection, socketPath, path: "/readyz", timeout: patienceMs },
      (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          body += chunk;
        });
        response.on("end", () => {
          resolve(
            response.statusCode === 200
              ? undefined
              : `its agent is not ready: ${body.trim().replaceAll("\n", "; ")}`,
          );
        });
      },
    );
    asked.on("timeout", () => asked.destroy(new Error(`no answer within ${patienceMs} ms`)));
    asked.on("error", (error) => resolve(`its agent does not answer: ${textOf(error)}`));
    asked.end();
  });
}
