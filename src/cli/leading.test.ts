import { describe, expect, it } from "vitest";
import { commandFirst } from "./leading.ts";

describe("options before the command", () => {
  it.each([
    ["get pods", "get pods"],
    ["-n shop get pods", "get pods -n shop"],
    ["--namespace=shop --lab one get pods -o wide", "get pods -o wide --namespace=shop --lab one"],
    ["--lab one lab exec node1 -- ip -n x route", "lab exec node1 --lab one -- ip -n x route"],
    ["get pods -n shop", "get pods -n shop"],
    ["--version", "--version"],
    ["--help get", "--help get"],
    // Nothing is left to be the command: the parser says so.
    ["-n shop", "-n shop"],
    ["-n", "-n"],
    ["", ""],
  ])("%s", (given, wanted) => {
    expect(commandFirst(given.split(" ")).join(" ")).toBe(wanted);
  });
});
