import { describe, expect, it } from "vitest";
import { parsePort, parsePorts } from "./ports.ts";
import { parseEnd, parseTarget } from "./target.ts";

describe("targets", () => {
  it.each([
    ["pod/web:80", { type: "object", kind: "pod", name: "web" }, { port: 80, protocol: "TCP" }],
    [
      "pod/shop/web:53/udp",
      { type: "object", kind: "pod", namespace: "shop", name: "web" },
      { port: 53, protocol: "UDP" },
    ],
    ["web", { type: "object", kind: "pod", name: "web" }, undefined],
    ["Deployment/web.v2", { type: "object", kind: "deployment", name: "web.v2" }, undefined],
    ["router/core:179", { type: "object", kind: "host", name: "core" }, { port: 179, protocol: "TCP" }],
    ["10.0.0.9:6379/TCP", { type: "address", address: "10.0.0.9" }, { port: 6379, protocol: "TCP" }],
    ["pod/web/icmp", { type: "object", kind: "pod", name: "web" }, "icmp"],
    ["pod/shop/web/icmp", { type: "object", kind: "pod", namespace: "shop", name: "web" }, "icmp"],
    ["pod/icmp", { type: "object", kind: "pod", name: "icmp" }, undefined],
    ["web/ICMP", { type: "object", kind: "pod", name: "web" }, "icmp"],
    ["10.0.0.9/icmp", { type: "address", address: "10.0.0.9" }, "icmp"],
    ["fd00::9/icmp", { type: "address", address: "fd00::9" }, "icmp"],
    ["fd00::9", { type: "address", address: "fd00::9" }, undefined],
    ["[fd00:0::9]:9/sctp", { type: "address", address: "fd00::9" }, { port: 9, protocol: "SCTP" }],
  ])("%s", (text, end, port) => {
    expect(parseTarget(text)).toEqual({ end, ...(port ? { port } : {}) });
  });

  it.each(["", "pod/", "pod//web", "a/b/c/d", "pod/we b", "pod/web:80:81", "pod/web:http"])(
    "'%s' is refused",
    (text) => {
      expect(() => parseTarget(text)).toThrow(/names no end|is not a port/);
    },
  );

  it("has no port in FROM", () => {
    expect(() => parseEnd("pod/web:80")).toThrow("names no end");
  });
});

describe("ports", () => {
  it.each(["0", "65536", "80/icmp", "80/tcp/x", "", "-1", "08"])("'%s' is refused", (text) => {
    expect(() => parsePort(text)).toThrow("is not a port");
  });

  it("are listed once, by protocol and number", () => {
    expect(parsePorts("81/udp,80,80/TCP,9/sctp,22")).toEqual([
      { port: 22, protocol: "TCP" },
      { port: 80, protocol: "TCP" },
      { port: 81, protocol: "UDP" },
      { port: 9, protocol: "SCTP" },
    ]);
  });
});
