import type { SinkList } from "../../../src/sinks/sink.ts";

function listOf(count: number): SinkList {
  const ranges = Array.from({ length: count }, (_, at) => `10.${at >> 8}.${at & 255}.1/32`);
  return { name: "l", to: "host/db", ranges, sources: ranges.map((range) => ({ range, why: "default/a" })) };
}

export const longList = listOf(2000);
export const shortList = listOf(1);
