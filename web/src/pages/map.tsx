// Map: everything that has addresses, where it is. The list beside it says the same to whoever does not see the picture.
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { MapAnswer } from "../../../src/ui/api.ts";
import { useAnswer } from "../answers.ts";
import { pathOf } from "../client.ts";
import { MapCanvas } from "../map/canvas.ts";
import { detailsOf, nearTo } from "../map/details.ts";
import { type Scene, sceneOf, type Thing } from "../map/scene.ts";
import { usePalette } from "../parts/colours.ts";
import { Empty, Failed, Link } from "../parts/words.tsx";
import { useFilter } from "../place.ts";

/** More names at once help nobody. */
const LISTED = 300;

export default function CloudMap({ age }: { readonly age: number }) {
  const { answer, error } = useAnswer<MapAnswer>(pathOf("map"), age);
  if (error) return <Failed error={error} />;
  if (!answer) return <p class="busy">asking…</p>;
  if (answer.nodes.length + answer.outside.length + answer.pods.length === 0)
    return (
      <div class="page">
        <Empty title="An empty cluster">
          <p>
            There are no nodes, hosts or pods yet. Nodes appear once their agents have written down who they
            are.
          </p>
        </Empty>
      </div>
    );
  return <Shown map={answer} />;
}

function Shown({ map }: { readonly map: MapAnswer }) {
  const [open, setOpen] = useFilter("open");
  const [chosen, setChosen] = useFilter("chosen");
  const [word, setWord] = useFilter("q");
  const unfolded = useMemo(
    () => (open === "all" ? "all" : new Set(open.split(" ").filter((id) => id !== ""))),
    [open],
  );
  const scene = useMemo(() => sceneOf(map, unfolded), [map, unfolded]);
  const thing = scene.things.find(({ id }) => id === chosen);
  const toggle = (id: string) => {
    const now = new Set(unfolded === "all" ? [] : unfolded);
    if (!now.delete(id)) now.add(id);
    setOpen([...now].join(" "));
  };
  return (
    <div class="map">
      <Picture map={map} scene={scene} chosen={thing} choose={setChosen} />
      <aside aria-label="What is on the map">
        <h1>Map</h1>
        <p class="note">
          {map.nodes.length} nodes, {map.pods.length} pods of {map.workloads.length} workloads,{" "}
          {map.ranges.length} ranges, {map.outside.length} outside
        </p>
        <div class="filters">
          <label class="field">
            Name
            <input value={word} spellcheck={false} onInput={(event) => setWord(event.currentTarget.value)} />
          </label>
          <button
            type="button"
            aria-pressed={unfolded === "all"}
            onClick={() => setOpen(unfolded === "all" ? "" : "all")}
          >
            Every pod
          </button>
        </div>
        {thing && (
          <Details
            map={map}
            thing={thing}
            isOpen={unfolded === "all" || unfolded.has(thing.id)}
            toggle={toggle}
          />
        )}
        <Names scene={scene} word={word} chosen={chosen} choose={setChosen} />
      </aside>
    </div>
  );
}

interface PictureProps {
  readonly map: MapAnswer;
  readonly scene: Scene;
  readonly chosen: Thing | undefined;
  readonly choose: (id: string) => void;
}

const moves: Readonly<Record<string, (canvas: MapCanvas) => void>> = {
  ArrowLeft: (canvas) => canvas.move(-0.1, 0),
  ArrowRight: (canvas) => canvas.move(0.1, 0),
  ArrowUp: (canvas) => canvas.move(0, 0.1),
  ArrowDown: (canvas) => canvas.move(0, -0.1),
  "+": (canvas) => canvas.zoom(1.4),
  "=": (canvas) => canvas.zoom(1.4),
  "-": (canvas) => canvas.zoom(1 / 1.4),
  "0": (canvas) => canvas.whole(),
};

