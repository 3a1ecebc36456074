// Sample rows: a table of the run, page by page, and one row with all it holds.

import { Dialog } from "./dialog.js";
import { classes, html, useState } from "./dom.js";
import { count, words } from "./format.js";
import { useLoaded } from "./loaded.js";
import { ProblemNote } from "./problem.js";
import { Skeleton } from "./shapes.js";

const PAGE = 25;
const NUMERIC = new Set(["key", "int", "float", "money", "money_total"]);
const LONGEST = 48;

export function Rows({ jobId, tables }) {
  const [table, setTable] = useState("orders");
  const [offset, setOffset] = useState(0);
  const [shown, setShown] = useState(null);
  const { value: page, asked, problem, loading } = useLoaded(`/jobs/${jobId}/rows`, {
    table, offset, limit: PAGE,
  });
  const choose = (name) => {
    setTable(name);
    setOffset(0);
  };
  const fits = page?.table === table;
  return html`
    <section class="panel rows" aria-label="Rows">
      <div class="rows-head">
        <div class="field inline">
          <label for="table">Table</label>
          <select id="table" value=${table} onChange=${(event) => choose(event.target.value)}>
            ${tables.map(({ name, rows }) => html`
              <option value=${name} selected=${name === table}>
                ${words(name)} (${count(rows)})
              </option>
            `)}
          </select>
        </div>
        ${fits && html`<${Pager} offset=${offset} total=${page.total} onMove=${setOffset} />`}
      </div>
      <${ProblemNote} problem=${problem} />
      ${fits && page.rows.length === 0 && html`
        <p class="empty">This table has no rows in this run.</p>
      `}
      ${fits && page.rows.length > 0 && html`
        <${Grid} page=${page} offset=${asked.offset} busy=${loading} onShow=${setShown} />
      `}
      ${!fits && !problem && html`<${Skeleton} />`}
      ${shown && html`<${Whole} page=${page} row=${shown} onClose=${() => setShown(null)} />`}
    </section>
  `;
}

function Pager({ offset, total, onMove }) {
  const last = Math.max(0, Math.floor((total - 1) / PAGE) * PAGE);
  const step = (to, label, text) => html`
    <button class="quiet" aria-label=${label} disabled=${to === offset || to < 0 || to > last}
      onClick=${() => onMove(to)}>${text}</button>
  `;
  return html`
    <div class="pager" role="group" aria-label="Pages">
      ${step(0, "First page", "«")} ${step(offset - PAGE, "Previous page", "‹")}
      <span aria-live="polite">
        ${count(total ? offset + 1 : 0)} to ${count(Math.min(offset + PAGE, total))}
        ${" of "}${count(total)}
      </span>
      ${step(offset + PAGE, "Next page", "›")} ${step(last, "Last page", "»")}
    </div>
  `;
}

function Grid({ page, offset, busy, onShow }) {
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label=${`Rows of ${words(page.table)}`}
      aria-busy=${busy}>
      <table class="grid">
        <thead>
          <tr>
            <th scope="col"><span class="visually-hidden">Whole row</span></th>
            ${page.columns.map(({ name, kind }) => html`
              <th scope="col" class=${NUMERIC.has(kind) ? "number" : ""} title=${kind}>${name}</th>
            `)}
          </tr>
        </thead>
        <tbody>
          ${page.rows.map((row, position) => html`
            <tr>
              <td>
                <button class="quiet small" onClick=${() => onShow(row)}
                  aria-label=${`Show all of row ${offset + position + 1}`}>
                  ${count(offset + position + 1)}
                </button>
              </td>
              ${row.map((value, column) => html`
                <${Cell} value=${value} kind=${page.columns[column].kind} />
              `)}
            </tr>
          `)}
        </tbody>
      </table>
    </div>
  `;
}

function Cell({ value, kind }) {
  const number = NUMERIC.has(kind) && "number";
  if (value === null) return html`<td class=${classes("null", number)}>null</td>`;
  const text = textOf(value, kind);
  const cut = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  return html`<td class=${classes(number)}>${cut}</td>`;
}

/** 2024-01-01T06:16:50.179249Z -> 2024-01-01 06:16:50; what is nested, as JSON. */
function textOf(value, kind) {
  if (kind === "instant") return value.replace("T", " ").replace(/(\.\d+)?Z$/, "");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function Whole({ page, row, onClose }) {
  return html`
    <${Dialog} title=${`${words(page.table)}: ${row[0]}`} onClose=${onClose} closable wide>
      <dl class="record">
        ${page.columns.map(({ name }, column) => html`
          <div>
            <dt>${name}</dt>
            <dd class=${row[column] === null ? "null" : ""}>
              ${typeof row[column] === "object" && row[column] !== null
                ? html`<pre>${JSON.stringify(row[column], null, 1)}</pre>`
                : String(row[column])}
            </dd>
          </div>
        `)}
      </dl>
    <//>
  `;
}
