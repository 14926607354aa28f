// Faults of a server, and of what stands between it and us.
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { configMapKind } from "../../api/kinds/core.ts";
import { leaseKind } from "../../api/kinds/lease.ts";
import type { Store } from "../store.ts";
import { isWatch, json, line, noStreams, object, type Part, play, status } from "./played.suite.ts";

const emptyList = { metadata: { resourceVersion: "90" }, items: [] };

/** Follows config maps from revision 10 until the test ends. */
function follow(store: Store) {
  const ending = new AbortController();
  const seen: string[] = [];
  const over = (async () => {
    for await (const event of store.watch(configMapKind, { from: "10", signal: ending.signal }))
      seen.push(`${event.type} ${event.revision}`);
  })();
  over.catch(() => {});
  return { seen, over, end: () => ending.abort() };
}

/** The revisions that watches were asked for from. */
const from = (asked: readonly string[]) =>
  asked.filter((one) => one.includes("watch")).map((one) => /resourceVersion=([^&]*)/.exec(one)?.[1]);

/** Answers lists, and one watch after the other by these parts, the last for all that follow. */
function watches(...parts: readonly Part[]): Part {
  let round = 0;
  return (request, response) => {
    if (!isWatch(request)) return json(response, 200, emptyList);
    parts[Math.min(round++, parts.length - 1)]!(request, response);
  };
}

const silent: Part = (_request, response) => response.writeHead(200).flushHeaders();

describe("a watch whose connection is dead", () => {
  it("goes on behind its last event when the server should have ended it, though lists are answered", async () => {
    const part = watches((_request, response) => response.write(line("ADDED", object("x", "30"))), silent);
    const { store, asked } = await play(part, 40, { watchSeconds: [1, 1] });
    const watch = follow(store);
    await expect.poll(() => from(asked), { timeout: 10_000 }).toEqual(["10", "30"]);
    watch.end();
  });

  it("goes on where bookmarks came and stay away, though lists are answered", async () => {
    const part = watches((_request, response) => {
      let revision = 30;
      const timer = setInterval(() => {
        response.write(line("BOOKMARK", object("", String(++revision))));
        if (revision === 33) clearInterval(timer);
      }, 5);
    }, silent);
    const { store, asked } = await play(part, 40);
    const watch = follow(store);
    await expect.poll(() => from(asked), { timeout: 10_000 }).toEqual(["10", "33"]);
    watch.end();
  });

  it("is not thought of where no bookmarks ever came: then the server is asked, and the watch stands", async () => {
    const { store, asked } = await play(watches(silent), 10);
    const watch = follow(store);
    const lists = () => asked.filter((one) => !one.includes("watch")).length;
    await expect.poll(lists, { timeout: 10_000 }).toBeGreaterThan(4);
    expect(from(asked)).toEqual(["10"]);
    watch.end();
  });
});

