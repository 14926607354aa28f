// What an installation may be told (`manifests --set NAME=VALUE`, values of the Helm chart). A setting is a text, a number,
// a truth, or a piece of JSON; the chart is made from the same objects, with placeholders for settings.
import { TrunklineError } from "../../base/errors.ts";
import { nearest } from "../../base/suggest.ts";
import { version } from "../version.ts";

interface Setting {
  readonly type: "text" | "number" | "truth" | "json";
  readonly usual: unknown;
  /** For the chart's values file. */
  readonly about: string;
  /** What a text may be; it ends up in arguments of programs, in names and in paths. */
  readonly form?: RegExp;
}

const path = /^\/[\w./-]*$/;
const name = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const poolWord = /^[\w .:/()=!&|'",{}-]*$/;

export const settings = {
  namespace: {
    type: "text",
    usual: "kube-system",
    form: name,
    about:
      "where agents and controller run. Settings, leases and Secrets of routing are in kube-system in any case",
  },
  "image.repository": { type: "text", usual: "trunkline", form: /^[\w./:-]+$/, about: "the image's name" },
  "image.tag": { type: "text", usual: version, form: /^[\w.-]+$/, about: "the image's tag" },
  "image.pullPolicy": {
    type: "text",
    usual: "IfNotPresent",
    form: /^(Always|IfNotPresent|Never)$/,
    about: "when nodes fetch the image",
  },
  "pool.ipv4": {
    type: "text",
    usual: "",
    form: /^[\d./]*$/,
    about: "range of the pool that a cluster without pools begins with; empty: none is made",
  },
  "pool.ipv6": { type: "text", usual: "", form: /^[\da-fA-F:./]*$/, about: "the same for IPv6" },
  "pool.blockSize": {
    type: "text",
    usual: "",
    form: /^\d*$/,
    about: "prefix length of nodes' blocks (IPv4)",
  },
  "pool.natOutgoing": {
    type: "text",
    usual: "true",
    form: /^(true|false)$/,
    about: "whether pods leave the pool with their node's address",
  },
  "pool.vxlan": {
    type: "text",
    usual: "",
    form: poolWord,
    about: "Always, CrossSubnet or Never; empty: Never",
  },
  "pool.ipip": { type: "text", usual: "", form: poolWord, about: "the same for IP in IP" },
  "pool.nodeSelector": { type: "text", usual: "", form: poolWord, about: "nodes that may use the pool" },
  startupTaint: {
    type: "text",
    usual: "trunkline.dev/agent-not-ready",
    form: /^([a-z0-9.-]+\/)?[\w.-]*$/,
    about: "key of the taint that nodes may be made with, and that goes once they serve",
  },
  "cni.binDir": {
    type: "text",
    usual: "/opt/cni/bin",
    form: path,
    about: "where nodes' runtimes look for plugins",
  },
  "cni.confDir": { type: "text", usual: "/etc/cni/net.d", form: path, about: "and for their configuration" },
  "bgp.passwords": {
    type: "truth",
    usual: false,
    about: "agents may read the Secrets of kube-system, where BGP's and RIP's passwords are",
  },
  provider: {
    type: "text",
    usual: "",
    form: /^(vlan|alibaba:[a-z0-9-]+)?$/,
    about: "who has the subnets of eni-config: alibaba:REGION, or vlan; empty: nobody, pods are of pools",
  },
  providerCredentials: {
    type: "text",
    usual: "/etc/trunkline/provider",
    form: /^(ram-role(:[\w.-]+)?|\/[\w./-]*)$/,
    about: "of alibaba: the folder where providerSecret is, or ram-role, or ram-role:NAME",
  },
  providerSecret: {
    type: "text",
    usual: "trunkline-provider",
    form: name,
    about: "Secret with access-key-id and access-key-secret; it need not be there",
  },
  providerEndpoint: {
    type: "text",
    usual: "",
    form: /^(https:\/\/[\w.-]+(:\d+)?)?$/,
    about: "of alibaba: another address of its interfaces, with PRODUCT for ecs or vpc",
  },
  providerGroups: {
    type: "text",
    usual: "",
    form: /^[\w.,-]*$/,
    about: "of vlan: security groups that the network's own filters enforce, with commas",
  },
  clusterName: {
    type: "text",
    usual: "default",
    form: /^[\w.-]{1,63}$/,
    about: "in the tags of what is made at the provider",
  },
  "agent.resources": {
    type: "json",
    usual: { requests: { cpu: "50m", memory: "128Mi" } },
    about: "of the agent's container",
  },
  "agent.healthPort": {
    type: "number",
    usual: 9470,
    about: "port on 127.0.0.1 for /livez, /readyz, /metrics",
  },
  "agent.stateDir": { type: "text", usual: "/var/lib/trunkline", form: path, about: "the agent's journals" },
  "controller.replicas": { type: "number", usual: 2, about: "of which one acts" },
  "controller.resources": {
    type: "json",
    usual: { requests: { cpu: "20m", memory: "96Mi" } },
    about: "of the controller's container",
  },
  "controller.healthPort": { type: "number", usual: 9471, about: "port for /livez, /readyz, /metrics" },
  "ui.listen": {
    type: "text",
    usual: "",
    form: /^((\d{1,3}(\.\d{1,3}){3}|\[[\da-fA-F:]+\]):\d{1,5})?$/,
    about:
      "where controllers serve the page for browsers, such as 127.0.0.1:7080 for kubectl port-forward; empty: not at all",
  },
  "ui.tokenSecret": {
    type: "text",
    usual: "trunkline-ui",
    form: name,
    about: "Secret whose key token has at least 32 letters, digits, - or _; the page waits until it is there",
  },
  "ui.hostNames": {
    type: "text",
    usual: "",
    form: /^[\w.:,-]*$/,
    about: "further names under which browsers find the page, such as a proxy's, with commas",
  },
  logLevel: {
    type: "text",
    usual: "info",
    form: /^(trace|debug|info|warn|error|fatal|silent)$/,
    about: "how much agents and controller log",
  },
} as const satisfies Readonly<Record<string, Setting>>;

export type SettingName = keyof typeof settings;

/** Returns the value of a setting; a chart's are placeholders. */
export type Values = (name: SettingName) => unknown;

/** Says of a part whether it is there; a chart puts a condition around it. A truth, or how a text begins. */
export type Condition = SettingName | { readonly setting: SettingName; readonly begins: string };

/** Returns whether a part is there by these values. */
export function holds(when: Condition | undefined, values: Values): boolean {
  if (when === undefined) return true;
  if (typeof when === "object") return String(values(when.setting)).startsWith(when.begins);
  const value = values(when);
  return value === true || (typeof value === "string" && value !== "");
}

/**
 * Reads what `--set` was given.
 * @throws TrunklineError `cli.setting`
 */
export function readSettings(words: readonly string[]): Values {
  const given = new Map<string, unknown>();
  for (const word of words) {
    const at = word.indexOf("=");
    const key = at < 0 ? word : word.slice(0, at);
    const value = at < 0 ? undefined : word.slice(at + 1);
    if (!Object.hasOwn(settings, key)) {
      const near = nearest(key, Object.keys(settings));
      throw new TrunklineError("cli.setting", {
        word,
        why: near ? `did you mean ${near}?` : "there is none of that name",
      });
    }
    if (value === undefined) throw new TrunklineError("cli.setting", { word, why: "the form is NAME=VALUE" });
    given.set(key, readValue(settings[key as SettingName], value, word));
  }
  return (name) => (given.has(name) ? given.get(name) : settings[name].usual);
}

function readValue(setting: Setting, value: string, word: string): unknown {
  const wrong = (why: string) => new TrunklineError("cli.setting", { word, why });
  switch (setting.type) {
    case "text":
      if (setting.form?.test(value) === false) throw wrong(`'${value}' does not fit ${String(setting.form)}`);
      return value;
    case "number":
      if (!/^\d{1,5}$/.test(value)) throw wrong("a whole number is needed");
      return Number(value);
    case "truth":
      if (value !== "true" && value !== "false") throw wrong("true or false is needed");
      return value === "true";
    default:
      try {
        return laidOver(setting.usual, JSON.parse(value) as unknown);
      } catch {
        throw wrong("JSON is needed");
      }
  }
}

/** As Helm puts values over a chart's own: objects field by field, and null takes a field away. */
function laidOver(below: unknown, above: unknown): unknown {
  if (!isObject(below) || !isObject(above)) return above;
  const merged = { ...below };
  for (const [name, value] of Object.entries(above))
    if (value === null) delete merged[name];
    else merged[name] = laidOver(below[name], value);
  return merged;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
