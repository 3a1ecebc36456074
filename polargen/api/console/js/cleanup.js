// Removing what runs made: it is shown first, and the confirmation is typed.

import { call } from "./api.js";
import { Dialog } from "./dialog.js";
import { html, useState } from "./dom.js";
import { count, sum } from "./format.js";
import { useLoaded } from "./loaded.js";
import { RowBars } from "./plan.js";
import { ProblemNote } from "./problem.js";
import { Skeleton } from "./shapes.js";

/** A button that removes the rows of one job, or those of all where there is none. */
export function Cleanup({ job, confirmation, onDone }) {
  const [open, setOpen] = useState(false);
  return html`
    <button class="danger" onClick=${() => setOpen(true)}>
      ${job ? "Remove rows…" : "Remove all mock data…"}
    </button>
    ${open && html`
      <${Confirm} jobId=${job?.jobId} confirmation=${confirmation} onClose=${() => setOpen(false)}
        onDone=${onDone} />
    `}
  `;
}

function Confirm({ jobId, confirmation, onClose, onDone }) {
  const { value: preview, problem } = useLoaded("/cleanup", { jobId });
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState(false);
  const [result, setResult] = useState({ removed: null, refusal: null });
  const title = jobId ? "Remove the rows of this run?" : "Remove all mock data?";

  async function remove(event) {
    event.preventDefault();
    setBusy(true);
    try {
      const query = { confirm: typed, jobId };
      setResult({ removed: await call("DELETE", "/cleanup", { query }), refusal: null });
    } catch (refusal) {
      setResult({ removed: null, refusal });
    }
    setBusy(false);
  }

  if (result.removed) {
    const close = () => {
      onClose();
      onDone();
    };
    return html`
      <${Dialog} title="Removed" onClose=${close}>
        <p role="status">${count(sum(Object.values(result.removed.results)))} rows are gone.</p>
        <div class="dialog-actions">
          <button class="primary" autofocus onClick=${close}>Close</button>
        </div>
      <//>
    `;
  }
  return html`
    <${Dialog} title=${title} onClose=${onClose}>
      <${ProblemNote} problem=${problem} />
      ${!preview && !problem && html`<${Skeleton} />`}
      ${preview && html`<${Preview} preview=${preview} />`}
      <form onSubmit=${remove}>
        <div class="field">
          <label for="confirm">Type <code>${confirmation}</code> to confirm</label>
          <input id="confirm" value=${typed} autocomplete="off" spellcheck="false"
            onInput=${(event) => setTyped(event.target.value)} />
        </div>
        <${ProblemNote} problem=${result.refusal} />
        <div class="dialog-actions">
          <button type="button" onClick=${onClose}>Keep the rows</button>
          <button class="danger solid" disabled=${busy || !preview || typed !== confirmation}>
            ${busy ? "Removing…" : "Remove"}
          </button>
        </div>
      </form>
    <//>
  `;
}

function Preview({ preview }) {
  const total = sum(Object.values(preview.results));
  if (total === 0) return html`<p>There is nothing to remove.</p>`;
  const runs = preview.jobs.length === 1 ? "one run" : `${preview.jobs.length} runs`;
  return html`
    <p><b>${count(total)}</b> rows of ${runs} go for good. The same seed makes them again.</p>
    <details>
      <summary>Rows by table</summary>
      <${RowBars} rows=${preview.results} />
    </details>
    ${preview.kept.length > 0 && html`
      <p class="hint">Kept, because others made them: ${preview.kept.join(", ")}</p>
    `}
  `;
}
