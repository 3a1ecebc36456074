// What went wrong, where it matters: a sentence, the values concerned, what to do.

import { html } from "./dom.js";

export function ProblemNote({ problem }) {
  if (!problem) return null;
  const { title, detail, errors = [], failures = [] } = problem;
  const told = failures.length > 0 || errors.length > 0;
  return html`
    <div class="note bad" role="alert">
      <strong>${title ?? "Error"}</strong>
      ${!told && html`<p>${detail || problem.message}</p>`}
      ${errors.length > 0 && html`
        <ul>
          ${errors.map(({ path, message }) => html`<li><code>${path}</code> ${message}</li>`)}
        </ul>
      `}
      <${Failures} failures=${failures} />
    </div>
  `;
}

/** Failed checks of the safety guard, each with its remedy. */
export function Failures({ failures }) {
  if (!failures?.length) return null;
  return html`
    <ul class="failures">
      ${failures.map((failure) => html`
        <li>
          <b>${failure.check}</b> ${failure.reason}
          ${failure.remedy && html`<span class="remedy">${failure.remedy}</span>`}
        </li>
      `)}
    </ul>
  `;
}
