// The page in a real browser: every page opened, used by keyboard, looked at by axe; other sites' pages; hostile texts.
// TRUNKLINE_PICTURES=FOLDER keeps what it looks like.
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Commands, executable } from "../e2e/trunkline.ts";

/** The page's, in functions that run there. */
declare const document: {
  readonly activeElement: { readonly textContent: string | null } | null;
  readonly body: { append(element: object): void };
  querySelectorAll(selector: string): { readonly length: number };
  createElement(name: "iframe"): { src: string; onload: () => void; readonly contentDocument: object | null };
};

const root = path.resolve(import.meta.dirname, "../..");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const pictures = process.env["TRUNKLINE_PICTURES"];
const hostile = `<img src=x onerror="globalThis.hurt=1">`;

const trunkline = new Commands();
let server: ChildProcess;
let browser: Browser;
let address = "";
let origin = "";

beforeAll(async () => {
  await trunkline.up("examples/network-policy");
  const manifest = trunkline.file("hostile.yaml", manifests);
  await trunkline.ask(
    "apply",
    "-f",
    "examples/network-policy/allow-nginxclient-as-meant.yaml",
    "-f",
    manifest,
  );
  await trunkline.ask("wait", "--for", "ready", "pods", "--all", "-A", "--timeout", "60s");
  server = spawn(executable, ["ui", "--lab", trunkline.lab], {
    cwd: root,
    env: { ...process.env, TRUNKLINE_LABS: path.join(trunkline.folder, "labs") },
  });
  address = await new Promise<string>((resolve, reject) => {
    server.stdout?.on("data", (chunk: Buffer) => resolve(chunk.toString().split("\n")[0] ?? ""));
    server.on("exit", (code) => reject(new TypeError(`trunkline ui ended with ${code}`)));
  });
  origin = new URL(address).origin;
  browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
  });
}, 180_000);

afterAll(async () => {
  await browser?.close();
  server?.removeAllListeners("exit");
  server?.kill();
  await trunkline.end();
});

/** A list whose sink tells an error that quotes what somebody wrote. */
const manifests = `apiVersion: trunkline.dev/v1alpha1
kind: AddressList
metadata: { name: to-redis }
spec:
  for: [{ namespaces: [data] }]
  to: host/redis:6379
---
apiVersion: v1
kind: Pod
metadata:
  name: hostile
  namespace: other
  labels: { app: hostile }
  annotations: { note: '${hostile}' }
spec: { containers: [{ name: c, image: busybox }] }
`;

interface Seen {
  readonly page: Page;
  readonly context: BrowserContext;
  readonly said: string[];
}

async function open(search: string, scheme: "light" | "dark" = "light"): Promise<Seen> {
  const context = await browser.newContext({ colorScheme: scheme, viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  // A busy machine draws late; what is waited for comes all the same.
  page.setDefaultTimeout(90_000);
  const said: string[] = [];
  page.on("console", (message) => {
    // Chromium tells of software drawing, which is what we asked for.
    if (message.type() === "error" || /Content.Security/i.test(message.text())) said.push(message.text());
  });
  page.on("pageerror", (error) => said.push(error.message));
  await page.goto(address);
  await page.goto(`${origin}/${search}`);
  await page.waitForSelector("main h1, main .empty");
  return { page, context, said };
}

async function seriousOf(page: Page): Promise<unknown[]> {
  // Not as a script of the page: the page's own policy would rightly forbid it.
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { axe: own } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> };
    };
    const { violations } = await own.run();
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html }) => html) }));
  });
}

const views = [
  ["map", "?page=map", ".picture canvas"],
  ["map-pods", "?page=map&open=all&chosen=node/node1", ".reason dl"],
  ["ask", "?page=ask&from=pod/client2&to=pod/nginx:80", ".step.decides"],
  ["matrix", "?page=matrix&from=pod/default/client2&to=pod/default/nginx&port=80/tcp", ".reason .mark"],
  ["addresses", "?page=addresses", ".fill"],
  ["lists", "?page=lists", ".side table"],
  ["refused", "?page=refused", "tbody tr"],
] as const;

describe.each(["light", "dark"] as const)("in %s", (scheme) => {
  it.each(views)(
    "%s shows what it is for, breaks no rule of its own, and axe finds nothing serious",
    async (name, search, found) => {
      // So that there is something to show as refused.
      if (name === "refused")
        await trunkline.say(
          "probe",
          "--lab",
          trunkline.lab,
          "pod/client2",
          "pod/nginx:80",
          "--timeout",
          "300ms",
        );
      const { page, context, said } = await open(search, scheme);
      try {
        await page.waitForSelector(found);
        expect(await seriousOf(page)).toEqual([]);
        expect(said).toEqual([]);
        if (pictures !== undefined) {
          await page.waitForTimeout(500);
          await page.screenshot({ path: path.join(pictures, `ui-${name}-${scheme}.png`) });
        }
      } finally {
        await context.close();
      }
    },
  );
});

