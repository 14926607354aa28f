import { describe, expect, it } from "vitest";
import { parseStoreAddress } from "./address.ts";

describe("a store's address", () => {
  it("is a file, or etcd's endpoints with what their certificates need", () => {
    expect(parseStoreAddress("sqlite:/a b", {})).toEqual({ driver: "sqlite", path: "/a b" });
    expect(parseStoreAddress("etcd:http://127.0.0.1:2379", {})).toEqual({
      driver: "etcd",
      endpoints: ["http://127.0.0.1:2379"],
      tls: {},
    });
    const env = { ETCD_CA_CERT_FILE: "/ca", ETCD_CERT_FILE: "/cert", ETCD_KEY_FILE: "/key" };
    expect(
      parseStoreAddress("etcd:https://a:2379,https://[fd00::1]:2379?ca=/other&prefix=/x/y", env),
    ).toEqual({
      driver: "etcd",
      endpoints: ["https://a:2379", "https://[fd00::1]:2379"],
      tls: { ca: "/other", cert: "/cert", key: "/key" },
      prefix: "/x/y",
    });
  });

  it.each([
    ["", "the form is"],
    ["sqlite:", "the form is"],
    ["mysql:x", "the form is"],
    ["etcd:a:2379", "'a:2379'"],
    ["etcd:http://a:2379,", "''"],
    ["etcd:http://a:2379/v3", "'http://a:2379/v3'"],
    ["etcd:http://me:secret@a:2379", "'http://me:secret@a:2379'"],
    ["etcd:http://a:2379?cert=/c", "alone"],
    ["etcd:http://a:2379?colour=red", "'colour'"],
    ["etcd:http://a:2379?prefix=x", "'x'"],
  ])("refuses %s", (text, why) => {
    expect(() => parseStoreAddress(text, {})).toThrow(why);
  });
});
