// The form for a new run, with its plan beside it.

import { asProblem, isAbort, post } from "./api.js";
import { MODES, draftErrors, drawnSeed, newKey, requestOf } from "./draft.js";
import { html, useEffect, useRef, useState } from "./dom.js";
import { dateOf, dayNumber } from "./format.js";
import { Icon } from "./icon.js";
import { Plan } from "./plan.js";
import { ScenarioPicker } from "./scenarios.js";

const SETTLED_MS = 300;
const SPANS = [["30 days", 30], ["90 days", 90], ["A year", 365]];
const MULTIPLIERS = ["0.1", "1", "10", "100"];
const SHOWN = ["startDate", "endDate", "seed", "volumeMultiplier", "batchSize"];

export function NewRun({ scenarios, targets, database, enabled, draft, onDraft, onStarted }) {
  const { judged, judging, problem } = useJudged(draft, enabled);
  const [starting, setStarting] = useState(false);
  const [refusal, setRefusal] = useState(null);
  const key = useRef(newKey());
  const change = (more) => {
    key.current = newKey(); // another run; a repeated click of the same one keeps its key
    setRefusal(null);
    onDraft({ ...draft, ...more });
  };
  const errors = judged?.errors ?? [];
  const errorOf = (name) => errors.find((error) => error.path === `config.${name}`)?.message;

  async function start(event) {
    event.preventDefault();
    setStarting(true);
    setRefusal(null);
    try {
      const headers = { "Idempotency-Key": key.current };
      const job = await post("/generate", requestOf(draft), { headers });
      key.current = newKey();
      onStarted(job.jobId);
    } catch (error) {
      setRefusal(asProblem(error));
      setStarting(false);
    }
  }

  return html`
    <form class="new-run" onSubmit=${start}>
      <div class="settings">
        <h1>New run</h1>
        <${ScenarioPicker} scenarios=${scenarios} chosen=${draft.scenario}
          onChoose=${(scenario) => change({ scenario })} />
        <div class="panel inputs">
          <${Dates} draft=${draft} change=${change} errorOf=${errorOf} />
          <${Seed} draft=${draft} change=${change} error=${errorOf("seed")} />
          <${Multiplier} draft=${draft} change=${change} error=${errorOf("volumeMultiplier")} />
          <${Mode} draft=${draft} change=${change} targets=${targets} database=${database} />
          <${Field} name="batchSize" label="Batch size" type="number" min="100" step="1"
            value=${draft.batchSize} change=${change} error=${errorOf("batchSize")}
            hint="Rows handed on at once. Never changes the data." />
        </div>
      </div>
      <${Plan} draft=${draft} judged=${judged} judging=${judging} starting=${starting}
        errors=${errors.filter((error) => !SHOWN.includes(error.path.replace("config.", "")))}
        problem=${refusal ?? problem} />
    </form>
  `;
}

/** What the server says of a draft, asked once neither it nor the toggle changes any more. */
function useJudged(draft, enabled) {
  const [state, setState] = useState({ judged: null, judging: true, problem: null });
  const request = requestOf(draft);
  const text = JSON.stringify(request);
  useEffect(() => {
    const wrong = draftErrors(draft);
    if (wrong.length) {
      setState({ judged: { valid: false, errors: wrong }, judging: false, problem: null });
      return undefined;
    }
    const abort = new AbortController();
    setState((before) => ({ ...before, judging: true }));
    const timer = setTimeout(async () => {
      try {
        const judged = await post("/config", request, { signal: abort.signal });
        setState({ judged, judging: false, problem: null });
      } catch (error) {
        if (!isAbort(error)) setState({ judged: null, judging: false, problem: asProblem(error) });
      }
    }, SETTLED_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [text, enabled]);
  return state;
}

function Field({ name, label, value, change, error, hint, children, ...more }) {
  const told = [error && `${name}-error`, hint && `${name}-hint`].filter(Boolean).join(" ");
  return html`
    <div class="field">
      <label for=${name}>${label}</label>
      <div class="with-buttons">
        <input id=${name} name=${name} value=${value} ...${more} aria-invalid=${Boolean(error)}
          aria-describedby=${told || undefined}
          onInput=${(event) => change({ [name]: event.target.value })} />
        ${children}
      </div>
      ${error && html`<p class="field-error" id="${name}-error">${error}</p>`}
      ${hint && html`<p class="hint" id="${name}-hint">${hint}</p>`}
    </div>
  `;
}

function Choices({ label, children }) {
  return html`<div class="choices" role="group" aria-label=${label}>${children}</div>`;
}

function Dates({ draft, change, errorOf }) {
  const span = (days) => {
    const end = draft.endDate || dateOf(Math.floor(Date.now() / 86400000));
    change({ startDate: dateOf(dayNumber(end) - days + 1), endDate: end });
  };
  return html`
    <div class="pair">
      <${Field} name="startDate" label="First day" type="date" value=${draft.startDate}
        change=${change} error=${errorOf("startDate")} />
      <${Field} name="endDate" label="Last day" type="date" value=${draft.endDate}
        change=${change} error=${errorOf("endDate")} />
      <${Choices} label="Length of the period">
        ${SPANS.map(([text, days]) => html`
          <button type="button" class="chip" onClick=${() => span(days)}>${text}</button>
        `)}
      <//>
    </div>
  `;
}

function Seed({ draft, change, error }) {
  return html`
    <${Field} name="seed" label="Seed" type="number" min="0" step="1" value=${draft.seed}
      change=${change} error=${error} placeholder="drawn by the server"
      hint="The same seed and settings give the same bytes.">
      <button type="button" class="quiet icon" title="Draw a seed" aria-label="Draw a seed"
        onClick=${() => change({ seed: String(drawnSeed()) })}><${Icon} name="dice" /></button>
    <//>
  `;
}

function Multiplier({ draft, change, error }) {
  return html`
    <div>
      <${Field} name="volumeMultiplier" label="Multiplier" type="number" min="0" step="any"
        value=${draft.volumeMultiplier} change=${change} error=${error} />
      <${Choices} label="Usual multipliers">
        ${MULTIPLIERS.map((text) => html`
          <button type="button" class="chip" aria-pressed=${draft.volumeMultiplier === text}
            onClick=${() => change({ volumeMultiplier: text })}>×${text}</button>
        `)}
      <//>
    </div>
  `;
}

function Mode({ draft, change, targets, database }) {
  const place = database ? `Loads ${database.place}, schema ${database.schema}.` : "";
  const about = (mode) => (mode === "database" && place ? place : MODES[mode].about);
  return html`
    <fieldset class="field mode">
      <legend>What becomes of the rows</legend>
      <div class="segments">
        ${Object.entries(MODES).map(([mode, { label }]) => html`
          <label>
            <input type="radio" name="mode" value=${mode} checked=${draft.mode === mode}
              disabled=${mode !== "dry" && !targets.includes(mode)}
              onChange=${() => change({ mode })} />
            <span>${label}</span>
          </label>
        `)}
      </div>
      <p class="hint">
        ${about(draft.mode)}
        ${!database && html` This server has no database: start it with <code>--database</code>.`}
      </p>
      <label class="check">
        <input type="checkbox" name="verify" checked=${draft.verify && draft.mode !== "dry"}
          disabled=${draft.mode === "dry"}
          onChange=${(event) => change({ verify: event.target.checked })} />
        <span>Verify every rule before the rows are final</span>
      </label>
    </fieldset>
  `;
}
