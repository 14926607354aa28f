// How to reach an API server, and as whom: from a kubeconfig, or from what every pod finds in its file system.
import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { TrunklineError, textOf } from "../../base/errors.ts";
import { execToken, fileToken, type RunPlugin, type TokenSource } from "./token.ts";

export interface Access {
  /** `https://host:port`, without a path. */
  readonly server: string;
  /** A path that all requests begin with, such as a proxy's; "" for none. */
  readonly base: string;
  /** PEM files, or their content; files are read again when they change. */
  readonly ca?: Pem;
  readonly cert?: Pem;
  readonly key?: Pem;
  readonly serverName?: string;
  /** The server's certificate is not checked: what kubectl does when told so. */
  readonly insecure: boolean;
  readonly token?: TokenSource;
  /** The context's namespace. */
  readonly namespace?: string;
}

export type Pem = { readonly file: string } | { readonly text: string };

const pod = "/var/run/secrets/kubernetes.io/serviceaccount";

/**
 * Returns how a pod reaches the API server of its cluster. Its token is read again as the kubelet renews it.
 * @throws TrunklineError `store.access` outside of a pod
 */
export function podAccess(env: Readonly<Record<string, string | undefined>>, folder = pod): Access {
  const host = env["KUBERNETES_SERVICE_HOST"];
  const port = env["KUBERNETES_SERVICE_PORT"] ?? "443";
  if (!host)
    throw new TrunklineError("store.access", { file: folder, why: "KUBERNETES_SERVICE_HOST is not set" });
  const name = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
  return {
    server: `https://${name}:${port}`,
    base: "",
    ca: { file: path.join(folder, "ca.crt") },
    insecure: false,
    token: fileToken(path.join(folder, "token")),
  };
}

/**
 * Reads a kubeconfig (v1 Config). `run` starts an exec plugin for credentials, which is another program's business:
 * without it, users that name one are refused.
 * @throws TrunklineError `store.access` that names the file and the field
 */
export function kubeconfigAccess(
  file: string,
  { context: wanted, run }: { readonly context?: string; readonly run?: RunPlugin } = {},
): Access {
  const wrong = (why: string, cause?: unknown) =>
    new TrunklineError("store.access", { file, why }, { cause });
  let config: Readonly<Record<string, unknown>>;
  try {
    config = record(parse(readFileSync(file, "utf8"))) ?? {};
  } catch (error) {
    throw wrong(textOf(error), error);
  }
  const name = wanted ?? config["current-context"];
  if (typeof name !== "string" || name === "") throw wrong("current-context is not set; name a context");
  const context = entry(config["contexts"], name, "context");
  if (context === undefined) throw wrong(`there is no context '${name}'`);
  const cluster = entry(config["clusters"], context["cluster"], "cluster");
  if (cluster === undefined)
    throw wrong(`context '${name}' names cluster '${String(context["cluster"])}', which is not there`);
  const user = entry(config["users"], context["user"], "user") ?? {};
  const url =
    typeof cluster["server"] === "string" && URL.canParse(cluster["server"]) && new URL(cluster["server"]);
  if (!url || !/^https?:$/.test(url.protocol))
    throw wrong(`cluster '${String(context["cluster"])}' has no server that is a URL`);
  // Keys that go in clear text to whoever answers are no access control.
  const secret = ["token", "tokenFile", "client-certificate", "client-certificate-data", "exec"].some(
    (key) => user[key] !== undefined,
  );
  if (url.protocol === "http:" && secret)
    throw wrong(`${url.origin} is not https: credentials are not sent there`);
  const folder = path.dirname(file);
  const pem = (holder: Readonly<Record<string, unknown>>, key: string): Pem | undefined => {
    const data = holder[`${key}-data`];
    if (typeof data === "string" && data !== "")
      return { text: Buffer.from(data, "base64").toString("utf8") };
    const name = holder[key];
    return typeof name === "string" && name !== "" ? { file: path.resolve(folder, name) } : undefined;
  };
  const token = tokenOf(user, folder, run, wrong);
  const [ca, cert, key] = [
    pem(cluster, "certificate-authority"),
    pem(user, "client-certificate"),
    pem(user, "client-key"),
  ];
  const serverName = cluster["tls-server-name"];
  const namespace = context["namespace"];
  return {
    server: url.origin,
    base: url.pathname.replace(/\/+$/, ""),
    insecure: cluster["insecure-skip-tls-verify"] === true,
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    ...(typeof serverName === "string" && { serverName }),
    ...(token && { token }),
    ...(typeof namespace === "string" && namespace !== "" && { namespace }),
  };
}

function tokenOf(
  user: Readonly<Record<string, unknown>>,
  folder: string,
  run: RunPlugin | undefined,
  wrong: (why: string) => TrunklineError,
): TokenSource | undefined {
  // kubectl's order: a file that is given goes before the text.
  if (typeof user["tokenFile"] === "string" && user["tokenFile"] !== "")
    return fileToken(path.resolve(folder, user["tokenFile"]));
  if (typeof user["token"] === "string" && user["token"] !== "") {
    const text = user["token"];
    return { get: async () => text, refused: () => {} };
  }
  const exec = record(user["exec"]);
  if (exec === undefined) {
    if (user["auth-provider"] !== undefined || user["username"] !== undefined)
      throw wrong("auth-provider and username are not supported; use a token, a certificate or exec");
    return undefined;
  }
  if (run === undefined) throw wrong("the user has an exec plugin, which cannot be started here");
  const command = exec["command"];
  if (typeof command !== "string" || command === "") throw wrong("exec has no command");
  const version = exec["apiVersion"];
  if (version !== "client.authentication.k8s.io/v1" && version !== "client.authentication.k8s.io/v1beta1")
    throw wrong(`exec's apiVersion '${String(version)}' is not known`);
  const args = Array.isArray(exec["args"]) ? exec["args"].map(String) : [];
  const env = Array.isArray(exec["env"])
    ? Object.fromEntries(
        exec["env"].map((one) => [String(record(one)?.["name"]), String(record(one)?.["value"])]),
      )
    : {};
  // A path with a slash is relative to the kubeconfig; a bare name is looked up in PATH.
  const program = command.includes("/") ? path.resolve(folder, command) : command;
  return execToken({ command: program, args, env, apiVersion: version }, run);
}

function entry(list: unknown, name: unknown, key: string): Readonly<Record<string, unknown>> | undefined {
  if (!Array.isArray(list)) return undefined;
  const found = list.map(record).find((one) => one?.["name"] === name);
  return found && record(found[key]);
}

function record(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;
}
