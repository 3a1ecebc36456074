// The four charts of a finished run, and the rhythm of its week.

import { html, useMemo, useState } from "./dom.js";
import { paintDay, stackedDays } from "./days.js";
import { count, percent, sum, words } from "./format.js";
import { useLoaded } from "./loaded.js";
import { RowBars } from "./plan.js";
import { Plot, bars } from "./plot.js";
import { ProblemNote } from "./problem.js";
import { Skeleton } from "./shapes.js";
import { colorOf } from "./shares.js";

const FRIDAY = 5; // of weekdays that begin with Sunday as 0
const WEEK = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MOST_BARS = 200;

export function Charts({ job }) {
  const { value: charts, problem } = useLoaded(`/jobs/${job.jobId}/charts`);
  if (problem) return html`<${ProblemNote} problem=${problem} />`;
  if (!charts) return html`<${Skeleton} kind="tall" label="The charts are being counted" />`;
  return html`
    <div class="charts">
      <${Orders} orders=${charts.ordersPerDay} />
      <${Rhythm} orders=${charts.ordersPerDay} />
      <${Popularity} popularity=${charts.productPopularity} />
      <${Delay} delay=${charts.paymentDelay} />
      <${Anomalies} anomalies=${charts.anomaliesOverTime} />
      <section class="panel">
        <h2>Rows by table</h2>
        <${RowBars} rows=${job.result.recordCounts} />
      </section>
    </div>
  `;
}

function Orders({ orders }) {
  const spec = useMemo(() => {
    const { dates, weekday, holidays, byStatus } = orders;
    const fridays = dates.filter((_, n) => weekday[n] === FRIDAY);
    return stackedDays({
      dates,
      named: byStatus,
      colorOf,
      marks: [
        { label: "Friday", color: "var(--mark-weekend)" },
        { label: "Public holiday", color: "var(--mark-holiday)" },
      ],
      drawMarks(u, ink) {
        for (const date of fridays) paintDay(u, date, ink.weekend);
        for (const date of holidays) paintDay(u, date, ink.holiday);
      },
    });
  }, [orders]);
  const about = "By their last status. Drag to look closer, double-click to go back.";
  return html`
    <${Plot} title=${spec.byWeek ? "Orders a week" : "Orders a day"} about=${about} spec=${spec} />
  `;
}

/** Mean orders of each weekday and of holidays, which count for themselves. */
function Rhythm({ orders }) {
  const means = useMemo(() => weekMeans(orders), [orders]);
  return html`
    <section class="panel rhythm">
      <h2>Rhythm of the week</h2>
      <p class="hint">Orders on an average day.</p>
      <${RowBars} rows=${means} label="Day" what="Orders" />
    </section>
  `;
}

function weekMeans({ dates, weekday, holidays, byStatus }) {
  const free = new Set(holidays);
  const totals = dates.map((_, n) => sum(Object.values(byStatus).map((column) => column[n])));
  const mean = (name, holds) => {
    const found = totals.filter((_, n) => holds(n));
    return { name, mean: found.length ? sum(found) / found.length : 0, days: found.length };
  };
  const means = [
    ...WEEK.map((name, day) => mean(name, (n) => weekday[n] === day && !free.has(dates[n]))),
    mean("Public holiday", (n) => free.has(dates[n])),
  ];
  return Object.fromEntries(means.filter(({ days }) => days).map((one) => [one.name, one.mean]));
}

function Popularity({ popularity }) {
  const [logarithmic, setLogarithmic] = useState(true);
  const { ranks, lines } = popularity;
  const spec = useMemo(() => ({
    data: [ranks, lines],
    series: [{ label: "Order lines", color: "var(--series-1)", total: undefined }],
    x: {
      label: "Rank",
      text: (rank) => `Rank ${count(rank)}`,
      all: `${count(ranks[ranks.length - 1] ?? 0)} products`,
    },
    options: (ink) => ({
      scales: logarithmic
        ? { x: { time: false, distr: 3, range: (u, low, high) => [low, high] }, y: { distr: 3 } }
        : { x: { time: false }, y: { range: (u, low, high) => [0, Math.max(1, high) * 1.05] } },
      cursor: { y: false, drag: { x: true, y: false } },
      axes: [{ values: (u, ticks) => ticks.map((tick) => (tick === null ? "" : count(tick))) }],
      series: (color) => ({
        stroke: color, width: 2, points: { show: ranks.length < 60, size: 5, fill: ink.surface },
      }),
    }),
  }), [popularity, logarithmic]);
  const whole = ranks.length > 0 && ranks[ranks.length - 1] === ranks.length;
  const top = sum(lines.slice(0, Math.round(lines.length / 5))) / Math.max(1, sum(lines));
  const about = whole && ranks.length >= 5
    ? `The first fifth of the products has ${percent(top)} of the order lines.`
    : "A straight line on logarithmic axes is a power law.";
  return html`
    <${Plot} title="Products by popularity" about=${about} spec=${spec}>
      <button class="quiet small" onClick=${() => setLogarithmic(!logarithmic)}>
        ${logarithmic ? "Linear axes" : "Logarithmic axes"}
      </button>
    <//>
  `;
}

