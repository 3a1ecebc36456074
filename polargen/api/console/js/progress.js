// A run while it runs: how far it is, how fast, table by table, and the way to stop it.

import { post } from "./api.js";
import { Dialog } from "./dialog.js";
import { draftOf, requestOf } from "./draft.js";
import { html, useEffect, useRef, useState } from "./dom.js";
import { compact, count, seconds, sum, words } from "./format.js";
import { ProblemNote } from "./problem.js";
import { Bar } from "./shapes.js";
import { statusText } from "./status.js";

const TOLD_PCT = 25;

export function Progress({ job }) {
  const planned = usePlannedRows(job);
  const { progress } = job;
  const rows = sum(Object.values(progress.recordsGenerated));
  const left = progress.estimatedTimeRemaining;
  return html`
    <section class="panel progress" aria-label="Progress">
      <div class="progress-head">
        <p class="big">${progress.progressPercent}<small> %</small></p>
        <p class="phase">
          ${statusText(job.status)}
          ${progress.currentEntity && html`<span>${words(progress.currentEntity)}</span>`}
        </p>
        <${Cancel} job=${job} />
      </div>
      <div class="track" role="progressbar" aria-label="Rows made" aria-valuemin="0"
        aria-valuemax="100" aria-valuenow=${progress.progressPercent}>
        <span style=${{ width: `${progress.progressPercent}%` }}></span>
      </div>
      <dl class="figures">
        <div><dt>Rows</dt><dd title=${count(rows)}>${compact(rows)}</dd></div>
        <div><dt>Rows a second</dt><dd>${compact(Math.round(progress.throughput))}</dd></div>
        <div><dt>Time left</dt><dd>${left === null ? "not known yet" : seconds(left)}</dd></div>
        <div><dt>Blocks</dt><dd>${progress.currentBatch} of ${progress.totalBatches}</dd></div>
      </dl>
      ${job.status === "queued" && html`
        <p class="hint">It begins by itself once the runs before it have ended.</p>
      `}
      <${Entities} made=${progress.recordsGenerated} planned=${planned} />
      <${Announcer} job=${job} />
    </section>
  `;
}

/** Rows by table that the run will have made at its end; null where that is not known. */
function usePlannedRows(job) {
  const [planned, setPlanned] = useState(null);
  useEffect(() => {
    const abort = new AbortController();
    post("/config", requestOf(draftOf(job)), { signal: abort.signal })
      .then((judged) => setPlanned(judged.plan?.rows ?? null))
      .catch(() => setPlanned(null)); // a scenario of another place: bars without an end
    return () => abort.abort();
  }, [job.jobId]);
  return planned;
}

function Entities({ made, planned }) {
  const names = Object.keys(planned ?? made);
  if (!names.length) return html`<p class="hint">The first rows are on their way.</p>`;
  return html`
    <ul class="entities">
      ${names.map((name) => {
        const done = made[name] ?? 0;
        const share = planned ? Math.min(1, done / Math.max(1, planned[name])) : 0;
        return html`
          <li key=${name}>
            <span class="name">${words(name)}</span>
            <span class="value">
              ${count(done)}${planned && html`<span class="of"> of ${count(planned[name])}</span>`}
            </span>
            <${Bar} share=${share} />
          </li>
        `;
      })}
    </ul>
  `;
}

/** Tells a screen reader of phases and quarters, not of every change. */
function Announcer({ job }) {
  const { progressPercent, estimatedTimeRemaining } = job.progress;
  const quarter = Math.floor(progressPercent / TOLD_PCT) * TOLD_PCT;
  const left = useRef(null);
  left.current = estimatedTimeRemaining;
  const [text, setText] = useState("");
  useEffect(() => {
    const rest = left.current === null ? "" : `, ${seconds(left.current)} left`;
    setText(`${statusText(job.status)}, ${quarter} percent${rest}`);
  }, [job.status, quarter]);
  return html`<p class="visually-hidden" role="status" aria-live="polite">${text}</p>`;
}

function Cancel({ job }) {
  const [asking, setAsking] = useState(false);
  const [asked, setAsked] = useState(false);
  const [problem, setProblem] = useState(null);
  async function cancel() {
    setAsking(false);
    setAsked(true);
    setProblem(null);
    try {
      await post("/cancel", { jobId: job.jobId });
    } catch (error) {
      setProblem(error);
      setAsked(false);
    }
  }
  return html`
    <button class="danger" disabled=${asked} onClick=${() => setAsking(true)}>
      ${asked ? "Stopping…" : "Cancel run"}
    </button>
    <${ProblemNote} problem=${problem} />
    ${asking && html`
      <${Dialog} title="Cancel this run?" onClose=${() => setAsking(false)}>
        <p>It stops at once. What it has written so far is rolled back.</p>
        <div class="dialog-actions">
          <button onClick=${() => setAsking(false)}>Keep running</button>
          <button class="danger solid" onClick=${cancel}>Cancel run</button>
        </div>
      <//>
    `}
  `;
}