function Picture({ map, scene, chosen, choose }: PictureProps) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<MapCanvas>(undefined);
  const palette = usePalette();
  const take = useRef(choose);
  take.current = choose;
  const colours = useMemo(() => ({ ...palette, line: palette["strong-line"], away: palette.no }), [palette]);
  useEffect(() => {
    if (!box.current) return undefined;
    const made = new MapCanvas(box.current, colours, (id) => take.current(id ?? ""));
    canvas.current = made;
    return () => made.end();
  }, []);
  useEffect(() => {
    canvas.current?.show(scene, colours);
    performance.mark("map-drawn");
  }, [scene, colours]);
  useEffect(() => {
    canvas.current?.mark(chosen?.id, chosen ? nearTo(map, chosen.id) : new Set());
  }, [map, chosen?.id]);
  const press = (event: KeyboardEvent) => {
    const move = moves[event.key];
    if (!move || !canvas.current) return;
    event.preventDefault();
    move(canvas.current);
  };
  const act = (key: string) => () => canvas.current && moves[key]?.(canvas.current);
  return (
    <section
      class="picture"
      aria-label="Picture of the cluster; the list beside it says the same. Arrow keys move it, plus and minus zoom, 0 shows all."
      // biome-ignore lint/a11y/noNoninteractiveTabindex: keys move the picture
      tabIndex={0}
      onKeyDown={press}
    >
      <div class="canvas" ref={box} aria-hidden="true" />
      <div class="tools">
        <button type="button" aria-label="Nearer" onClick={act("+")}>
          +
        </button>
        <button type="button" aria-label="Further" onClick={act("-")}>
          −
        </button>
        <button type="button" onClick={act("0")}>
          All
        </button>
        {chosen && (
          <button type="button" onClick={() => canvas.current?.seek(chosen.id)}>
            Go to {chosen.label}
          </button>
        )}
      </div>
      <ul class="key" aria-label="Shapes">
        <li class="k-node">node</li>
        <li class="k-host">host</li>
        <li class="k-router">router</li>
        <li class="k-range">block, subnet</li>
        <li class="k-pod">workload, pod</li>
        <li class="k-away">not ready</li>
      </ul>
    </section>
  );
}

interface DetailsProps {
  readonly map: MapAnswer;
  readonly thing: Thing;
  readonly isOpen: boolean;
  readonly toggle: (id: string) => void;
}

function Details({ map, thing, isOpen, toggle }: DetailsProps) {
  const { rows, range } = detailsOf(map, thing.id);
  const asked = thing.kind === "block" || thing.kind === "subnet" ? undefined : thing.name;
  return (
    <section class="reason" aria-live="polite">
      <h2>
        {thing.kind} {thing.label}
      </h2>
      <dl>
        {rows.map(([name, text]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <p class="turn">
        {thing.kind === "workload" && (
          <button type="button" aria-pressed={isOpen} onClick={() => toggle(thing.id)}>
            {isOpen ? "Fold its pods" : "Show its pods"}
          </button>
        )}
        {asked && <Link to={{ page: "ask", filters: { from: asked } }}>Ask from here</Link>}
        {asked && <Link to={{ page: "ask", filters: { to: asked } }}>Ask to here</Link>}
        {range && <Link to={{ page: "addresses", filters: { range } }}>Who holds its addresses</Link>}
      </p>
    </section>
  );
}

interface NamesProps {
  readonly scene: Scene;
  readonly word: string;
  readonly chosen: string;
  readonly choose: (id: string) => void;
}

function Names({ scene, word, chosen, choose }: NamesProps) {
  const wanted = word.toLowerCase();
  const found = scene.things.filter(({ id }) => id.toLowerCase().includes(wanted));
  return (
    <>
      <ul class="names" aria-label="Names">
        {found.slice(0, LISTED).map(({ id, kind, label, isAway }) => (
          <li key={id}>
            <button
              type="button"
              class={`plain k-${kind}`}
              aria-pressed={id === chosen}
              onClick={() => choose(id)}
            >
              {label}
            </button>
            <span class="note">
              {kind}
              {isAway && ", not ready"}
            </span>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p class="note">Nothing on the map is called '{word}'.</p>}
      {found.length > LISTED && <p class="note">and {found.length - LISTED} more: say more of the name</p>}
    </>
  );
}
