import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  allPorts,
  hasPort,
  intersectPorts,
  noPorts,
  type PortSet,
  portRange,
  protocolPorts,
  subtractPorts,
  unionPorts,
} from "./port-set.ts";

const single: fc.Arbitrary<PortSet> = fc.oneof(
  fc.constantFrom(noPorts, allPorts, protocolPorts("UDP")),
  fc
    .tuple(
      fc.constantFrom("TCP" as const, "UDP" as const, "SCTP" as const),
      fc.integer({ min: 0, max: 20 }),
      fc.nat(5),
    )
    .map(([protocol, first, more]) => portRange(protocol, first, first + more)),
);
const sets = fc.array(single, { maxLength: 4 }).map(unionPorts);
const places = fc.tuple(
  fc.constantFrom("TCP", "UDP", "SCTP", "ICMP"),
  fc.constantFrom(0, 1, 5, 10, 20, 25, 26, 65_535),
);

describe("sets of ports", () => {
  it("are what their operations say, port by port", () => {
    fc.assert(
      fc.property(sets, sets, places, (a, b, [protocol, port]) => {
        const [inA, inB] = [hasPort(a, protocol, port), hasPort(b, protocol, port)];
        expect(hasPort(unionPorts([a, b]), protocol, port)).toBe(inA || inB);
        expect(hasPort(intersectPorts(a, b), protocol, port)).toBe(inA && inB);
        expect(hasPort(subtractPorts(a, b), protocol, port)).toBe(inA && !inB);
      }),
    );
  });

  it("have one key however they are put together", () => {
    fc.assert(
      fc.property(sets, sets, (a, b) => {
        expect(unionPorts([a, b]).key).toBe(unionPorts([b, a, b]).key);
        expect(unionPorts([subtractPorts(a, b), intersectPorts(a, b)]).key).toBe(a.key);
      }),
    );
  });

  it("write neighbours as one range", () => {
    expect(
      unionPorts([portRange("TCP", 80, 80), portRange("TCP", 81, 90), portRange("SCTP", 1, 1)]).key,
    ).toBe("TCP:80-90;SCTP:1");
  });
});
