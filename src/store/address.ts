// Where a store is, as users write it: `sqlite:/var/lib/trunkline/store.db`, `etcd:https://a:2379,https://b:2379`,
// `kubernetes:` for the cluster whose pod this process is.
import { TrunklineError } from "../base/errors.ts";
import type { EtcdOptions } from "./etcd/store.ts";

export type StoreAddress =
  | { readonly driver: "sqlite"; readonly path: string }
  | ({ readonly driver: "etcd" } & EtcdOptions)
  | { readonly driver: "kubernetes" };

/**
 * Reads the address of a store. Behind etcd's endpoints may stand `?ca=FILE&cert=FILE&key=FILE&prefix=/KEY`; what is
 * not said there is taken from ETCD_CA_CERT_FILE, ETCD_CERT_FILE and ETCD_KEY_FILE, which users of Calico know.
 * @throws TrunklineError `cli.store`
 */
export function parseStoreAddress(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
): StoreAddress {
  if (text === "kubernetes:") return { driver: "kubernetes" };
  const [, driver, rest = ""] = /^(sqlite|etcd):(.+)$/s.exec(text) ?? [];
  if (driver === "sqlite") return { driver, path: rest };
  if (driver === "etcd") return { driver, ...etcdAddress(text, rest, env) };
  throw new TrunklineError("cli.store", {
    text,
    why: "the form is sqlite:PATH, etcd:URL[,URL…] or kubernetes:",
  });
}

const known = new Set(["ca", "cert", "key", "prefix"]);

function etcdAddress(
  text: string,
  rest: string,
  env: Readonly<Record<string, string | undefined>>,
): EtcdOptions {
  const wrong = (why: string) => new TrunklineError("cli.store", { text, why });
  const [urls = "", query = ""] = rest.split("?");
  const endpoints = urls.split(",").map((one) => {
    const url = URL.canParse(one) ? new URL(one) : undefined;
    const plain = url && (url.protocol === "http:" || url.protocol === "https:") && url.pathname === "/";
    if (!plain || url.username !== "" || url.search !== "" || url.hash !== "")
      throw wrong(`'${one}' is not http://HOST:PORT or https://HOST:PORT`);
    return url.origin;
  });
  const given = new URLSearchParams(query);
  for (const name of given.keys())
    if (!known.has(name)) throw wrong(`'${name}' is none of ${[...known].join(", ")}`);
  const of = (name: string, variable?: string) => given.get(name) ?? (variable && env[variable]) ?? undefined;
  const [ca, cert, key] = [
    of("ca", "ETCD_CA_CERT_FILE"),
    of("cert", "ETCD_CERT_FILE"),
    of("key", "ETCD_KEY_FILE"),
  ];
  if ((cert === undefined) !== (key === undefined)) throw wrong("of cert and key one is given alone");
  const prefix = of("prefix");
  if (prefix !== undefined && !/^(\/[\w.-]+)+$/.test(prefix))
    throw wrong(`'${prefix}' is no prefix such as /trunkline`);
  return {
    endpoints,
    tls: {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    },
    ...(prefix === undefined ? {} : { prefix }),
  };
}
