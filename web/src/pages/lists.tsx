// Lists: what destinations admit. Each AddressList with its ranges, who needs them, and what each place has taken.
import { useState } from "preact/hooks";
import type { ListState, ListsAnswer, ListText } from "../../../src/ui/api.ts";
import { useAnswer, wordsOf } from "../answers.ts";
import { ask, pathOf } from "../client.ts";
import { Empty, Failed, Head, Mark, timeText } from "../parts/words.tsx";
import { useFilter } from "../place.ts";

export function Lists({ age }: { readonly age: number }) {
  const [chosen, setChosen] = useFilter("list");
  const { answer, error } = useAnswer<ListsAnswer>(pathOf("lists"), age);
  const list = answer?.lists.find(({ name }) => name === chosen) ?? answer?.lists[0];
  return (
    <div class="page">
      <h1>Lists</h1>
      {error && <Failed error={error} />}
      {answer && !list && (
        <Empty title="There is no AddressList">
          <p>
            One keeps what a database, a proxy or a firewall must admit for pods, and puts it there:{" "}
            <code>docs/allowlist.md</code>, <code>examples/allowlist</code>. Without one,{" "}
            <code>trunkline allowlist TO</code> prints the ranges.
          </p>
        </Empty>
      )}
      {answer && list && (
        <div class="side">
          <nav aria-label="Lists">
            {answer.lists.map((one) => (
              <button
                type="button"
                key={one.name}
                aria-pressed={one.name === list.name}
                onClick={() => setChosen(one.name)}
              >
                {one.name}
                <span class="note">
                  {" "}
                  {one.ranges.length} for {one.to}
                </span>
              </button>
            ))}
          </nav>
          <OneList key={list.name} list={list} forms={answer.forms} />
        </div>
      )}
    </div>
  );
}

function OneList({ list, forms }: { readonly list: ListState; readonly forms: readonly string[] }) {
  const unused = list.entries.filter(({ unusedSince }) => unusedSince !== undefined);
  return (
    <div>
      <h2>
        {list.name}{" "}
        <span class="note">
          what {list.to} must admit, revision {list.revision}
        </span>
      </h2>
      {list.ready && (
        <p>
          <Mark
            verdict={list.ready.status === "True" ? "yes" : list.ready.status === "False" ? "no" : "unknown"}
          >
            {list.ready.status === "True" ? "in every place" : "not in every place"}
          </Mark>{" "}
          {list.ready.message}
        </p>
      )}
      <Copy list={list} forms={forms} />
      <Entries list={list} unused={unused.length} />
      <Sinks sinks={list.sinks} />
      {list.strangers.length > 0 && <Strangers strangers={list.strangers} />}
      {list.unknown.length > 0 && (
        <>
          <h2>Not known</h2>
          <ul>
            {list.unknown.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

function Copy({ list, forms }: { readonly list: ListState; readonly forms: readonly string[] }) {
  const [form, setForm] = useState(forms[0] ?? "text");
  const [said, setSaid] = useState("");
  const [text, setText] = useState("");
  const copy = async () => {
    try {
      const path = `${pathOf(`lists/${encodeURIComponent(list.name)}`, { form })}`;
      const answer = await ask<ListText>(path);
      setText(answer.text);
      await navigator.clipboard.writeText(answer.text);
      setSaid(`copied as ${form}`);
    } catch (error) {
      // Browsers may forbid it; the text stands below all the same.
      setSaid(
        error instanceof DOMException
          ? "the browser does not let us copy: take it from below"
          : wordsOf(error),
      );
    }
  };
  return (
    <div class="filters">
      <label class="field">
        Copy as
        <select value={form} onChange={(event) => setForm(event.currentTarget.value)}>
          {forms.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <button type="button" class="main" onClick={() => void copy()}>
        Copy
      </button>
      <span role="status">{said}</span>
      {text !== "" && (
        <label class="field wide">
          The text
          <textarea readOnly rows={6} value={text} />
        </label>
      )}
    </div>
  );
}

function Entries({ list, unused }: { readonly list: ListState; readonly unused: number }) {
  return (
    <div class="scroll">
      <table>
        <caption>
          Entries{" "}
          <span class="note">{unused === 0 ? "all in use" : `${unused} that nobody uses any more`}</span>
        </caption>
        <Head columns={["Range", "Needed by", "Unused since"]} />
        <tbody>
          {list.entries.map((one) => (
            <tr key={one.range} class={one.unusedSince === undefined ? "" : "faded"}>
              <th scope="row" class="address">
                {one.range}
              </th>
              <td>
                {one.neededBy.join(", ")}
                {one.pods > one.neededBy.length && ` and ${one.pods - one.neededBy.length} more`}
                {one.pods === 0 && "nobody: it rests, then goes"}
              </td>
              <td>{timeText(one.unusedSince)}</td>
            </tr>
          ))}
          {list.entries.length === 0 && (
            <tr>
              <td colSpan={3}>No pod that it speaks of has an address, so nobody needs to be admitted.</td>
            </tr>
          )}
        </tbody>
      </table>
    </div>
  );
}

function Sinks({ sinks }: Pick<ListState, "sinks">) {
  return (
    <div class="scroll">
      <table>
        <caption>Where it is put</caption>
        <Head columns={["Sink", "Kind", "Where", "Has", "Taken"]} />
        <tbody>
          {sinks.map((sink) => (
            <tr key={`${sink.name} ${sink.at}`}>
              <th scope="row">{sink.name}</th>
              <td>{sink.type}</td>
              <td>{sink.at}</td>
              <td>
                {sink.error === undefined ? (
                  <Mark verdict="yes">
                    revision {sink.revision}, {sink.ranges} ranges
                  </Mark>
                ) : (
                  <>
                    <Mark verdict="no">revision {sink.revision} still</Mark> since {timeText(sink.errorSince)}
                    : {sink.error}
                  </>
                )}
              </td>
              <td>{timeText(sink.takenAt)}</td>
            </tr>
          ))}
          {sinks.length === 0 && (
            <tr>
              <td colSpan={5}>It names no sink: it is only told here and in its status.</td>
            </tr>
          )}
        </tbody>
      </table>
    </div>
  );
}

function Strangers({ strangers }: Pick<ListState, "strangers">) {
  return (
    <div class="scroll">
      <table>
        <caption>Who else gets in, as ranges were put together</caption>
        <Head columns={["Range", "Other addresses", "Somebody has"]} />
        <tbody>
          {strangers.map((one) => (
            <tr key={one.range}>
              <th scope="row" class="address">
                {one.range}
              </th>
              <td class="number">{one.addresses}</td>
              <td>
                {one.known}{" "}
                {one.names.length > 0 &&
                  `(${one.names.join(", ")}${one.known > one.names.length ? ", …" : ""})`}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
