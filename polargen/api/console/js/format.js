// Numbers, sizes, times and names as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const dayAndMonth = { day: "numeric", month: "short", timeZone: "UTC" };
const longDay = new Intl.DateTimeFormat("en-GB", {
  weekday: "short", ...dayAndMonth, year: "numeric",
});
const day = new Intl.DateTimeFormat("en-GB", { ...dayAndMonth, year: "numeric" });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

export const count = (n) => whole.format(n);
export const compact = (n) => (n < 1e6 ? whole.format(n) : short.format(n));
export const dayOf = (text) => day.format(new Date(`${text}T00:00:00Z`));
export const longDayOf = (text) => longDay.format(new Date(`${text}T00:00:00Z`));
export const momentOf = (text) => moment.format(new Date(text));

/** A share of 0..1 in percent, with one digit where it is needed. */
export function percent(share) {
  const value = share * 100;
  return `${Number(value.toFixed(value < 10 ? 1 : 0))} %`;
}

export function bytes(n) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  while (n >= 1000 && step < units.length - 1) {
    n /= 1000;
    step += 1;
  }
  return `${Number(n.toPrecision(3))} ${units[step]}`;
}

export function seconds(s) {
  if (s < 1) return "under a second";
  if (s < 10) return `${Number(s.toFixed(1))} s`;
  const rounded = Math.round(s);
  if (rounded < 60) return `${rounded} s`;
  const minutes = Math.floor(rounded / 60);
  if (minutes < 60) return `${minutes} min ${rounded % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** When something was, the shorter the nearer: 14:05, 3 Mar 2026. */
export function when(text) {
  const then = new Date(text);
  const age = Date.now() - then.getTime();
  if (age < 45000) return "now";
  if (age < 3600000) return `${Math.round(age / 60000)} min ago`;
  return then.toDateString() === new Date().toDateString() ? clock.format(then) : day.format(then);
}

/** orderItems -> Order items, delivery_delay -> Delivery delay. */
export function words(name) {
  const spaced = name.replace(/_/g, " ").replace(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

export const sum = (numbers) => numbers.reduce((total, n) => total + n, 0);

/** Days since 1970 of a date, and back. */
export const dayNumber = (text) => Date.parse(`${text}T00:00:00Z`) / 86400000;
export const dateOf = (number) => new Date(number * 86400000).toISOString().slice(0, 10);
