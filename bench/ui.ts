// The page: how soon a cluster of 50 nodes and 3,000 pods is to be seen, how smoothly its picture moves beside cytoscape's of
// the same things, and how long one question takes among 100,000 pods. In Chromium, which draws by software here.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { Agent, createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { silent } from "../src/base/log.ts";
import { startPage } from "../src/cli/ui/serve.ts";
import { uiSources } from "../src/cli/ui/sources.ts";
import { run } from "../src/kernel/exec/index.ts";
import type { MapAnswer } from "../src/ui/api.ts";
import { type Scene, sceneOf } from "../web/src/map/scene.ts";
import { type ClusterSize, clusterStore } from "./lib/answers/ui-cluster.ts";
import type { Need } from "./lib/needs.ts";
import { rounds } from "./lib/quick.ts";
import { quantile, type Row, row } from "./lib/row.ts";

/** The page's, in functions that run there. */
declare function requestAnimationFrame(callback: () => void): number;

export const needs: readonly Need[] = [{ program: "chromium", debian: "chromium" }];

const CYTOSCAPE = "cytoscape@3.34.4";
const LAB: ClusterSize = { nodes: 50, pods: 3000, workloads: 100 };
const LARGE: ClusterSize = { nodes: 1000, pods: 100_000, workloads: 2000 };
const ROUNDS = rounds(3, 1);
const PAN_MS = 4000;
const QUESTIONS = rounds(2000, 300);

export async function bench(): Promise<readonly Row[]> {
  const asked = await questions();
  const folder = mkdtempSync(path.join(tmpdir(), "trunkline-bench-"));
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
  });
  const page = await serve(LAB);
  try {
    await run("npm", ["install", "--no-save", "--ignore-scripts", "--prefix", folder, CYTOSCAPE], {
      timeoutMs: 300_000,
    });
    const script = readFileSync(path.join(folder, "node_modules/cytoscape/dist/cytoscape.min.js"), "utf8");
    const first: number[] = [];
    const frames: [number, number][] = [];
    for (let n = 0; n < ROUNDS; n++) {
      first.push(await firstPicture(browser, page.address));
      frames.push([await ourFrames(browser, page.address), await cytoscapeFrames(browser, page, script)]);
    }
    const [ours = 0, peer = 0] =
      frames.toSorted((a, b) => a[0] / a[1] - b[0] / b[1])[Math.floor(ROUNDS / 2)] ?? [];
    return [
      row(
        "ui.first-picture",
        "map of 50 nodes and 3,000 pods, from the address to the picture (median)",
        "ms",
        quantile(first, 0.5),
        null,
        { of: "ours", at: "most", value: 1500 },
      ),
      row(
        "ui.panning",
        "frames a second while all 3,000 pods are moved, beside cytoscape",
        "1/s",
        ours,
        peer,
        { of: "ratio", at: "least", value: 2 },
      ),
      ...asked,
    ];
  } finally {
    await browser.close();
    await page.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function serve(size: ClusterSize) {
  const store = clusterStore(size);
  const { sources, stop } = await uiSources({ store: "memory" }, store, silent);
  const page = await startPage({}, sources, silent);
  const token = /token=(.*)$/.exec(page.address)?.[1] ?? "";
  const end = async () => {
    await page.close();
    await stop();
    await store.close();
  };
  return { ...page, token, end };
}

/** How long a question takes from its first byte to the answer's last, over one connection. */
async function questions(): Promise<readonly Row[]> {
  const server = await serve(LARGE);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    const times: number[] = [];
    for (let n = -20; n < QUESTIONS; n++) {
      const [a, b] = [(Math.abs(n) * 7919) % LARGE.pods, (Math.abs(n) * 104_729 + 1) % LARGE.pods];
      const start = performance.now();
      const text = await get(agent, server, `explain?from=${podAt(a)}&to=${podAt(b)}:80`);
      // The first ones make the plans.
      if (n >= 0) times.push(performance.now() - start);
      if (!text.includes('"verdict"')) throw new TypeError(`no answer: ${text}`);
    }
    return [
      row("ui.explain", "JSON explain among 100,000 pods (p99)", "ms", quantile(times, 0.99), null, {
        of: "ours",
        at: "most",
        value: 5,
      }),
      row("ui.explain-median", "the same (p50)", "ms", quantile(times, 0.5)),
    ];
  } finally {
    agent.destroy();
    await server.end();
  }
}

