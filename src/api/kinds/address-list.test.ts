import { describe, expect, it } from "vitest";
import { addressListSchema } from "./schema/address-list.ts";

function faults(spec: object): string[] {
  const object = {
    apiVersion: "trunkline.dev/v1alpha1",
    kind: "AddressList",
    metadata: { name: "l" },
    spec: { for: [{}], to: "host/db:5432", ...spec },
  };
  const { error } = addressListSchema.safeParse(object);
  return (error?.issues ?? []).map(({ path }) => path.join("."));
}
const sink = (one: object) => faults({ sinks: [{ name: "s", ...one }] });

describe("an AddressList's specification", () => {
  it("takes every kind of sink", () => {
    const sinks = [
      { name: "file", file: { path: "/var/lib/lists/db.json", form: "json" } },
      {
        name: "nginx",
        host: "proxy",
        nginx: { path: "/etc/nginx/allow.conf", config: "/etc/nginx/nginx.conf" },
      },
      {
        name: "haproxy",
        host: "proxy",
        haproxy: { path: "/etc/haproxy/db.lst", socket: "/run/haproxy/admin.sock" },
      },
      {
        name: "nft",
        nodes: { matchLabels: { db: "yes" } },
        nft: { family: "inet", table: "guard", ipv4Set: "db" },
      },
      {
        name: "pg",
        host: "db",
        postgres: {
          path: "/etc/postgresql/15/main/pg_hba.conf",
          port: 5432,
          users: ["app"],
          connection: "hostssl",
        },
      },
    ];
    sinks.push(
      { name: "map", configMap: { namespace: "shop", name: "admitted" } } as never,
      {
        name: "web",
        http: {
          url: "https://lists.example.org/db",
          tokenSecret: { namespace: "kube-system", name: "lists" },
        },
      } as never,
      { name: "rds", rds: { region: "cn-hangzhou", instance: "rm-1", listName: "trunkline_shop" } } as never,
    );
    expect(faults({ sinks, maxEntries: 40, rest: "1m", wait: "0s", entries: "Ranges" })).toEqual([]);
  });

  it.each([
    "host/db",
    "host/db:5432",
    "10.0.0.9",
    "10.0.0.9:80/tcp",
    "10.0.0.0/24",
    "[fd00::1]:80",
    "fd00::/64",
    "deployment/shop/db:80",
  ])("goes towards %s", (to) => expect(faults({ to })).toEqual([]));

  it.each([
    "",
    "db",
    "host/",
    "host/db:0",
    "host/db:70000",
    "10.0.0.0/33",
    "host/DB",
    "host/db;x",
    "a/b/c/d",
  ])("goes not towards '%s'", (to) => expect(faults({ to })).toEqual(["spec.to"]));

  it("names pods, at least all of them", () => {
    expect(faults({ for: [] })).toEqual(["spec.for"]);
    expect(faults({ for: [{ workload: "web" }] })).toEqual(["spec.for.0.workload"]);
    expect(faults({ for: [{ namespaces: ["A b"] }] })).toEqual(["spec.for.0.namespaces.0"]);
  });

  it("has times and counts in bounds", () => {
    expect(faults({ maxEntries: 0 })).toEqual(["spec.maxEntries"]);
    expect(faults({ rest: "2h", wait: "soon" })).toEqual(["spec.rest", "spec.wait"]);
  });

  it("has of each sink one kind, one place and a name of its own", () => {
    expect(sink({})).toEqual(["spec.sinks.0"]);
    expect(sink({ file: { path: "/a" }, nginx: { path: "/a" } })).toEqual(["spec.sinks.0"]);
    expect(sink({ file: { path: "/a" }, host: "db", nodes: {} })).toEqual(["spec.sinks.0.nodes"]);
    expect(sink({ nft: { family: "inet", table: "t" } })).toEqual(["spec.sinks.0.nft"]);
    expect(
      faults({
        sinks: [
          { name: "s", file: { path: "/a" } },
          { name: "s", file: { path: "/b" } },
        ],
      }),
    ).toEqual(["spec.sinks.1.name"]);
  });

  it.each(["relative", "/a/../etc/passwd", "/a//b", "/a b", "/a;b", "/a\nb", "/a/", "/a'b", "/a$b"])(
    "writes no file of path %j",
    (path) => {
      expect(sink({ file: { path } })).toEqual(["spec.sinks.0.file.path"]);
      expect(sink({ haproxy: { path: "/a", socket: path } })).toEqual(["spec.sinks.0.haproxy.socket"]);
    },
  );

  it("sends no token in the clear, and writes no list of others", () => {
    for (const url of ["http://lists.example.org/", "ftp://127.0.0.1/", "https://a:b@example.org/", "x"])
      expect(sink({ http: { url } })).toEqual(["spec.sinks.0.http.url"]);
    expect(sink({ rds: { region: "cn-hangzhou", instance: "rm-1", listName: "default" } })).toEqual([
      "spec.sinks.0.rds.listName",
    ]);
    expect(sink({ host: "db", configMap: { namespace: "a", name: "b" } })).toEqual(["spec.sinks.0.host"]);
  });

  it("lets no word of it end a line or a command somewhere", () => {
    expect(sink({ nft: { family: "inet", table: "t; flush ruleset", ipv4Set: "s" } })).toEqual([
      "spec.sinks.0.nft.table",
    ]);
    expect(sink({ nft: { family: "inet", table: "trunkline", ipv4Set: "s" } })).toEqual([
      "spec.sinks.0.nft.table",
    ]);
    expect(sink({ postgres: { path: "/a", users: ["a\nhost all all 0.0.0.0/0 trust"] } })).toEqual([
      "spec.sinks.0.postgres.users.0",
    ]);
    expect(sink({ postgres: { path: "/a", method: "trust #" } })).toEqual(["spec.sinks.0.postgres.method"]);
    expect(sink({ haproxy: { path: "/a", socket: "/b", value: "x;y" } })).toEqual([
      "spec.sinks.0.haproxy.value",
    ]);
  });
});
