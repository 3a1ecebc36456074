// Export: choose tables and a format, get one file or a zip.

import { isAbort, send } from "./api.js";
import { html, useRef, useState } from "./dom.js";
import { bytes, count, words } from "./format.js";
import { ProblemNote } from "./problem.js";

const FORMATS = {
  parquet: ["Parquet", "for Polars, DuckDB, Spark"],
  csv: ["CSV", "for spreadsheets and loaders"],
  json: ["NDJSON", "one object a line"],
  sql: ["SQL", "for psql"],
};

export function Export({ job, tables }) {
  const { startDate, endDate } = job.config;
  const [format, setFormat] = useState("parquet");
  const [left, setLeft] = useState(() => new Set()); // tables that are not wanted
  const [days, setDays] = useState({ startDate, endDate });
  const [metadata, setMetadata] = useState(false);
  const [state, setState] = useState({ busy: false, problem: null, saved: null });
  const abort = useRef(null);
  const names = tables.map((table) => table.name);
  const wanted = names.filter((name) => !left.has(name));
  const toggle = (name) => {
    const next = new Set(left);
    if (!next.delete(name)) next.add(name);
    setLeft(next);
  };

  async function save(event) {
    event.preventDefault();
    abort.current = new AbortController();
    setState({ busy: true, problem: null, saved: null });
    const whole = days.startDate === startDate && days.endDate === endDate;
    const body = {
      jobId: job.jobId,
      format,
      entities: wanted.length === names.length ? undefined : wanted,
      includeMetadata: metadata,
      dateRange: whole ? undefined : days,
    };
    try {
      const saved = await download(body, abort.current.signal);
      setState({ busy: false, problem: null, saved });
    } catch (problem) {
      setState({ busy: false, problem: isAbort(problem) ? null : problem, saved: null });
    }
  }

  return html`
    <form class="panel export" onSubmit=${save}>
      <fieldset>
        <legend>Format</legend>
        <div class="segments wrap">
          ${Object.entries(FORMATS).map(([name, [label]]) => html`
            <label>
              <input type="radio" name="format" value=${name} checked=${format === name}
                onChange=${() => setFormat(name)} />
              <span>${label}</span>
            </label>
          `)}
        </div>
        <p class="hint">${FORMATS[format][1]}</p>
      </fieldset>
      <fieldset>
        <legend>Tables</legend>
        <div class="choices">
          <button type="button" class="chip" onClick=${() => setLeft(new Set())}>All</button>
          <button type="button" class="chip" onClick=${() => setLeft(new Set(names))}>None</button>
        </div>
        <div class="ticks">
          ${tables.map(({ name, rows }) => html`
            <label class="check">
              <input type="checkbox" name="entity" value=${name} checked=${!left.has(name)}
                onChange=${() => toggle(name)} />
              <span>${words(name)} <small>${count(rows)}</small></span>
            </label>
          `)}
        </div>
      </fieldset>
      <fieldset class="pair">
        <legend>Days</legend>
        ${[["startDate", "From"], ["endDate", "To"]].map(([key, label]) => html`
          <div class="field">
            <label for="export-${key}">${label}</label>
            <input id="export-${key}" type="date" value=${days[key]} min=${startDate} max=${endDate}
              required onInput=${(event) => setDays({ ...days, [key]: event.target.value })} />
          </div>
        `)}
      </fieldset>
      <label class="check">
        <input type="checkbox" checked=${metadata}
          onChange=${(event) => setMetadata(event.target.checked)} />
        <span>Add <code>manifest.json</code>: settings, seed, digests</span>
      </label>
      <${ProblemNote} problem=${state.problem} />
      <div class="export-foot">
        <button class="primary" disabled=${state.busy || wanted.length === 0}>
          ${state.busy ? "Exporting…" : "Download"}
        </button>
        ${state.busy && html`
          <button type="button" onClick=${() => abort.current.abort()}>Stop</button>
        `}
        <span class="hint" role="status">${told(state, wanted)}</span>
      </div>
    </form>
  `;
}

function told({ busy, saved }, wanted) {
  if (busy) return "The server makes the file while it sends it.";
  if (saved) return `Saved ${saved.name}, ${bytes(saved.size)}.`;
  if (wanted.length === 0) return "Choose at least one table.";
  return wanted.length === 1 ? "One file." : `A zip of ${wanted.length} files.`;
}

/** Fetch an export, because a link sends no token, and hand it to the browser as a download. */
async function download(body, signal) {
  const answer = await send("POST", "/export", { body, signal });
  const header = answer.headers.get("Content-Disposition") ?? "";
  const name = /filename="([^"]+)"/.exec(header)?.[1] ?? "polargen-export";
  const blob = await answer.blob(); // browsers keep large ones on disk
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  return { name, size: blob.size };
}
