// What a run would make, what speaks against it, and the button that starts it.

import { commandOf } from "./draft.js";
import { html } from "./dom.js";
import { bytes, compact, count, seconds, words } from "./format.js";
import { Icon } from "./icon.js";
import { Failures, ProblemNote } from "./problem.js";
import { Bar, Skeleton } from "./shapes.js";

const STARTS = { dry: "Start dry run", files: "Make files", database: "Load database" };

export function Plan({ draft, judged, judging, starting, errors, problem }) {
  const failed = draft.mode === "dry" ? [] : (judged?.safetyChecks ?? []).filter((c) => !c.ok);
  const refused = failed.some((check) => check.severity === "error");
  const ready = judged?.valid && !refused && !starting;
  return html`
    <section class="panel plan" aria-label="Plan" aria-busy=${judging}>
      <h2>Plan</h2>
      ${judged?.plan && html`<${Numbers} plan=${judged.plan} />`}
      ${!judged && judging && html`<${Skeleton} />`}
      ${judged && !judged.plan && html`
        <p class="hint">Nothing can be planned yet: mend what is marked.</p>
      `}
      ${errors.length > 0 && html`
        <div class="note bad" role="alert">
          <ul>${errors.map((error) => html`<li>${error.message}</li>`)}</ul>
        </div>
      `}
      ${failed.length > 0 && html`
        <div class=${refused ? "note bad" : "note warn"}>
          <strong>${refused ? "The safety guard refuses" : "The safety guard warns"}</strong>
          <${Failures} failures=${failed} />
          ${failed.some((c) => c.check === "toggle") && html`
            <p class="hint">Here: <b>Database loads</b> at the top of the page.</p>
          `}
        </div>
      `}
      <${ProblemNote} problem=${problem} />
      <button class="primary large" disabled=${!ready}>
        ${starting ? "Starting…" : STARTS[draft.mode]}
      </button>
      ${judged?.plan && html`<${Rows} plan=${judged.plan} />`}
      <${Checks} checks=${judged?.safetyChecks ?? []} />
      <details>
        <summary>The same from a terminal</summary>
        <pre class="code" tabindex="0">${commandOf(draft)}</pre>
      </details>
    </section>
  `;
}

function Numbers({ plan }) {
  return html`
    <dl class="figures">
      <div class="lead">
        <dt>Rows</dt>
        <dd title=${count(plan.totalRows)}>${compact(plan.totalRows)}</dd>
      </div>
      <div><dt>As Parquet</dt><dd>${bytes(plan.bytes)}</dd></div>
      <div><dt>Takes about</dt><dd>${seconds(plan.estimatedSeconds)}</dd></div>
    </dl>
    ${plan.notes.length > 0 && html`
      <ul class="notes">${plan.notes.map((note) => html`<li>${note}</li>`)}</ul>
    `}
  `;
}

function Rows({ plan }) {
  return html`
    <details open>
      <summary>Rows by table</summary>
      <${RowBars} rows=${plan.rows} />
    </details>
  `;
}

/** Names with a number each, and a bar that compares them. */
export function RowBars({ rows, label = "Table", what = "Rows" }) {
  const most = Math.max(1, ...Object.values(rows));
  return html`
    <table class="row-bars">
      <thead class="visually-hidden"><tr><th>${label}</th><td></td><th>${what}</th></tr></thead>
      <tbody>
        ${Object.entries(rows).map(([name, n]) => html`
          <tr>
            <th scope="row">${words(name)}</th>
            <td class="bar-cell"><${Bar} share=${n / most} /></td>
            <td>${count(n)}</td>
          </tr>
        `)}
      </tbody>
    </table>
  `;
}

/** Every check of the safety guard, also those that passed. */
export function Checks({ checks }) {
  if (!checks.length) return null;
  const passed = checks.filter((check) => check.ok).length;
  return html`
    <details>
      <summary>Safety checks (${passed} of ${checks.length} passed)</summary>
      <ul class="checks">
        ${checks.map(({ check, ok, reason, severity, remedy }) => html`
          <li class=${ok ? "ok" : severity}>
            <${Icon} name=${ok ? "check" : severity === "error" ? "cross" : "warning"} />
            <span>
              <b>${check}</b> ${reason} ${!ok && html`<span class="remedy">${remedy}</span>`}
            </span>
          </li>
        `)}
      </ul>
    </details>
  `;
}
