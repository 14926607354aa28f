// Refused: packets that nodes' rules refused, as it happens; it can be held, so that it can be read.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { About, RefusedAnswer, RefusedPackets } from "../../../src/ui/api.ts";
import { follow } from "../client.ts";
import { Empty, Head, Link, timeText } from "../parts/words.tsx";
import { useFilter } from "../place.ts";

/** What is kept to be shown; agents keep no more either. */
const KEPT = 500;

type Entries = ReadonlyMap<string, RefusedPackets>;

export function Refused({ about }: { readonly about: About }) {
  const [word, setWord] = useFilter("q");
  const [held, setHeld] = useState(false);
  const { entries, silent, waiting } = useRefusals(about.refused === true, held);
  const shown = useMemo(() => {
    const wanted = word.toLowerCase();
    return [...entries.values()].filter((one) => textOf(one).includes(wanted)).reverse();
  }, [entries, word]);
  if (about.refused !== true)
    return (
      <div class="page">
        <h1>Refused</h1>
        <Empty title="Not known here">
          <p>{about.refused}.</p>
        </Empty>
      </div>
    );
  return (
    <div class="page">
      <h1>Refused</h1>
      <div class="filters">
        <label class="field">
          Pod, policy, port or node
          <input value={word} spellcheck={false} onInput={(event) => setWord(event.currentTarget.value)} />
        </label>
        <button type="button" aria-pressed={held} onClick={() => setHeld(!held)}>
          {held ? `Go on${waiting > 0 ? ` (${waiting} waiting)` : ""}` : "Pause"}
        </button>
      </div>
      {silent.map(({ node, why }) => (
        <p key={node} class="failed" role="alert">
          {node} does not tell: {why}
        </p>
      ))}
      {shown.length === 0 ? (
        <Empty title={entries.size === 0 ? "Nothing was refused" : "Nothing that fits"}>
          <p>
            {entries.size === 0
              ? "No rule has refused a packet since the agents started, as far as they remember (their last thousand). New ones appear here at once."
              : `${entries.size} are known; none holds '${word}'.`}
          </p>
        </Empty>
      ) : (
        <Table shown={shown} />
      )}
    </div>
  );
}

function Table({ shown }: { readonly shown: readonly RefusedPackets[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section class="scroll" aria-label="Refused packets" tabIndex={0}>
      <table>
        <caption>
          {shown.length === 1 ? "1 flow" : `${shown.length} flows`}, the newest first{" "}
          <span class="note">one line a flow and minute</span>
        </caption>
        <Head columns={["Last", "From", "To", "Port", "Refused by", "What would help", "Packets"]} />
        <tbody>
          {shown.map((one) => (
            <tr key={one.id}>
              <td>{timeText(one.last)}</td>
              <th scope="row">
                <End end={one.from} />
              </th>
              <td>
                <End end={one.to} />
              </td>
              <td class="mono">{one.port}</td>
              <td>
                <b>{one.policies.length > 0 ? one.policies.join(", ") : one.by}</b>{" "}
                <span class="note">
                  {one.direction} at {one.node}
                </span>
                <br />
                {one.reason}
              </td>
              <td>
                {one.help ?? "–"} <AskLink one={one} />
              </td>
              <td class="number">{one.packets}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function End({ end }: { readonly end: RefusedPackets["from"] }) {
  return (
    <>
      {end.name ?? "nobody that is known"} <span class="address note">{end.address}</span>
    </>
  );
}

function AskLink({ one }: { readonly one: RefusedPackets }) {
  if (!/^\d+\/(tcp|udp|sctp)$/.test(one.port)) return null;
  const address = one.to.address.includes(":") ? `[${one.to.address}]` : one.to.address;
  const filters = {
    from: one.from.name ?? one.from.address,
    to: `${one.to.name ?? address}:${one.port}`,
  };
  return <Link to={{ page: "ask", filters }}>Ask</Link>;
}

function textOf({ from, to, port, by, policies, node, reason }: RefusedPackets): string {
  return [from.name, from.address, to.name, to.address, port, by, ...policies, node, reason]
    .join(" ")
    .toLowerCase();
}

/** Follows refusals; while held they are gathered and not shown. */
function useRefusals(isKnown: boolean, held: boolean) {
  const [entries, setEntries] = useState<Entries>(new Map());
  const [silent, setSilent] = useState<RefusedAnswer["silent"]>([]);
  const [waiting, setWaiting] = useState(0);
  const gathered = useRef<RefusedPackets[]>([]);
  const isHeld = useRef(held);
  isHeld.current = held;
  const take = () => {
    const fresh = gathered.current;
    gathered.current = [];
    setWaiting(0);
    if (fresh.length > 0) setEntries((before) => withFresh(before, fresh));
  };
  useEffect(() => {
    if (!isKnown) return undefined;
    return follow(
      "refused/stream",
      (_event, data) => {
        const { refusals, silent: now } = data as RefusedAnswer;
        setSilent(now);
        gathered.current = [...gathered.current, ...refusals].slice(-KEPT);
        if (isHeld.current) setWaiting(gathered.current.length);
        else take();
      },
      () => undefined,
    );
  }, [isKnown]);
  useEffect(() => {
    if (!held) take();
  }, [held]);
  return { entries, silent, waiting };
}

function withFresh(before: Entries, fresh: readonly RefusedPackets[]): Entries {
  const all = new Map(before);
  for (const one of fresh) {
    // What counted on is the newest.
    all.delete(one.id);
    all.set(one.id, one);
  }
  for (const id of all.keys()) {
    if (all.size <= KEPT) break;
    all.delete(id);
  }
  return all;
}
