// What the real servers of test/kube cannot be made to do: a server of ours that plays one part after another.
import { describe, expect, it } from "vitest";
import { configMapKind } from "../../api/kinds/core.ts";
import { isWatch, json, line, noStreams, object, type Part, play, status } from "./played.suite.ts";

describe("a list", () => {
  it("is the beginning of a watch where the server can", async () => {
    const { store, asked } = await play((_request, response) => {
      response.writeHead(200);
      const end = {
        metadata: { resourceVersion: "7", annotations: { "k8s.io/initial-events-end": "true" } },
      };
      response.write(
        line("ADDED", object("two", "5")) + line("ADDED", object("one", "3")) + line("BOOKMARK", end),
      );
    });
    const listing = await store.list(configMapKind);
    expect(listing.items.map((item) => item.metadata.name)).toEqual(["one", "two"]);
    expect(listing.revision).toBe("7");
    expect(asked).toHaveLength(1);
  });

  it.each([
    ["with an ERROR event, as its etcd is too old", noStreams],
    [
      "as it does not know the parameters",
      (_request, response) => json(response, 422, status(422, "Invalid")),
    ],
  ] as readonly [string, Part][])(
    "comes in pages where the server refuses %s; that is asked once",
    async (_why, refuse) => {
      const { store, asked } = await play((request, response) => {
        if (isWatch(request)) refuse(request, response);
        else if (request.url?.includes("continue=next"))
          json(response, 200, { metadata: { resourceVersion: "9" }, items: [object("one", "1")] });
        else
          json(response, 200, {
            metadata: { resourceVersion: "8", continue: "next" },
            items: [object("two", "2")],
          });
      });
      for (let n = 0; n < 2; n++) {
        let pages = 0;
        const { items, revision } = await store.list(configMapKind, undefined, () => pages++);
        expect(pages).toBe(2);
        expect(items.map(({ metadata }) => metadata.name)).toEqual(["one", "two"]);
        expect(revision).toBe("8");
      }
      expect(asked.filter((one) => one.includes("watch"))).toHaveLength(1);
    },
  );

  it("is empty where the server writes that with null", async () => {
    const { store } = await play((request, response) => {
      if (isWatch(request)) noStreams(request, response);
      else json(response, 200, { metadata: { resourceVersion: "8", continue: null }, items: null });
    });
    expect(await store.list(configMapKind)).toMatchObject({ items: [], revision: "8" });
  });

  it("begins again when its pages outlived the server's history", async () => {
    let expired = 1;
    const { store } = await play((request, response) => {
      if (isWatch(request)) noStreams(request, response);
      else if (request.url?.includes("continue=next") && expired-- > 0)
        json(response, 410, status(410, "Expired"));
      else if (request.url?.includes("continue=next")) json(response, 200, { items: [object("b", "2")] });
      else
        json(response, 200, {
          metadata: { resourceVersion: "8", continue: "next" },
          items: [object("a", "1")],
        });
    });
    expect((await store.list(configMapKind)).items).toHaveLength(2);
  });

  it("is given up on where the server falls silent in the middle of it", async () => {
    const { store } = await play((_request, response) => {
      response.writeHead(200);
      response.write(line("ADDED", object("one", "3")));
    }, 50);
    await expect(store.list(configMapKind)).rejects.toMatchObject({ code: "store.unreachable" });
  });
});

describe("a server", () => {
  it("that is too busy is asked again; what it refuses is not", async () => {
    let busy = 2;
    const { store, asked } = await play((_request, response) => {
      if (busy-- > 0) json(response, 429, status(429, "TooManyRequests"), { "retry-after": "0" });
      else json(response, 403, status(403, "Forbidden"));
    });
    const draft = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "x", namespace: "a" } } as const;
    await expect(store.create(configMapKind, draft)).rejects.toMatchObject({ code: "store.refused" });
    expect(asked).toHaveLength(3);
  });

  it("that takes the connection and says nothing is given up on, and a write is not sent twice", async () => {
    const { store, asked } = await play(() => {});
    const draft = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "x", namespace: "a" } } as const;
    await expect(store.create(configMapKind, draft)).rejects.toMatchObject({ code: "store.unreachable" });
    expect(asked).toHaveLength(1);
  });

  it("that answers something else than an API server does no harm", async () => {
    const { store } = await play((_request, response) => response.writeHead(200).end("<html>welcome</html>"));
    await expect(store.get(configMapKind, "x", "a")).rejects.toMatchObject({ code: "store.unreachable" });
  });
});

describe("a watch", () => {
  it("goes on behind the last bookmark when its stream ends, and says when its history is gone", async () => {
    let round = 0;
    const { store, asked } = await play((request, response) => {
      if (!isWatch(request)) return json(response, 200, { metadata: { resourceVersion: "50" }, items: [] });
      response.writeHead(200);
      if (++round === 1)
        response.end(
          [line("ADDED", object("one", "11")), line("BOOKMARK", object("", "30")), '{"half'].join(""),
        );
      else response.end(line("ERROR", status(410, "Expired")));
    });
    const seen: string[] = [];
    const watching = async () => {
      for await (const event of store.watch(configMapKind, {
        from: "10",
        signal: new AbortController().signal,
      }))
        seen.push(`${event.type} ${event.revision}`);
    };
    await expect(watching()).rejects.toMatchObject({ code: "store.gone" });
    expect(seen).toEqual(["added 11", "bookmark 30"]);
    const from = asked
      .filter((one) => one.includes("watch"))
      .map((one) => /resourceVersion=(\d+)/.exec(one)?.[1]);
    expect(from).toEqual(["10", "30"]);
  });
});
