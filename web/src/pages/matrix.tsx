// Matrix: who reaches whom, as a heat map; the chosen row as a table, and the chosen cell with its reason.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { About, ExplainAnswer, MatrixAnswer, MatrixEnd, Verdict } from "../../../src/ui/api.ts";
import { useAnswer } from "../answers.ts";
import { pathOf } from "../client.ts";
import { drawGrid, type Frame, frameOf, type Grid, type Spot, spotAt } from "../matrix/draw.ts";
import { usePalette } from "../parts/colours.ts";
import { Empty, Failed, Head, Link, Mark } from "../parts/words.tsx";
import { useFilter } from "../place.ts";

const verdicts: Readonly<Record<string, Verdict>> = { "+": "yes", ".": "no", "?": "unknown" };

export function Matrix({ about, age }: { readonly about: About; readonly age: number }) {
  const [namespace, setNamespace] = useFilter("namespace");
  const [selector, setSelector] = useFilter("selector");
  const [port, setPort] = useFilter("port");
  const [hosts, setHosts] = useFilter("hosts");
  const [fold, setFold] = useFilter("fold");
  const query = { namespace: namespace === "" ? [] : namespace.split(","), selector, hosts, fold };
  const { answer, error, busy } = useAnswer<MatrixAnswer>(pathOf("matrix", query), age);
  const shown = answer && (answer.ports.includes(port) ? port : answer.ports[0]);
  return (
    <div class="page">
      <h1>Matrix</h1>
      <div class="filters">
        <label class="field">
          Namespace
          <select value={namespace} onChange={(event) => setNamespace(event.currentTarget.value)}>
            <option value="">all</option>
            {about.namespaces.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          Labels of pods
          <input
            value={selector}
            placeholder="app=web,tier!=test"
            spellcheck={false}
            onChange={(event) => setSelector(event.currentTarget.value)}
          />
        </label>
        <label class="field">
          Port
          <select value={shown ?? ""} onChange={(event) => setPort(event.currentTarget.value)}>
            {(answer?.ports ?? []).map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          Rows
          <select value={fold} onChange={(event) => setFold(event.currentTarget.value)}>
            <option value="">workloads where there are many pods</option>
            <option value="yes">workloads</option>
            <option value="no">pods</option>
          </select>
        </label>
        <label>
          <input
            type="checkbox"
            checked={hosts !== "no"}
            onChange={(event) => setHosts(event.currentTarget.checked ? "" : "no")}
          />
          hosts outside
        </label>
      </div>
      {error && <Failed error={error} />}
      {busy && !answer && <p class="busy">asking every pair…</p>}
      {answer && answer.rows.length === 0 && (
        <Empty title="Nobody to compare">
          <p>
            {namespace === "" && selector === ""
              ? "No pod has an address yet, and there are no hosts outside."
              : "No pod with an address fits these filters."}
          </p>
        </Empty>
      )}
      {answer && answer.rows.length > 0 && answer.ports.length === 0 && (
        <Empty title="No ports are declared">
          <p>Neither pods nor hosts declare a port here, so there is nothing to ask about.</p>
        </Empty>
      )}
      {answer && shown && answer.rows.length > 0 && (
        <GridView key={shown} answer={answer} port={shown} age={age} />
      )}
    </div>
  );
}

interface GridProps {
  readonly answer: MatrixAnswer;
  readonly port: string;
  readonly age: number;
}

function GridView({ answer, port, age }: GridProps) {
  const grid = useMemo((): Grid => {
    const { rows, columns, grids } = answer;
    const lines = grids[port] ?? [];
    // Who has no such port is nobody to reach on it.
    const asked = columns.flatMap((_, at) => (lines.some((line) => line[at] !== " ") ? [at] : []));
    return {
      rows,
      columns: asked.map((at) => columns[at]!),
      lines: lines.map((line) => asked.map((at) => line[at]).join("")),
    };
  }, [answer, port]);
  const [from, setFrom] = useFilter("from");
  const [to, setTo] = useFilter("to");
  const row = Math.max(
    0,
    grid.rows.findIndex(({ name }) => name === from),
  );
  const column = grid.columns.findIndex(({ name }) => name === to);
  const choose = (spot: Spot) => {
    setFrom(grid.rows[spot.row]?.name ?? "");
    setTo(grid.columns[spot.column]?.name ?? "");
  };
  const spot = from === "" ? undefined : { row, column: Math.max(0, column) };
  return (
    <>
      <Legend answer={answer} lines={grid.lines} />
      <div class="matrix">
        <Heat grid={grid} chosen={spot} choose={choose} port={port} />
        <aside>
          {spot && column >= 0 && (
            <Reason
              from={grid.rows[row]!}
              to={grid.columns[column]!}
              port={port}
              sign={grid.lines[row]?.[column]}
              age={age}
            />
          )}
          <RowTable grid={grid} row={row} port={port} choose={(at) => choose({ row, column: at })} />
        </aside>
      </div>
    </>
  );
}

function Legend({ answer, lines }: { readonly answer: MatrixAnswer; readonly lines: readonly string[] }) {
  const all = lines.join("");
  const count = (sign: string) => all.split(sign).length - 1;
  return (
    <p class="legend">
      <span class="swatch filled" aria-hidden="true" /> {count("+")} allowed
      <span class="swatch ring" aria-hidden="true" /> {count(".")} denied
      <span class="swatch diamond" aria-hidden="true" /> {count("?")} cannot be told
      <span class="note">
        rows send, columns take
        {answer.folded && "; of each workload one pod was asked"}
        {answer.left > 0 && `; ${answer.left} more are left out: filter by namespace or labels`}
      </span>
    </p>
  );
}

interface HeatProps {
  readonly grid: Grid;
  readonly chosen: Spot | undefined;
  readonly choose: (spot: Spot) => void;
  readonly port: string;
}

const steps: Readonly<Record<string, readonly [number, number]>> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

function Heat({ grid, chosen, choose, port }: HeatProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const palette = usePalette();
  const [frame, setFrame] = useState<Frame>(() => frameOf(grid, 800));
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => setFrame(frameOf(grid, box.current?.clientWidth ?? 800)), [grid]);
  useEffect(() => {
    const element = canvas.current;
    const context = element?.getContext("2d");
    if (!element || !context) return;
    const scale = devicePixelRatio;
    element.width = frame.width * scale;
    element.height = frame.height * scale;
    element.style.setProperty("width", `${frame.width}px`);
    element.style.setProperty("height", `${frame.height}px`);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    drawGrid(context, grid, frame, palette, chosen);
  }, [grid, frame, palette, chosen?.row, chosen?.column]);
  const move = (event: KeyboardEvent) => {
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const { row, column } = chosen ?? { row: 0, column: 0 };
    const within = (at: number, count: number) => Math.max(0, Math.min(count - 1, at));
    choose({
      row: within(row + step[0], grid.rows.length),
      column: within(column + step[1], grid.columns.length),
    });
  };
  return (
    <div class="heat" ref={box}>
      <canvas
        ref={canvas}
        role="img"
        tabIndex={0}
        aria-label={`Who reaches whom on ${port}: ${grid.rows.length} rows, ${grid.columns.length} columns. Arrow keys choose a cell; the tables beside say the same.`}
        onKeyDown={move}
        onClick={(event) => {
          const spot = spotAt(frame, grid, event.offsetX, event.offsetY);
          if (spot) choose(spot);
        }}
      />
    </div>
  );
}

interface ReasonProps {
  readonly from: MatrixEnd;
  readonly to: MatrixEnd;
  readonly port: string;
  readonly sign: string | undefined;
  readonly age: number;
}

/** Why a cell is what it is, from the same question that Ask asks. */
function Reason({ from, to, port, sign, age }: ReasonProps) {
  const target = `${to.name}:${port}`;
  const verdict = verdicts[sign ?? ""];
  const path = verdict && pathOf("explain", { from: from.name, to: target });
  const { answer, error } = useAnswer<ExplainAnswer>(path, age);
  return (
    <section class="reason" aria-live="polite">
      <h2>
        {from.label} → {to.label}, {port}
      </h2>
      {verdict ? (
        <Mark verdict={verdict} />
      ) : (
        <p class="note">not asked: it declares no such port, or is the same</p>
      )}
      {error && <Failed error={error} />}
      {answer && <p>{answer.headline}</p>}
      {answer?.steps
        .filter(({ decides }) => decides)
        .map((step) => (
          <p key={step.title} class="note">
            {step.title}: {step.objects.join(", ") || step.text[0]}
          </p>
        ))}
      {verdict && <Link to={{ page: "ask", filters: { from: from.name, to: target } }}>All steps</Link>}
    </section>
  );
}

interface RowProps {
  readonly grid: Grid;
  readonly row: number;
  readonly port: string;
  readonly choose: (column: number) => void;
}

function RowTable({ grid, row, port, choose }: RowProps) {
  const line = grid.lines[row] ?? "";
  const from = grid.rows[row];
  const asked = grid.columns.flatMap((end, at) => {
    const verdict = verdicts[line[at] ?? " "];
    return verdict ? [{ end, at, verdict }] : [];
  });
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section class="scroll row" aria-label="The chosen row" tabIndex={0}>
      <table>
        <caption>
          {from?.name} on {port}
        </caption>
        <Head columns={["To", "Verdict"]} />
        <tbody>
          {asked.map(({ end, at, verdict }) => (
            <tr key={end.name}>
              <th scope="row">
                <button type="button" class="plain" onClick={() => choose(at)}>
                  {end.name}
                </button>
                {end.pods > 1 && <span class="note"> {end.pods} pods</span>}
              </th>
              <td>
                <Mark verdict={verdict} />
              </td>
            </tr>
          ))}
          {asked.length === 0 && (
            <tr>
              <td colSpan={2}>Nobody else has this port.</td>
            </tr>
          )}
        </tbody>
      </table>
    </section>
  );
}
