// One run: its settings, its progress, and in the end what came of it.

import { asProblem } from "./api.js";
import { Cleanup } from "./cleanup.js";
import { MODES, draftOf, modeOf } from "./draft.js";
import { html, useEffect, useState } from "./dom.js";
import { follow, hasEnded } from "./follow.js";
import { bytes, compact, count, dayOf, momentOf, seconds, sum } from "./format.js";
import { RowBars } from "./plan.js";
import { Failures, ProblemNote } from "./problem.js";
import { Progress } from "./progress.js";
import { Results } from "./results.js";
import { Skeleton } from "./shapes.js";
import { Status, statusText } from "./status.js";

export function Job({ jobId, confirmation, onChange, onAgain, onRemoved }) {
  const { job, problem } = useJob(jobId, onChange);
  const [gone, setGone] = useState(false);
  useEffect(() => {
    if (job) document.title = titleOf(job);
  }, [job]);
  if (problem) {
    return html`
      <div class="page">
        <h1>${jobId}</h1>
        <${ProblemNote} problem=${problem} />
        <p><a class="button" href="#new">New run</a></p>
      </div>
    `;
  }
  if (!job) return html`<${Skeleton} />`;
  return html`
    <div class="page">
      <${Head} job=${job} gone=${gone} confirmation=${confirmation} onRemoved=${onRemoved}
        onAgain=${onAgain} />
      ${!hasEnded(job.status) && html`<${Progress} job=${job} />`}
      ${hasEnded(job.status) && job.status !== "completed" && html`<${Stopped} job=${job} />`}
      ${job.status === "completed" && html`
        <${Summary} job=${job} />
        ${modeOf(job) === "dry"
          ? html`<${AfterDryRun} job=${job} onAgain=${onAgain} />`
          : html`<${Results} job=${job} onGone=${() => setGone(true)} />`}
      `}
    </div>
  `;
}

/** For a tab in the background: how far the run is. */
function titleOf({ status, scenario, progress }) {
  const state = hasEnded(status) ? statusText(status) : `${progress.progressPercent} %`;
  return `${state} · ${scenario} · polargen`;
}

/** Follow a job until it ends. */
function useJob(jobId, onChange) {
  const [state, setState] = useState({ job: null, problem: null });
  useEffect(() => {
    const abort = new AbortController();
    setState({ job: null, problem: null });
    let status = null;
    const show = (job) => {
      setState({ job, problem: null });
      if (job.status !== status) onChange();
      status = job.status;
    };
    follow(jobId, show, abort.signal).catch((error) => {
      setState((before) => ({ ...before, problem: asProblem(error) }));
    });
    return () => abort.abort();
  }, [jobId]);
  return state;
}

function Head({ job, gone, confirmation, onRemoved, onAgain }) {
  const { config } = job;
  const kept = job.status === "completed" && modeOf(job) !== "dry" && !gone;
  return html`
    <header class="job-head">
      <div>
        <h1>${job.scenario} <${Status} status=${job.status} /></h1>
        <ul class="meta">
          <li>${dayOf(config.startDate)} to ${dayOf(config.endDate)}</li>
          <li>seed <code>${config.seed}</code></li>
          <li>×${config.volumeMultiplier}</li>
          <li>${MODES[modeOf(job)]?.label ?? job.target}</li>
          <li><code>${job.jobId}</code></li>
          <li><time datetime=${job.createdAt}>${momentOf(job.createdAt)}</time></li>
        </ul>
      </div>
      <div class="actions">
        <button onClick=${() => onAgain(draftOf(job))}>Run again</button>
        ${kept && html`<${Cleanup} job=${job} confirmation=${confirmation} onDone=${onRemoved} />`}
      </div>
    </header>
  `;
}

function Stopped({ job }) {
  const rows = sum(Object.values(job.progress.recordsGenerated));
  const text = job.status === "cancelled" ? "This run was cancelled" : "This run failed";
  return html`
    <section class="note ${job.status === "failed" ? "bad" : "plain"}">
      <strong>${text}</strong>
      ${job.status === "failed" && html`<p>${job.message ?? job.error?.message}</p>`}
      <${Failures} failures=${job.error?.failures} />
      <p>
        ${rows ? `${count(rows)} rows had been made; none was kept.` : "It had made no rows."}
        ${" Run it again with the same settings, or change them first."}
      </p>
    </section>
  `;
}

function Summary({ job }) {
  const { result } = job;
  const rows = sum(Object.values(result.recordCounts));
  const duration = result.timing.durationMs / 1000;
  return html`
    <dl class="figures summary">
      <div class="lead"><dt>Rows</dt><dd title=${count(rows)}>${compact(rows)}</dd></div>
      <div><dt>Took</dt><dd>${seconds(duration)}</dd></div>
      <div><dt>Rows a second</dt><dd>${compact(Math.round(rows / Math.max(0.001, duration)))}</dd></div>
      ${result.bytes > 0 && html`<div><dt>Size</dt><dd>${bytes(result.bytes)}</dd></div>`}
      <div><dt>Verified</dt><dd>${result.verified ? "yes" : "not asked for"}</dd></div>
    </dl>
    ${result.notes?.length > 0 && html`
      <ul class="notes">${result.notes.map((note) => html`<li>${note}</li>`)}</ul>
    `}
  `;
}

function AfterDryRun({ job, onAgain }) {
  return html`
    <div class="note plain next">
      <div>
        <strong>Everything was made and checked, nothing was kept</strong>
        <p>Make files of it to see charts and rows, to verify every rule and to export. The same
        seed gives the same rows.</p>
      </div>
      <button class="primary" onClick=${() => onAgain(draftOf(job, "files"))}>
        Make files of it
      </button>
    </div>
    <section class="panel">
      <h2>Rows by table</h2>
      <${RowBars} rows=${job.result.recordCounts} />
    </section>
  `;
}
