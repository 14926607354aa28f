// The frame around all pages: where one is, whose cluster this is, and whether what is shown is live.
import { lazy, Suspense } from "preact/compat";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { About, ChangeEvent } from "../../src/ui/api.ts";
import { useAnswer } from "./answers.ts";
import { follow, hasToken, pathOf, setToken } from "./client.ts";
import { Addresses } from "./pages/addresses.tsx";
import { Ask } from "./pages/ask.tsx";
import { Lists } from "./pages/lists.tsx";
import { Matrix } from "./pages/matrix.tsx";
import { Refused } from "./pages/refused.tsx";
import { Empty, Link } from "./parts/words.tsx";
import { type PageName, pageNames, usePlace } from "./place.ts";

/** Drawing thousands of pods takes a library that no other page needs. */
const CloudMap = lazy(() => import("./pages/map.tsx"));

const titles: Readonly<Record<PageName, string>> = {
  map: "Map",
  ask: "Ask",
  matrix: "Matrix",
  addresses: "Addresses",
  lists: "Lists",
  refused: "Refused",
};

export function App() {
  const [isIn, setIn] = useState(hasToken());
  return isIn ? <Inside leave={() => setIn(false)} /> : <Door enter={() => setIn(true)} />;
}

function Inside({ leave }: { readonly leave: () => void }) {
  const { page } = usePlace();
  const [age, live] = useLive();
  const { answer: about, error } = useAnswer<About>(pathOf("about"), age);
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    document.title = `${titles[page]} · ${about?.name ?? "Trunkline"}`;
  }, [page, about?.name]);
  const first = useRef(true);
  useLayoutEffect(() => {
    // Who follows a link by keyboard goes on in what it led to: with the page itself, so that no key goes astray before it.
    if (!first.current) main.current?.focus();
    first.current = false;
  }, [page]);
  return (
    <>
      <a class="skip" href="#main">
        Skip to the page
      </a>
      <header class="bar">
        <span class="brand">Trunkline</span>
        <nav aria-label="Pages">
          {pageNames.map((name) => (
            <Link key={name} to={{ page: name, filters: {} }} current={name === page}>
              {titles[name]}
            </Link>
          ))}
        </nav>
        <span class="whose">
          {about && (
            <>
              {about.kind} <b>{about.name}</b>
            </>
          )}
          <span class={live ? "live" : "live away"} role="status">
            {live ? "live" : "not live"}
          </span>
        </span>
      </header>
      <main id="main" tabIndex={-1} ref={main} data-page={page}>
        {about ? (
          <Page name={page} about={about} age={age} />
        ) : (
          error && (
            <Empty title="Nothing can be shown">
              <p>{error}</p>
              <button type="button" onClick={leave}>
                Give another token
              </button>
            </Empty>
          )
        )}
      </main>
    </>
  );
}

function Page({
  name,
  about,
  age,
}: {
  readonly name: PageName;
  readonly about: About;
  readonly age: number;
}) {
  switch (name) {
    case "map":
      return (
        <Suspense fallback={<p class="busy">drawing…</p>}>
          <CloudMap age={age} />
        </Suspense>
      );
    case "ask":
      return <Ask about={about} age={age} />;
    case "matrix":
      return <Matrix about={about} age={age} />;
    case "addresses":
      return <Addresses age={age} />;
    case "lists":
      return <Lists age={age} />;
    case "refused":
      return <Refused about={about} />;
  }
}

/** Returns a number that changes as objects do, and whether that would be heard of. */
function useLive(): [number, boolean] {
  const [age, setAge] = useState(0);
  const [live, setLive] = useState(true);
  useEffect(() => follow("events", (_event, data) => setAge((data as ChangeEvent).revision), setLive), []);
  return [age, live];
}

function Door({ enter }: { readonly enter: () => void }) {
  const [text, setText] = useState("");
  return (
    <main id="main" class="door">
      <h1>Trunkline</h1>
      <p>
        Open the address that <code>trunkline ui</code> or <code>trunkline lab up</code> printed, with all
        that stands behind <code>#</code>; or give its token here.
      </p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setToken(text);
          enter();
        }}
      >
        <label for="token">Address or token</label>
        <input
          id="token"
          value={text}
          autocomplete="off"
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <button type="submit">Open</button>
      </form>
    </main>
  );
}
