// The map on a canvas: sigma draws, this tells it what and in which colours.
import Graph from "graphology";
import Sigma from "sigma";
import { EdgeRectangleProgram } from "sigma/rendering";
import type { Kind, Scene, Thing } from "./scene.ts";
import { Bar, Diamond, Round, Square, Triangle } from "./shapes.ts";

export interface MapColours {
  readonly text: string;
  readonly line: string;
  readonly own: string;
  readonly away: string;
  readonly soft: string;
  readonly ground: string;
}

const shapes: Readonly<Record<Kind, string>> = {
  node: "square",
  host: "diamond",
  router: "triangle",
  block: "bar",
  subnet: "bar",
  workload: "round",
  pod: "round",
};

export class MapCanvas {
  readonly #graph = new Graph({ type: "undirected" });
  readonly #sigma: Sigma;
  #colours: MapColours;
  #chosen: string | undefined;
  #near: ReadonlySet<string> = new Set();

  /** @param choose is told what somebody clicked; undefined: nothing */
  constructor(box: HTMLElement, colours: MapColours, choose: (id: string | undefined) => void) {
    this.#colours = colours;
    this.#sigma = new Sigma(this.#graph, box, {
      nodeProgramClasses: { round: Round, square: Square, diamond: Diamond, bar: Bar, triangle: Triangle },
      edgeProgramClasses: { line: EdgeRectangleProgram },
      defaultEdgeType: "line",
      defaultNodeType: "round",
      // Moving is what has to be smooth; all is there again when it stops.
      hideEdgesOnMove: true,
      hideLabelsOnMove: true,
      labelFont: "system-ui, sans-serif",
      labelSize: 12,
      labelDensity: 0.7,
      labelRenderedSizeThreshold: 5,
      labelColor: { color: colours.text },
      // The key stands at the bottom, tools at the top.
      stagePadding: 56,
      zIndex: true,
      minCameraRatio: 0.02,
      maxCameraRatio: 4,
      nodeReducer: (id, data) => this.#look(id, data),
      defaultDrawNodeHover: (context, data) => this.#drawHover(context, data),
    });
    this.#sigma.on("clickNode", ({ node }) => choose(node));
    this.#sigma.on("clickStage", () => choose(undefined));
  }

  /** Shows a scene in these colours. */
  show({ things, lines }: Scene, colours: MapColours): void {
    this.#colours = colours;
    this.#sigma.setSetting("labelColor", { color: colours.text });
    const graph = this.#graph;
    const ids = new Set(things.map(({ id }) => id));
    for (const id of graph.nodes()) if (!ids.has(id)) graph.dropNode(id);
    for (const thing of things) graph.mergeNode(thing.id, this.#attributes(thing));
    graph.clearEdges();
    for (const [from, to] of lines)
      if (ids.has(from) && ids.has(to)) graph.mergeEdge(from, to, { color: colours.line, size: 1 });
    this.#sigma.refresh();
  }

  /** Marks a thing and those that belong to it. */
  mark(id: string | undefined, near: ReadonlySet<string>): void {
    this.#chosen = id;
    this.#near = near;
    this.#sigma.refresh({ skipIndexation: true });
  }

  /** Moves, in parts of the picture's width. */
  move(x: number, y: number): void {
    const camera = this.#sigma.getCamera();
    const state = camera.getState();
    camera.setState({ ...state, x: state.x + x * state.ratio, y: state.y + y * state.ratio });
  }

  /** @param by more than 1: nearer */
  zoom(by: number): void {
    const camera = this.#sigma.getCamera();
    camera.setState({ ratio: camera.getBoundedRatio(camera.getState().ratio / by) });
  }

  whole(): void {
    this.#sigma.getCamera().setState({ x: 0.5, y: 0.5, ratio: 1, angle: 0 });
  }

  /** Brings a thing into the middle. */
  seek(id: string): void {
    const data = this.#sigma.getNodeDisplayData(id);
    const camera = this.#sigma.getCamera();
    if (data) camera.setState({ x: data.x, y: data.y, ratio: Math.min(camera.getState().ratio, 0.35) });
  }

  end(): void {
    this.#sigma.kill();
  }

  #attributes({ kind, label, x, y, size, isAway }: Thing) {
    const { own, away, soft, text } = this.#colours;
    const plain = kind === "pod" || kind === "workload" ? own : kind === "node" ? text : soft;
    return { x, y, size, label, type: shapes[kind], color: isAway ? away : plain, forceLabel: false };
  }

  #look(id: string, data: Record<string, unknown>): Record<string, unknown> {
    if (this.#chosen === undefined) return data;
    if (id === this.#chosen) return { ...data, highlighted: true, zIndex: 2 };
    if (this.#near.has(id)) return { ...data, forceLabel: this.#near.size < 40, zIndex: 1 };
    return { ...data, color: this.#colours.line };
  }

  /** Sigma's own has a white ground, which is nothing for the dark. */
  #drawHover(
    context: CanvasRenderingContext2D,
    { x, y, size, label }: { x: number; y: number; size: number; label: string | null },
  ): void {
    const text = label ?? "";
    context.font = "600 12px system-ui, sans-serif";
    const width = context.measureText(text).width + 12;
    context.fillStyle = this.#colours.ground;
    context.strokeStyle = this.#colours.own;
    context.lineWidth = 2;
    context.beginPath();
    context.arc(x, y, size + 4, 0, 2 * Math.PI);
    context.stroke();
    context.beginPath();
    context.roundRect(x + size + 6, y - 11, width, 22, 4);
    context.fill();
    context.stroke();
    context.fillStyle = this.#colours.text;
    context.textBaseline = "middle";
    context.fillText(text, x + size + 12, y);
    context.textBaseline = "alphabetic";
  }
}
