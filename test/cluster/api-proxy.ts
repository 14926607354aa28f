// Before the API server, for nodes: refuses every second request, by turns with 429 and with 500, and breaks what streams after some
// seconds: node api-proxy.ts CERTIFICATE KEY ADDRESS PORT OWN-PORT, until it is ended.
import { readFileSync } from "node:fs";
import https from "node:https";

const LONGEST_STREAM_MS = 5000;

const [certificate = "", keyFile = "", host = "", port = "", ownPort = ""] = process.argv.slice(2);
const cert = readFileSync(certificate, "utf8");
const agent = new https.Agent({ keepAlive: true, ca: cert });
const refusals = [429, 500] as const;
let asked = 0;

const server = https.createServer({ cert, key: readFileSync(keyFile, "utf8") }, (request, response) => {
  const turn = asked++;
  if (turn % 2 === 0) {
    const code = refusals[(turn / 2) % refusals.length]!;
    response.writeHead(code, { "content-type": "text/plain", ...(code === 429 && { "retry-after": "1" }) });
    response.end("not now\n");
    return;
  }
  const { method, url, headers } = request;
  const onward = https.request({ host, port, path: url, agent, method, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
    const timer = setTimeout(() => response.destroy(), LONGEST_STREAM_MS);
    response.once("close", () => {
      clearTimeout(timer);
      answer.destroy();
    });
  });
  onward.once("error", () => response.destroy());
  request.pipe(onward);
});
server.listen(Number(ownPort), host);
