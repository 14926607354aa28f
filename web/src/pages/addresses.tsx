// Addresses: how full pools, blocks and subnets are, who holds what, and what is held for names.
import type { AddressesAnswer } from "../../../src/ui/api.ts";
import { useAnswer } from "../answers.ts";
import { pathOf } from "../client.ts";
import { Empty, Failed, Fill, Head, Link, timeText } from "../parts/words.tsx";
import { useFilter } from "../place.ts";

const PAGE = 200;

export function Addresses({ age }: { readonly age: number }) {
  const [word, setWord] = useFilter("q");
  const [range, setRange] = useFilter("range");
  const [offset, setOffset] = useFilter("offset");
  const path = pathOf("addresses", { q: word, range, offset, limit: PAGE });
  const { answer, error } = useAnswer<AddressesAnswer>(path, age);
  const from = Number(offset) || 0;
  return (
    <div class="page">
      <h1>Addresses</h1>
      {error && <Failed error={error} />}
      {answer && (
        <>
          <Pools pools={answer.pools} />
          <div class="two">
            <Blocks blocks={answer.blocks} range={range} choose={setRange} />
            <div>
              <Subnets subnets={answer.subnets} range={range} choose={setRange} />
              <Held held={answer.held} />
            </div>
          </div>
        </>
      )}
      <div class="filters">
        <label class="field">
          Address, pod or node
          <input
            value={word}
            spellcheck={false}
            onInput={(event) => {
              setWord(event.currentTarget.value);
              setOffset("");
            }}
          />
        </label>
        {range !== "" && (
          <button type="button" onClick={() => setRange("")}>
            only {range} ✕
          </button>
        )}
      </div>
      {answer && <Holders answer={answer} from={from} turn={(to) => setOffset(to === 0 ? "" : String(to))} />}
    </div>
  );
}

