// Series of days: summed by week where a day would be thinner than a pixel or two, and stacked.

import { dayNumber, longDayOf, sum } from "./format.js";
import { bars, stacked, uPlot } from "./plot.js";

const MOST_DAYS = { narrow: 110, wide: 200 };
const MONTHS = 400;
const narrow = matchMedia("(max-width: 640px)");
const axisOf = (shown) =>
  new Intl.DateTimeFormat("en-GB", { month: "short", timeZone: "UTC", ...shown });
const dayAxis = axisOf({ day: "numeric" });
const monthAxis = axisOf({ year: "numeric" });
const DAY_S = 86400;

/** Weeks in the place of days, from the first day on, where there are many. */
function weekly(dates, columns) {
  const starts = dates.filter((_, n) => n % 7 === 0);
  const add = (column) => starts.map((_, n) => sum(column.slice(n * 7, n * 7 + 7)));
  return [starts, columns.map(add)];
}

function weekText(date, position, dates) {
  const days = Math.min(7, dates.length - position * 7);
  return `Week from ${longDayOf(date)}${days < 7 ? ` (${days} of 7 days)` : ""}`;
}

/** The spec of a Plot of stacked bars: a bar a day, or a week. */
export function stackedDays({ dates, named, colorOf, marks = [], drawMarks = () => {} }) {
  const names = Object.keys(named);
  const byWeek = dates.length > (narrow.matches ? MOST_DAYS.narrow : MOST_DAYS.wide);
  const axis = dates.length > MONTHS ? monthAxis : dayAxis;
  const [days, columns] = byWeek
    ? weekly(dates, Object.values(named)) : [dates, Object.values(named)];
  const x = days.map((date) => dayNumber(date) * DAY_S);
  const half = (byWeek ? 7 : 1) * DAY_S / 2;
  // stacked() turns the order round, so legend and table do too
  const order = names.map((name, n) => ({ name, n })).reverse();
  return {
    byWeek,
    data: stacked(x, columns),
    values: [days, ...order.map(({ n }) => columns[n])],
    series: order.map(({ name, n }) => ({
      label: name, color: colorOf(name, n), total: sum(columns[n]),
    })),
    marks: byWeek ? [] : marks,
    x: {
      label: byWeek ? "Week from" : "Day",
      text: (date, position) => (byWeek ? weekText(date, position, dates) : longDayOf(date)),
      all: "All days",
    },
    options: (ink) => ({
      scales: {
        x: { time: true, range: (u, low, high) => [low - half, high + half] },
        y: { range: (u, low, high) => [0, Math.max(1, high) * 1.05] },
      },
      tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), "Etc/UTC"),
      hooks: { drawClear: byWeek ? [] : [(u) => drawMarks(u, ink)] },
      axes: [{
        space: 72,
        values: (u, ticks) => ticks.map((second) => axis.format(new Date(second * 1000))),
      }],
      series: (color) => bars(color, days.length),
    }),
  };
}

/** Paint a day's whole height behind the bars. */
export function paintDay(u, date, color) {
  const middle = dayNumber(date) * DAY_S;
  const left = u.valToPos(middle - DAY_S / 2, "x", true);
  const right = u.valToPos(middle + DAY_S / 2, "x", true);
  const from = Math.max(left, u.bbox.left);
  const to = Math.min(right, u.bbox.left + u.bbox.width);
  if (to <= from) return;
  u.ctx.save();
  u.ctx.fillStyle = color;
  u.ctx.fillRect(from, u.bbox.top, to - from, u.bbox.height);
  u.ctx.restore();
}
