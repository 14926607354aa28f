// Ask: may a flow pass, which way, which source address is seen, and which object decides. In a lab, packets say the same.
import { useEffect, useId, useState } from "preact/hooks";
import type { About, EndsAnswer, ExplainAnswer, ProbeResult, Step, Verdict } from "../../../src/ui/api.ts";
import { useAnswer, wordsOf } from "../answers.ts";
import { pathOf, post } from "../client.ts";
import { Empty, Failed, Mark } from "../parts/words.tsx";
import { go, usePlace } from "../place.ts";

export function Ask({ about, age }: { readonly about: About; readonly age: number }) {
  const { filters } = usePlace();
  const { from = "", to = "" } = filters;
  const asked = from === "" || to === "" ? undefined : pathOf("explain", { from, to });
  const { answer, error, busy } = useAnswer<ExplainAnswer>(asked, age);
  return (
    <div class="page narrow">
      <h1>Ask</h1>
      <Question key={`${from} ${to}`} from={from} to={to} />
      {asked === undefined && (
        <Empty title="May it pass, and as whom?">
          <p>
            Name who sends and who is sent to, with a port where you like: <code>pod/web</code>,{" "}
            <code>deployment/shop/cart</code>, <code>host/db:5432</code>, <code>svc/web:80</code>,{" "}
            <code>10.0.0.9:6379/tcp</code>, <code>node/node1/icmp</code>. The answer comes from the same plans
            that the nodes' rules are made from; no packet is sent.
          </p>
        </Empty>
      )}
      {busy && !answer && <p class="busy">asking…</p>}
      {error && <Failed error={error} />}
      {answer && <Answer answer={answer} />}
      {answer && <Probe key={asked} about={about} from={from} to={to} expected={answer.verdict} />}
    </div>
  );
}

function Question({ from, to }: { readonly from: string; readonly to: string }) {
  const [sender, setSender] = useState(from);
  const [target, setTarget] = useState(to);
  return (
    <form
      class="question"
      onSubmit={(event) => {
        event.preventDefault();
        go({ page: "ask", filters: { from: sender.trim(), to: target.trim() } });
      }}
    >
      <EndField label="From" value={sender} set={setSender} />
      <button
        type="button"
        class="swap"
        aria-label="Swap the two ends"
        title="Swap the two ends"
        onClick={() => {
          setSender(target.replace(/(:[^/]*(\/\w+)?|\/icmp)$/, ""));
          setTarget(sender);
        }}
      >
        ⇄
      </button>
      <EndField label="To, with an optional port" value={target} set={setTarget} />
      <button type="submit">Ask</button>
    </form>
  );
}

interface EndFieldProps {
  readonly label: string;
  readonly value: string;
  readonly set: (value: string) => void;
}

function EndField({ label, value, set }: EndFieldProps) {
  const id = useId();
  const [word, setWord] = useState(value);
  // Not at each key: a cluster has many names.
  useEffect(() => {
    const timer = setTimeout(() => setWord(value), 150);
    return () => clearTimeout(timer);
  }, [value]);
  const { answer } = useAnswer<EndsAnswer>(pathOf("ends", { q: word.replace(/:\S*$/, "") }));
  return (
    <span class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        list={`${id}-names`}
        value={value}
        required
        autocomplete="off"
        spellcheck={false}
        placeholder="pod/NAMESPACE/NAME"
        onInput={(event) => set(event.currentTarget.value)}
      />
      <datalist id={`${id}-names`}>
        {(answer?.ends ?? []).map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </span>
  );
}

const banners: Readonly<Record<Verdict, string>> = {
  yes: "Allowed",
  no: "Does not get through",
  unknown: "Cannot be told",
};

function Answer({ answer }: { readonly answer: ExplainAnswer }) {
  const { explanation, verdict, headline, steps } = answer;
  return (
    <section aria-label="Answer">
      <div class={`banner ${verdict}`} role="status">
        <Mark verdict={verdict}>{banners[verdict]}</Mark>
        <p>
          {explanation.from.of} → {explanation.to.of}, {explanation.port ?? "ICMP echo"}
        </p>
        <p class="headline">{headline}</p>
        <p>
          Source seen: <b class="address">{explanation.sourceSeen ?? "none"}</b>
        </p>
      </div>
      <ol class="steps">
        {steps.map((step, at) => (
          <StepLine key={`${at} ${step.stage}`} step={step} />
        ))}
      </ol>
    </section>
  );
}

function StepLine({ step }: { readonly step: Step }) {
  return (
    <li class={`step ${step.verdict ?? "plain"}${step.decides ? " decides" : ""}`}>
      <div class="what">
        <h2>{step.title}</h2>
        {step.verdict && <Mark verdict={step.verdict} />}
        {step.decides && <span class="tag">decides</span>}
      </div>
      {step.text.map((text) => (
        <p key={text}>{text}</p>
      ))}
      {step.objects.length > 0 && (
        <ul class={step.decides ? "objects of-decider" : "objects"} aria-label="Objects">
          {step.objects.map((name) => (
            <li key={name}>{name}</li>
          ))}
        </ul>
      )}
    </li>
  );
}

interface ProbeProps {
  readonly about: About;
  readonly from: string;
  readonly to: string;
  readonly expected: Verdict;
}

function Probe({ about, from, to, expected }: ProbeProps) {
  const [state, setState] = useState<{ busy: boolean; result?: ProbeResult; error?: string }>({
    busy: false,
  });
  if (about.probe !== true) return <p class="note">No Probe here: {about.probe}.</p>;
  const probe = async () => {
    setState({ busy: true });
    try {
      setState({ busy: false, result: await post<ProbeResult>("probe", { from, to }) });
    } catch (error) {
      setState({ busy: false, error: wordsOf(error) });
    }
  };
  const { busy, result, error } = state;
  return (
    <section class="probe" aria-label="Probe">
      <button type="button" disabled={busy} onClick={() => void probe()}>
        {busy ? "Sending…" : "Probe with real packets"}
      </button>
      <div role="status">
        {result && <ProbeLine result={result} expected={expected} />}
        {error && <Failed error={error} />}
      </div>
    </section>
  );
}

function ProbeLine({ result, expected }: { readonly result: ProbeResult; readonly expected: Verdict }) {
  const found = result.reachable ? "yes" : "no";
  const agreed = expected === "unknown" ? "" : found === expected ? "as explained" : "not as explained";
  return (
    <p>
      <Mark verdict={found}>{result.reachable ? "reachable" : "not reachable"}</Mark>
      {result.reachable
        ? ` in ${result.latencyMs} ms${result.sourceSeen === null ? "" : `, seen as ${result.sourceSeen}`}`
        : `: ${result.error}`}
      {agreed && <span class={agreed === "as explained" ? "tag" : "tag wrong"}>{agreed}</span>}
    </p>
  );
}
