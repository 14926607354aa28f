import { expect, it } from "vitest";
import type { Kernel, Link } from "../../kernel/kernel.ts";
import { addressedLinks } from "./addressed-links.ts";

/** A machine of links 1, 2, …, that keeps count of what it is asked. */
function machine(count: number) {
  const asked = { one: 0, all: 0 };
  const links = Array.from({ length: count }, (_, at) => ({ index: at + 1, name: `link${at + 1}` }) as Link);
  const kernel = {
    links: {
      get(index: number) {
        asked.one++;
        return links[index - 1];
      },
      list() {
        asked.all++;
        return links;
      },
    },
  } as unknown as Pick<Kernel, "links">;
  return { kernel, asked };
}
const on = (...indexes: number[]) => indexes.map((linkIndex) => ({ linkIndex }));

it("a few links are asked for one by one, each once", () => {
  const { kernel, asked } = machine(1000);
  const found = addressedLinks(kernel, on(3, 7, 3));
  expect([...found].map(([index, { name }]) => [index, name])).toEqual([
    [3, "link3"],
    [7, "link7"],
  ]);
  expect(asked).toEqual({ one: 2, all: 0 });
});

it("many are asked for at once", () => {
  const { kernel, asked } = machine(40);
  const found = addressedLinks(kernel, on(...Array.from({ length: 40 }, (_, at) => at + 1)));
  expect(found.get(40)?.name).toBe("link40");
  expect(asked).toEqual({ one: 0, all: 1 });
});

it("a link that has gone since is none", () => {
  expect(addressedLinks(machine(2).kernel, on(9)).size).toBe(0);
});