function Delay({ delay }) {
  const { days, payments } = delay;
  const spec = useMemo(() => delaySpec(days, payments), [delay]);
  const total = Math.max(1, sum(payments));
  const late = sum(payments.filter((_, n) => days[n] > 0)) / total;
  const about = days.length
    ? `${percent(1 - late)} came by the day they were due, ${percent(late)} later.`
    : "This run has no payments.";
  return html`<${Plot} title="Payments by days from the due date" about=${about} spec=${spec} />`;
}

function delaySpec(days, payments) {
  const low = days[0] ?? 0;
  const high = Math.max(0, days[days.length - 1] ?? 0); // the due date shows in any case
  const width = Math.ceil((high - low + 1) / MOST_BARS);
  // a bar never holds both sides of the due date: it ends with a multiple of the width, 0 included
  const first = Math.ceil(low / width);
  const size = Math.ceil(high / width) - first + 1;
  const [early, late] = [new Array(size).fill(0), new Array(size).fill(0)];
  days.forEach((day, n) => {
    (day > 0 ? late : early)[Math.ceil(day / width) - first] += payments[n];
  });
  const x = early.map((_, n) => (first + n) * width);
  const text = (day) => {
    const whole = Math.abs(day) === 1 ? "1 day" : `${Math.abs(day)} days`;
    if (day === 0) return "On the due date";
    return `${whole} ${day < 0 ? "early" : "late"}${width > 1 ? ` (bars of ${width} days)` : ""}`;
  };
  return {
    data: [x, early, late],
    series: [
      { label: "By the due date", color: "var(--series-1)", total: sum(early) },
      { label: "Late", color: "var(--series-3)", total: sum(late) },
    ],
    x: { label: "Days from the due date", text, all: "All payments" },
    options: (ink) => ({
      scales: {
        x: { time: false, range: (u, from, to) => [from - width / 2, to + width / 2] },
        y: { range: (u, from, to) => [0, Math.max(1, to) * 1.05] },
      },
      hooks: { draw: [(u) => paintDueDate(u, ink, width)] },
      series: (color) => bars(color, size),
    }),
  };
}

function paintDueDate(u, ink, width) {
  const left = Math.round(u.valToPos(width / 2, "x", true));
  if (left < u.bbox.left || left > u.bbox.left + u.bbox.width) return;
  u.ctx.save();
  u.ctx.fillStyle = ink.text;
  u.ctx.fillRect(left, u.bbox.top, Math.max(1, devicePixelRatio), u.bbox.height);
  u.ctx.restore();
}

function Anomalies({ anomalies }) {
  const { dates, byType } = anomalies;
  const types = Object.keys(byType);
  const spec = useMemo(() => {
    const named = Object.fromEntries(types.map((type) => [words(type), byType[type]]));
    return stackedDays({ dates, named, colorOf: (_, n) => `var(--series-${(n % 8) + 1})` });
  }, [anomalies]);
  if (!types.length) {
    return html`
      <section class="panel">
        <h2>Anomalies over time</h2>
        <p class="empty">This run has none: its scenario makes nothing wrong on purpose.</p>
      </section>
    `;
  }
  const total = sum(Object.values(byType).map(sum));
  const about = `${count(total)} labels in anomaly_labels, each on the day it shows.`;
  const title = spec.byWeek ? "Anomalies a week" : "Anomalies a day";
  return html`<${Plot} title=${title} about=${about} spec=${spec} />`;
}
