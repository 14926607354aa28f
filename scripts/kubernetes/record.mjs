// Asks a Kubernetes API server about mutated objects and writes down whether it takes them, for
// src/api/validation/server-answers.test.ts. Only who changes what is compared needs it:
//   node scripts/kubernetes/record.mjs https://127.0.0.1:6443 TOKEN [SEED [COUNT]] > src/api/fixtures/server-answers.json
// The server is asked for dry runs, but it should be one that nobody uses. A case is the number of an
// object in server-bases.json, what is changed of it, whether the server takes it, and the fields that it complains about.
import { readFileSync } from "node:fs";
import https from "node:https";
import { kubernetesFields } from "../../src/api/kinds/schema/kubernetes-fields.ts";
import { changesBetween, mutator } from "./mutate.mjs";

const [address, token, seed = "1", count = "1500"] = process.argv.slice(2);
const bases = JSON.parse(
  readFileSync(new URL("../../src/api/fixtures/server-bases.json", import.meta.url), "utf8"),
);
const agent = new https.Agent({ keepAlive: true, maxSockets: 4, rejectUnauthorized: false });
const places = {
  Namespace: "/api/v1/namespaces",
  Pod: "/api/v1/namespaces/default/pods",
  ReplicationController: "/api/v1/namespaces/default/replicationcontrollers",
  Deployment: "/apis/apps/v1/namespaces/default/deployments",
  ReplicaSet: "/apis/apps/v1/namespaces/default/replicasets",
  StatefulSet: "/apis/apps/v1/namespaces/default/statefulsets",
  DaemonSet: "/apis/apps/v1/namespaces/default/daemonsets",
  Job: "/apis/batch/v1/namespaces/default/jobs",
  CronJob: "/apis/batch/v1/namespaces/default/cronjobs",
  NetworkPolicy: "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies",
};

/** Returns whether the server takes the object, and why not. */
function ask(object) {
  const url = new URL(`${places[object.kind]}?dryRun=All&fieldValidation=Ignore`, address);
  const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
  return new Promise((resolve, reject) => {
    const request = https.request(url, { agent, method: "POST", headers }, (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => resolve({ taken: response.statusCode < 300, answer: JSON.parse(text) }));
    });
    request.on("error", reject);
    request.end(JSON.stringify(object));
  });
}

const mutate = mutator(kubernetesFields, Number(seed));
const cases = [];
while (cases.length < Number(count)) {
  const base = Math.floor(mutate.random(bases.length));
  const object = mutate.change(bases[base]);
  const changes = changesBetween(bases[base], object);
  if (changes.length === 0 || JSON.stringify(changes).length > 400) continue;
  const { taken, answer } = await ask(object);
  const why = taken ? undefined : (answer.details?.causes?.map(({ field }) => field).join(" ") ?? "body");
  cases.push([base, changes, taken ? 1 : 0, ...(why === undefined ? [] : [why.slice(0, 120)])]);
}
process.stdout.write(`[\n${cases.map((one) => JSON.stringify(one)).join(",\n")}\n]\n`);
agent.destroy();
