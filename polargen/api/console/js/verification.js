// What the verification of a run found, rule by rule.

import { html } from "./dom.js";
import { count } from "./format.js";
import { Icon } from "./icon.js";
import { useLoaded } from "./loaded.js";
import { ProblemNote } from "./problem.js";
import { Skeleton } from "./shapes.js";

export function Verification({ job }) {
  if (!job.result.verified) {
    return html`
      <p class="empty panel">
        This run was not verified. Choose <b>Run again</b> and tick <b>Verify every rule</b>: the
        same seed gives the same rows.
      </p>
    `;
  }
  return html`<${Report} jobId=${job.jobId} />`;
}

function Report({ jobId }) {
  const { value: report, problem } = useLoaded(`/jobs/${jobId}/verification`);
  if (problem) return html`<${ProblemNote} problem=${problem} />`;
  if (!report) return html`<${Skeleton} />`;
  const { rules } = report;
  const held = rules.filter((rule) => rule.breaches === 0).length;
  return html`
    <section class="panel verification" aria-label="Verification">
      <p class=${report.ok ? "verdict ok" : "verdict error"}>
        <${Icon} name=${report.ok ? "check" : "cross"} />
        <span>${count(held)} of ${count(rules.length)} rules hold on every row.</span>
      </p>
      <div class="scroll" tabindex="0" role="region" aria-label="Rules">
        <table class="grid rules">
          <thead>
            <tr>
              <th scope="col">Rule</th><th scope="col">What must hold</th>
              <th scope="col" class="number">Rows</th><th scope="col" class="number">Breaches</th>
              <th scope="col" class="number" title="Labelled as invalid on purpose">Excused</th>
            </tr>
          </thead>
          <tbody>${rules.map((rule) => html`<${Rule} key=${rule.rule} rule=${rule} />`)}</tbody>
        </table>
      </div>
    </section>
  `;
}

function Rule({ rule }) {
  const { rows, breaches, excused, examples, figures, warning } = rule;
  const state = breaches === 0 ? "ok" : warning ? "warning" : "error";
  return html`
    <tr>
      <th scope="row" class="rule ${state}">
        <${Icon} name=${{ ok: "check", warning: "warning", error: "cross" }[state]} />
        ${rule.rule}<span class="visually-hidden"> ${state}</span>
      </th>
      <td class="title">
        ${rule.title}
        ${[...figures, ...examples.map(exampleText)].map((line) => html`
          <span class="remedy">${line}</span>
        `)}
      </td>
      <td class="number">${count(rows)}</td>
      <td class="number">${count(breaches)}</td>
      <td class="number">${count(excused)}</td>
    </tr>
  `;
}

function exampleText({ table, key, what }) {
  return `${table}${key === null ? "" : ` ${key}`}: ${what}`;
}