function podAt(number: number): string {
  const workload = number % LARGE.workloads;
  return `pod/ns${workload % 10}/w${workload}-h-${number}`;
}

function get(
  agent: Agent,
  { origin, token }: { origin: string; token: string },
  question: string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    const asked = request(`${origin}/api/v1/${question}`, { agent, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve(text));
    });
    asked.on("error", reject);
    asked.end();
  });
}

/** From the request for the page until the frame after the map was drawn. */
async function firstPicture(browser: Browser, address: string): Promise<number> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  try {
    await page.goto(address);
    return await page.evaluate(
      () =>
        new Promise<number>((resolve) => {
          const look = () => {
            const drawn = performance.getEntriesByName("map-drawn").length > 0;
            if (drawn) requestAnimationFrame(() => resolve(performance.now()));
            else requestAnimationFrame(look);
          };
          look();
        }),
    );
  } finally {
    await page.close();
  }
}

async function ourFrames(browser: Browser, address: string): Promise<number> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  try {
    await page.goto(address);
    await page.goto(`${new URL(address).origin}/?page=map&open=all`);
    await page.waitForFunction(() => performance.getEntriesByName("map-drawn").length > 0);
    return await frames(page, ".picture .sigma-mouse");
  } finally {
    await page.close();
  }
}

/** The same things at the same places, with its usual settings but that edges are not drawn while it moves, as ours are not. */
async function cytoscapeFrames(
  browser: Browser,
  { origin, token }: { origin: string; token: string },
  script: string,
): Promise<number> {
  const agent = new Agent();
  const map = JSON.parse(await get(agent, { origin, token }, "map")) as MapAnswer;
  const html = `<!doctype html><style>body{margin:0}#cy{width:958px;height:760px}</style><div id=cy></div>
<script>${script}</script><script>cytoscape({container:document.getElementById("cy"),...${JSON.stringify(elementsOf(sceneOf(map, "all")))}})</script>`;
  const server = createServer((_request, response) =>
    response.setHeader("content-type", "text/html").end(html),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  try {
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    return await frames(page, "#cy");
  } finally {
    await page.close();
    agent.destroy();
    server.close();
  }
}

function elementsOf({ things, lines }: Scene) {
  return {
    elements: [
      ...things.map(({ id, label, x, y }) => ({ data: { id, label }, position: { x: x * 20, y: -y * 20 } })),
      ...lines.map(([source, target]) => ({ data: { id: `${source} ${target}`, source, target } })),
    ],
    layout: { name: "preset", fit: true },
    style: [
      { selector: "node", style: { width: 8, height: 8, label: "data(label)", "font-size": 6 } },
      { selector: "edge", style: { width: 1 } },
    ],
    hideEdgesOnViewport: true,
  };
}

/**
 * Drags the picture with the mouse, as somebody would, and returns how many frames a second there were. Events that are only
 * dispatched in the page move nothing in some libraries: what has not moved is no answer.
 */
async function frames(page: Page, target: string): Promise<number> {
  const box = (await page.locator(target).boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 };
  const at = (x: number, y: number) => page.mouse.move(box.x + x, box.y + y);
  const before = await page.screenshot({ clip: box });
  await at(30, 700);
  await page.mouse.down();
  await page.evaluate(() => {
    const counted = { frames: 0 };
    const count = () => {
      counted.frames++;
      requestAnimationFrame(count);
    };
    requestAnimationFrame(count);
    Object.assign(globalThis, { counted });
  });
  const counted = () =>
    page.evaluate(() => (globalThis as unknown as { counted: { frames: number } }).counted.frames);
  const first = await counted();
  const start = performance.now();
  for (let n = 0; performance.now() - start < PAN_MS; n++)
    await at(30 + 200 * Math.abs(Math.sin(n / 15)), 700 - 150 * Math.abs(Math.cos(n / 15)));
  const seen = (await counted()) - first;
  const seconds = (performance.now() - start) / 1000;
  const after = await page.screenshot({ clip: box });
  await page.mouse.up();
  if (before.equals(after)) throw new TypeError(`${target} does not move`);
  return seen / seconds;
}
