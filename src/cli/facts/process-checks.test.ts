import { expect, it } from "vitest";
import { awayFindings } from "./process-checks.ts";

it("names the controller and routers' daemons that are away, with what starts them", () => {
  const row = (name: string, running: boolean) => ({ name, running, pid: null });
  expect(awayFindings([row("controller", true), row("router/gw", true), row("bird/node1", false)])).toEqual(
    [],
  );
  expect(
    awayFindings([row("controller", false), row("router/gw", false)]).map(({ object, message }) => [
      object,
      message.split("to mend it: ")[1],
    ]),
  ).toEqual([
    ["Controller/lab", "trunkline lab process start controller"],
    ["Host/gw", "trunkline lab process start router/gw"],
  ]);
});