describe("a watch", () => {
  it("goes on where it was when its stream breaks in the middle of an event", async () => {
    const part = watches((_request, response) => {
      response.write(`${line("ADDED", object("one", "11"))}{"type":"ADD`);
      setTimeout(() => response.destroy(), 5);
    }, silent);
    const { store, asked } = await play(part);
    const watch = follow(store);
    await expect.poll(() => from(asked)).toEqual(["10", "11"]);
    expect(watch.seen).toEqual(["added 11"]);
    watch.end();
  });

  it("ends at once while the server hangs", async () => {
    const { store, asked } = await play(() => {}, 60_000);
    const watch = follow(store);
    await expect.poll(() => asked.length).toBe(1);
    watch.end();
    await watch.over;
  });

  it("never goes back to an older revision, nor to none", async () => {
    const part = watches((_request, response) => {
      const old = line("BOOKMARK", object("", "20")) + line("BOOKMARK", { metadata: {} });
      response.end(line("ADDED", object("one", "30")) + old);
    }, silent);
    const { store, asked } = await play(part);
    const watch = follow(store);
    await expect.poll(() => from(asked)).toEqual(["10", "30"]);
    expect(watch.seen).toEqual(["added 30", "bookmark 30", "bookmark 30"]);
    watch.end();
  });

  it("tells what came before a line that cannot be read, and says so where such lines are all that comes", async () => {
    const broken = '{"type":"ADDED","object":{"metadata"\n';
    const part = watches(
      (_request, response) => response.end(line("ADDED", object("one", "11")) + broken),
      (_request, response) => response.end(broken),
    );
    const { store, asked } = await play(part);
    const watch = follow(store);
    await expect(watch.over).rejects.toMatchObject({ code: "store.unreachable" });
    expect(watch.seen).toEqual(["added 11"]);
    expect(new Set(from(asked))).toEqual(new Set(["10", "11"]));
  });

  it("outlives a server that is too busy, which is no refusal, and a proxy's page", async () => {
    const part = watches(
      (_request, response) => response.end(line("ERROR", status(429, "TooManyRequests"))),
      (_request, response) => response.writeHead(404, { "content-type": "text/html" }).end("<html>no</html>"),
      (_request, response) => response.write(line("ADDED", object("one", "11"))),
    );
    const { store } = await play(part);
    const watch = follow(store);
    await expect.poll(() => watch.seen).toEqual(["added 11"]);
    watch.end();
  });

  it("is asked for again with another token where the one before has just ended", async () => {
    let token = "old";
    const source = {
      get: async () => token,
      refused() {
        token = "new";
      },
    };
    const { store } = await play(
      (request, response) => {
        // It ended after the list that comes before a watch.
        if (!isWatch(request)) json(response, 200, emptyList);
        else if (request.headers.authorization !== "Bearer new")
          json(response, 401, status(401, "Unauthorized"));
        else response.write(line("ADDED", object("one", "11")));
      },
      300,
      { token: source },
    );
    const watch = follow(store);
    await expect.poll(() => watch.seen).toEqual(["added 11"]);
    watch.end();
  });
});

describe("a streamed list", () => {
  const end = line("BOOKMARK", {
    metadata: { resourceVersion: "7", annotations: { "k8s.io/initial-events-end": "true" } },
  });

  it.each([
    ["500", (_request, response) => json(response, 500, status(500, "InternalError"))],
    ["503", (_request, response) => json(response, 503, status(503, "ServiceUnavailable"))],
    ["an ERROR event of another kind", (_, response) => response.end(line("ERROR", status(500, "else")))],
    ["429, again and again", (_, response) => response.end(line("ERROR", status(429, "TooManyRequests")))],
    ["an end before its end", (_request, response) => response.end(line("ADDED", object("x", "1")))],
    ["a page of a proxy", (_, response) => response.writeHead(400, { "content-type": "text/html" }).end("x")],
    ["silence", (_request, response) => response.writeHead(200).flushHeaders()],
    ["no answer at all", () => {}],
  ] as readonly [string, Part][])(
    "comes in pages after %s, and is asked for the next time",
    async (_, fault) => {
      let faults = 1;
      const { store, asked } = await play((request, response) => {
        if (!isWatch(request)) json(response, 200, { ...emptyList, items: [object("one", "3")] });
        else if (faults-- > 0) fault(request, response);
        else response.write(line("ADDED", object("one", "3")) + end);
      }, 60);
      for (const revision of ["90", "7"]) {
        const listing = await store.list(configMapKind);
        expect([listing.items.length, listing.revision]).toEqual([1, revision]);
      }
      expect(asked.filter((one) => one.includes("watch"))).toHaveLength(2);
    },
  );
});