it("is used by keyboard alone: from the links to a question and its answer, and a probe that finds the same", async () => {
  const { page, context } = await open("?page=map");
  try {
    const isAt = (text: string) =>
      page.evaluate((wanted) => document.activeElement?.textContent === wanted, text);
    for (let n = 0; n < 20 && !(await isAt("Ask")); n++) await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForSelector('main[data-page="ask"]');
    await page.keyboard.press("Tab");
    await page.keyboard.type("pod/client1");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.type("pod/nginx:80");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".banner.yes");
    expect(page.url()).toContain("from=pod%2Fclient1");
    for (let n = 0; n < 20 && !(await isAt("Probe with real packets")); n++) await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    expect(await page.waitForSelector(".probe p").then((line) => line.textContent())).toMatch(
      /reachable.*as explained/,
    );
    // Back to the empty question, and to the map.
    await page.goBack();
    await page.waitForSelector(".page .empty");
    await page.goBack();
    await page.waitForSelector('main[data-page="map"]');
  } finally {
    await context.close();
  }
});

it("answers who asks at once, before the browser has drawn the page for the first time", async () => {
  const { page, context } = await open("?page=map");
  try {
    // No drawing comes between microtasks: faster than this nobody and no script can be.
    await page.evaluate(async () => {
      const of = <T>(selector: string) => document.querySelectorAll(selector) as unknown as ArrayLike<T>;
      of<{ click(): void }>('nav a[href="/?page=ask"]')[0]?.click();
      for (let n = 0; n < 100; n++) await Promise.resolve();
      for (const [at, value] of ["pod/client1", "pod/nginx:80"].entries()) {
        const field = of<EventTarget & { value: string }>(".question input")[at]!;
        field.value = value;
        field.dispatchEvent(new Event("input", { bubbles: true }));
        for (let n = 0; n < 100; n++) await Promise.resolve();
      }
      of<{ requestSubmit(): void }>("form.question")[0]?.requestSubmit();
    });
    await page.waitForSelector(".banner.yes", { timeout: 20_000 });
  } finally {
    await context.close();
  }
});

it("chooses cells of the matrix by arrows, and keeps the choice in the address", async () => {
  const { page, context } = await open("?page=matrix");
  try {
    await page.focus(".heat canvas");
    for (const key of ["ArrowDown", "ArrowDown", "ArrowUp"]) await page.keyboard.press(key);
    await page.waitForSelector(".reason h2");
    expect(new URL(page.url()).searchParams.get("from")).not.toBeNull();
  } finally {
    await context.close();
  }
});

it("shows what others wrote as text: in questions, answers, filters and errors", async () => {
  const { page, context, said } = await open(
    `?page=ask&from=${encodeURIComponent(hostile)}&to=${encodeURIComponent(hostile)}`,
  );
  try {
    expect(await page.textContent(".failed")).toContain("<img");
    for (const name of ["map", "addresses", "refused"]) {
      await page.goto(
        `${origin}/?page=${name}&q=${encodeURIComponent(hostile)}&chosen=${encodeURIComponent(hostile)}`,
      );
      await page.waitForSelector("main h1");
    }
    expect(
      await page.evaluate(() => [document.querySelectorAll("main img").length, "hurt" in globalThis]),
    ).toEqual([0, false]);
    expect(said.filter((text) => !text.includes("400"))).toEqual([]);
  } finally {
    await context.close();
  }
});

describe("another site's page", () => {
  let elsewhere: Server;
  let site = "";
  beforeAll(async () => {
    elsewhere = createServer((_request, response) =>
      response.setHeader("content-type", "text/html").end("<h1>elsewhere</h1>"),
    );
    await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
    // Another port is another origin, and another name another site.
    site = `http://localhost:${(elsewhere.address() as AddressInfo).port}`;
  });
  afterAll(() => elsewhere.close());

  it("reads nothing and changes nothing, whatever way it tries, even with the token", async () => {
    const { page, context } = await open("?page=map");
    try {
      await page.goto(site);
      const token = /token=(.*)$/.exec(address)?.[1] ?? "";
      const tried = await page.evaluate(
        async ({ to, bearer }) => {
          const headers = { authorization: `Bearer ${bearer}` };
          const body = JSON.stringify({ from: "pod/client1", to: "pod/nginx:80" });
          const read = (init: RequestInit, name: string) =>
            fetch(`${to}/api/v1/${name}`, init).then(
              async (response) => (response.type === "opaque" ? "opaque" : `read ${await response.text()}`),
              () => "refused",
            );
          const framed = new Promise<string>((resolve) => {
            const frame = document.createElement("iframe");
            frame.src = `${to}/`;
            frame.onload = () => resolve(frame.contentDocument === null ? "closed" : "read");
            document.body.append(frame);
          });
          return [
            await read({}, "about"),
            await read({ headers }, "about"),
            await read({ mode: "no-cors" }, "about"),
            await read(
              { method: "POST", headers: { ...headers, "content-type": "application/json" }, body },
              "probe",
            ),
            await read({ method: "POST", mode: "no-cors", body }, "probe"),
            await framed,
          ];
        },
        { to: origin, bearer: token },
      );
      expect(tried.filter((result) => result.startsWith("read"))).toEqual([]);
    } finally {
      await context.close();
    }
  });

  it("is no page of ours under a name that leads here", async () => {
    const page = await browser.newPage();
    try {
      const { port } = new URL(origin);
      const answer = await page.goto(`http://rebound.localhost:${port}/`);
      expect(answer?.status()).toBe(421);
    } finally {
      await page.close();
    }
  });
});
