import { describe, expect, it } from "vitest";
import { commandFirst, withUsualValues } from "./words.ts";

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

describe("options whose value may be left out", () => {
  it.each([
    ["delete --dry-run pod/web", "delete --dry-run=client pod/web"],
    ["delete --dry-run=server --wait pod/web", "delete --dry-run=server --wait=true pod/web"],
    ["delete pod/web --dry-run server --wait false", "delete pod/web --dry-run server --wait false"],
    ["apply -f x --dry-run", "apply -f x --dry-run=client"],
    ["lab exec node1 program --wait", "lab exec node1 program --wait"],
  ])("%s", (given, wanted) => {
    expect(withUsualValues(given.split(" ")).join(" ")).toBe(wanted);
  });
});