describe("a list", () => {
  it("whose pages expire again and again is asked for in one piece", async () => {
    const { store } = await play((request, response) => {
      if (isWatch(request)) return noStreams(request, response);
      if (request.url?.includes("continue=next")) return json(response, 410, status(410, "Expired"));
      const isPaged = request.url?.includes("limit=") === true;
      const metadata = { resourceVersion: "8", ...(isPaged && { continue: "next" }) };
      json(response, 200, { metadata, items: [object("a", "1"), ...(isPaged ? [] : [object("b", "2")])] });
    });
    expect((await store.list(configMapKind)).items).toHaveLength(2);
  });

  it("that has always expired is given up on", async () => {
    const { store, asked } = await play((request, response) => {
      if (isWatch(request)) noStreams(request, response);
      else json(response, 410, status(410, "Expired"));
    });
    await expect(store.list(configMapKind)).rejects.toMatchObject({ code: "store.unreachable" });
    expect(asked.filter((one) => !one.includes("watch"))).toHaveLength(4);
  });

  it("comes over a slow line, as long as something comes", async () => {
    const whole = JSON.stringify({ ...emptyList, items: [object("a", "1")] });
    const { store, asked } = await play((request, response) => {
      if (isWatch(request)) return noStreams(request, response);
      response.writeHead(200);
      let sent = 0;
      const timer = setInterval(() => {
        response.write(whole.slice(sent, sent + 12));
        sent += 12;
        if (sent < whole.length) return;
        clearInterval(timer);
        response.end();
      }, 80);
    }, 400);
    expect((await store.list(configMapKind)).items).toHaveLength(1);
    expect(asked.filter((one) => !one.includes("watch"))).toHaveLength(1);
  });

  it("is not empty because something before the server answers with another object", async () => {
    const { store } = await play((request, response) => {
      if (isWatch(request)) noStreams(request, response);
      else json(response, 200, {});
    });
    await expect(store.list(configMapKind)).rejects.toMatchObject({ code: "store.unreachable" });
  });
});

describe("an object", () => {
  it("is not gone because a proxy has no server behind it", async () => {
    const { store } = await play((_request, response) =>
      response
        .writeHead(404, { "content-type": "text/html; charset=utf-8" })
        .end("<html>no such host</html>"),
    );
    await expect(store.get(configMapKind, "x", "a")).rejects.toMatchObject({ code: "store.unreachable" });
    await expect(store.delete(configMapKind, "x", "a")).rejects.toMatchObject({ code: "store.unreachable" });
  });

  it("is not gone because of a 404 that no API server says", async () => {
    let served = true;
    const { store } = await play((request, response) => {
      if (!served) response.writeHead(404, { "content-type": "text/plain" }).end("404 page not found");
      else if (request.url?.endsWith("/v1") === true)
        json(response, 200, { resources: [{ name: "leases" }] });
      else json(response, 404, status(404, "NotFound"));
    });
    expect(await store.get(leaseKind, "x", "a")).toBeUndefined();
    await store.delete(leaseKind, "x", "a");
    served = false;
    await expect(store.get(leaseKind, "x", "a")).rejects.toMatchObject({ code: "store.unserved" });
    await expect(store.delete(leaseKind, "x", "a")).rejects.toMatchObject({ code: "store.unserved" });
  });

  it("is not what another answer with the right status holds", async () => {
    const { store } = await play((_request, response) => json(response, 200, { welcome: "here" }));
    await expect(store.get(configMapKind, "x", "a")).rejects.toMatchObject({ code: "store.unreachable" });
  });
});

it("a kind is not missing because something before the server answers with another object", async () => {
  const { store } = await play((_request, response) => json(response, 200, {}));
  await expect(store.list(leaseKind)).rejects.toMatchObject({ code: "store.unreachable" });
});

it("a store that is closed ends what is under way, and asks nothing more", async () => {
  const { store, asked } = await play(() => {}, 60_000);
  const reading = expect(store.get(configMapKind, "x", "a")).rejects.toMatchObject({ code: "store.closed" });
  await expect.poll(() => asked.length).toBe(1);
  await store.close();
  await reading;
  await sleep(20);
  expect(asked).toHaveLength(1);
});