function Pools({ pools }: Pick<AddressesAnswer, "pools">) {
  if (pools.length === 0)
    return (
      <Empty title="No pool">
        <p>
          There is no IPPool yet: pods have addresses of subnets alone, or none. <code>docs/ipam.md</code> has
          one.
        </p>
      </Empty>
    );
  return (
    <div class="scroll">
      <table>
        <caption>Pools</caption>
        <Head columns={["Pool", "Range", "In use", "Resting", "Blocks", "Unclaimed"]} />
        <tbody>
          {pools.map((one) => (
            <tr key={one.pool}>
              <th scope="row">{one.pool}</th>
              <td class="mono">{one.cidr}</td>
              <td>
                <Fill used={one.used} total={Number(one.size)} />
              </td>
              <td class="number">{one.cooling}</td>
              <td class="number">{one.blocks}</td>
              <td class="number">{one.unclaimed}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface Chosen {
  readonly range: string;
  readonly choose: (range: string) => void;
}

/** A range that can be chosen: then only who holds of it is listed. */
function RangeButton({ cidr, range, choose }: Chosen & { readonly cidr: string }) {
  return (
    <button
      type="button"
      class="plain address"
      aria-pressed={range === cidr}
      onClick={() => choose(range === cidr ? "" : cidr)}
    >
      {cidr}
    </button>
  );
}

function Blocks({ blocks, ...chosen }: Pick<AddressesAnswer, "blocks"> & Chosen) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section class="scroll tall" aria-label="Blocks" tabIndex={0}>
      <table>
        <caption>
          Blocks <span class="note">{blocks.length}</span>
        </caption>
        <Head columns={["Range", "Node", "In use", "Lent", "Resting"]} />
        <tbody>
          {blocks.map((one) => (
            <tr key={one.block}>
              <th scope="row">
                <RangeButton cidr={one.block} {...chosen} />
              </th>
              <td>
                {one.node}
                {one.state !== "confirmed" && <span class="tag">{one.state}</span>}
              </td>
              <td>
                <Fill used={one.used + one.lent} total={one.size} />
              </td>
              <td class="number">{one.lent}</td>
              <td class="number">{one.cooling}</td>
            </tr>
          ))}
          {blocks.length === 0 && (
            <tr>
              <td colSpan={5}>No node has claimed a block yet; it does when its first pod comes.</td>
            </tr>
          )}
        </tbody>
      </table>
    </section>
  );
}

function Subnets({ subnets, ...chosen }: Pick<AddressesAnswer, "subnets"> & Chosen) {
  return (
    <div class="scroll">
      <table>
        <caption>Subnets</caption>
        <Head columns={["Subnet", "Range", "Zone", "In use", "Pods"]} />
        <tbody>
          {subnets.map(({ name, cidr, zone, total, available, pods, shortBy }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>
                <RangeButton cidr={cidr} {...chosen} />
              </td>
              <td>{zone}</td>
              <td>
                {total === null || available === null ? (
                  "not known yet"
                ) : (
                  <Fill used={total - available} total={total} />
                )}
                {shortBy > 0 && <span class="tag wrong">{shortBy} short</span>}
              </td>
              <td class="number">{pods ?? "–"}</td>
            </tr>
          ))}
          {subnets.length === 0 && (
            <tr>
              <td colSpan={5}>No subnets: pods have addresses of pools.</td>
            </tr>
          )}
        </tbody>
      </table>
    </div>
  );
}

function Held({ held }: Pick<AddressesAnswer, "held">) {
  return (
    <div class="scroll">
      <table>
        <caption>Held for names</caption>
        <Head columns={["Pod", "Address", "How long", "Until"]} />
        <tbody>
          {held.map((one) => (
            <tr key={`${one.namespace}/${one.pod}`}>
              <th scope="row">
                {one.namespace}/{one.pod}
              </th>
              <td class="mono">{one.addresses.join(", ")}</td>
              <td>
                {one.strategy} {one.releaseAfter}
              </td>
              <td>
                {one.until === null ? (one.podRunning ? "with its pod" : "by hand") : timeText(one.until)}
              </td>
            </tr>
          ))}
          {held.length === 0 && (
            <tr>
              <td colSpan={4}>
                No address is held for a name: no PodNetworking with fixed addresses has pods.
              </td>
            </tr>
          )}
        </tbody>
      </table>
    </div>
  );
}

interface HoldersProps {
  readonly answer: AddressesAnswer;
  readonly from: number;
  readonly turn: (offset: number) => void;
}

function Holders({ answer: { holders, total }, from, turn }: HoldersProps) {
  return (
    <div class="scroll">
      <table>
        <caption>
          Who holds what{" "}
          <span class="note">
            {total === 0 ? "nobody" : `${from + 1} to ${from + holders.length} of ${total}`}
          </span>
        </caption>
        <Head columns={["Address", "Who", "Node", "Block or subnet", "Since"]} />
        <tbody>
          {holders.map((one) => (
            <tr key={`${one.address} ${one.name}`}>
              <th scope="row" class="address">
                {one.address}
              </th>
              <td>
                {/^(pod|node)\//.test(one.name) ? (
                  <Link to={{ page: "ask", filters: { from: one.name } }}>{one.name}</Link>
                ) : (
                  one.name
                )}
              </td>
              <td>{one.node ?? "–"}</td>
              <td class="mono">{one.range ?? "–"}</td>
              <td>{timeText(one.since)}</td>
            </tr>
          ))}
          {holders.length === 0 && (
            <tr>
              <td colSpan={5}>Nobody has an address that fits these filters.</td>
            </tr>
          )}
        </tbody>
      </table>
      {total > PAGE && (
        <p class="turn">
          <button type="button" disabled={from === 0} onClick={() => turn(Math.max(0, from - PAGE))}>
            Earlier
          </button>
          <button type="button" disabled={from + PAGE >= total} onClick={() => turn(from + PAGE)}>
            Later
          </button>
        </p>
      )}
    </div>
  );
}
