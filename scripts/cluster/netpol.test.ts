import { expect, it } from "vitest";
import { tableOf } from "./netpol.ts";

const spec = (LeafNodeText: string, State: string, LeafNodeType = "It") => ({
  LeafNodeType,
  LeafNodeText,
  State,
  ContainerHierarchyTexts: ["[sig-network] Netpol", "NetworkPolicy between server and client"],
  RunTime: 12_600_000_000,
});

it("tells of the specs that ran, by name, and counts those that did not pass", () => {
  const report = [
    {
      SpecReports: [
        spec("should support a default-deny", "passed"),
        spec("should allow ingress [Feature:NetworkPolicy]", "timedout"),
        spec("should work with SCTP", "skipped"),
        spec("", "passed", "SynchronizedBeforeSuite"),
      ],
    },
  ];
  expect(tableOf(JSON.stringify(report))).toEqual({
    lines: [
      "| spec | result | seconds |",
      "|---|---|---|",
      "| NetworkPolicy between server and client: should allow ingress | timedout | 13 |",
      "| NetworkPolicy between server and client: should support a default-deny | passed | 13 |",
    ],
    failed: 1,
  });
});

it("tells of nothing where no spec ran", () => {
  expect(tableOf(JSON.stringify([{ SpecReports: null }]))).toMatchObject({ failed: 0, lines: { length: 2 } });
});
