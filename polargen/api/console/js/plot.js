// One uPlot chart: its size, colours, legend, keys, and the same numbers as a table.

import uPlot from "../vendor/uplot/uPlot.esm.js";
import { html, useLayoutEffect, useMemo, useRef, useState } from "./dom.js";
import { count } from "./format.js";
import { resolved, useThemeChanges } from "./theme.js";

const HEIGHT = 260;
const MOST_TABLE_ROWS = 1000;
const CROWDED = 60; // bars; gaps between more of them would be uneven

/**
 * A chart with its title, legend and table.
 *
 * spec: {data, series: [{label, color, value?}], x: {label, text(value)}, options(ink)}, where data
 * is what uPlot draws, values (if given) is what legend and table show in its place, and options
 * gives what uPlot is told besides series.
 */
export function Plot({ title, about, spec, children }) {
  const [asTable, setAsTable] = useState(false);
  const [at, setAt] = useState(null);
  return html`
    <figure class="panel chart">
      <figcaption>
        <h2>${title}</h2>
        <div class="chart-tools">
          ${children}
          <button class="quiet small" onClick=${() => setAsTable(!asTable)}>
            ${asTable ? "Show as chart" : "Show as table"}
          </button>
        </div>
        <p class="hint">${about}</p>
      </figcaption>
      ${asTable
        ? html`<${Numbers} title=${title} spec=${spec} />`
        : html`
            <${Canvas} title=${title} spec=${spec} at=${at} onAt=${setAt} />
            <${Legend} spec=${spec} at=${at} />
          `}
    </figure>
  `;
}

function Canvas({ title, spec, at, onAt }) {
  const place = useRef(null);
  const plot = useRef(null);
  const changes = useThemeChanges();
  useLayoutEffect(() => {
    const made = draw(place.current, spec, onAt);
    plot.current = made;
    place.current.dataset.drawn = "true"; // browser tests wait for it
    const watch = new ResizeObserver(() => {
      const width = Math.floor(place.current.clientWidth);
      if (width > 0 && width !== made.width) made.setSize({ width, height: HEIGHT });
    });
    watch.observe(place.current);
    return () => {
      watch.disconnect();
      made.destroy();
      onAt(null);
    };
  }, [spec, changes]);
  const move = (event) => {
    const last = spec.data[0].length - 1;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const to = at === null ? (step > 0 ? 0 : last) : Math.min(last, Math.max(0, at + step));
    const made = plot.current;
    made.setCursor({ left: made.valToPos(spec.data[0][to], "x"), top: 10 });
  };
  return html`
    <div class="canvas" ref=${place} tabindex="0" role="application" onKeyDown=${move}
      aria-label=${`${title}: chart, arrow keys move along it, or show it as a table`}></div>
  `;
}

function draw(place, spec, onAt) {
  const ink = {
    text: resolved("var(--ink-2)"),
    grid: resolved("var(--line)"),
    surface: resolved("var(--surface)"),
    accent: resolved("var(--accent)"),
    weekend: resolved("var(--mark-weekend)"),
    holiday: resolved("var(--mark-holiday)"),
    font: `12px ${getComputedStyle(document.body).fontFamily}`,
  };
  const { hooks = {}, axes, series, ...options } = spec.options(ink);
  const axis = { stroke: ink.text, font: ink.font, grid: { stroke: ink.grid, width: 1 },
    ticks: { show: false } };
  return new uPlot({
    width: Math.max(200, Math.floor(place.clientWidth)),
    height: HEIGHT,
    legend: { show: false },
    padding: [12, 20, 0, 0],
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false } },
    ...options,
    series: [{}, ...spec.series.map(({ label, color }) => ({ ...series(resolved(color)), label }))],
    axes: [{ ...axis, size: 26, grid: { show: false }, ...axes?.[0] },
      { ...axis, size: 52, values: (u, ticks) => ticks.map(shortened), ...axes?.[1] }],
    hooks: { ...hooks, setCursor: [(u) => onAt(u.cursor.idx ?? null)] },
  }, spec.data, place);
}

function shortened(n) {
  if (n === null) return "";
  return n >= 10000 ? `${Number((n / 1000).toPrecision(3))}k` : count(n);
}

/** Totals, or the values at the cursor. */
function Legend({ spec, at }) {
  const values = spec.values ?? spec.data;
  const where = at === null ? spec.x.all : spec.x.text(values[0][at], at);
  const shown = (n) => (at === null ? spec.series[n].total : values[n + 1][at] ?? 0);
  return html`
    <div class="legend" aria-live="polite">
      <span class="legend-where">${where}</span>
      <ul>
        ${spec.series.map((one, n) => html`
          <li>
            <span class="swatch" style=${{ background: one.color }}></span>${one.label}
            <span class="value">${shown(n) !== undefined && count(shown(n))}</span>
          </li>
        `)}
        ${(spec.marks ?? []).map((mark) => html`
          <li>
            <span class="swatch mark" style=${{ background: mark.color }}></span>${mark.label}
          </li>
        `)}
      </ul>
    </div>
  `;
}

function Numbers({ title, spec }) {
  const values = spec.values ?? spec.data;
  const rows = useMemo(() => Array.from(values[0]).slice(0, MOST_TABLE_ROWS), [values]);
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label=${`${title} as a table`}>
      <table class="grid">
        <thead>
          <tr>
            <th scope="col">${spec.x.label}</th>
            ${spec.series.map((one) => html`<th scope="col" class="number">${one.label}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map((x, position) => html`
            <tr>
              <th scope="row">${spec.x.text(x, position)}</th>
              ${values.slice(1).map((column) => html`
                <td class="number">${count(column[position] ?? 0)}</td>
              `)}
            </tr>
          `)}
        </tbody>
      </table>
    </div>
  `;
}

/** Sums from the first series up, the tallest first: drawn one over the other they are stacked. */
export function stacked(x, columns) {
  const sums = [];
  columns.forEach((column, n) => {
    sums.push(column.map((value, position) => value + (n ? sums[n - 1][position] : 0)));
  });
  return [x, ...sums.reverse()];
}

/** What draws filled bars, one for each place of x. */
export function bars(color, places) {
  const width = places > CROWDED ? 1 : 0.86;
  return {
    fill: color,
    stroke: color,
    width: 0,
    points: { show: false },
    paths: uPlot.paths.bars({ size: [width, 60], gap: 0 }),
  };
}

export { uPlot };
