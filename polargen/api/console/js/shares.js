// Shares of a whole: a bar of segments with a legend, for scenarios.

import { html } from "./dom.js";
import { percent, words } from "./format.js";

/** The palette's place of each order status; further names follow in the order they come. */
const PLACES = {
  Pending: 3, Processing: 4, Shipped: 2, Delivered: 1, Cancelled: 6, "Delivery Failed": 5,
  Paid: 1, Overdue: 5,
};

export function colorOf(name, position) {
  return `var(--series-${PLACES[name] ?? (position % 8) + 1})`;
}

/** A bar of shares; widths are set through the CSSOM, which a strict policy allows. */
export function ShareBar({ shares, label }) {
  const known = Object.entries(shares).filter(([, share]) => share > 0);
  const text = known.map(([name, share]) => `${name} ${percent(share)}`).join(", ");
  return html`
    <span class="share-bar" role="img" aria-label=${`${label}: ${text}`}>
      ${known.map(([name, share], position) => html`
        <span style=${{ flexGrow: String(share), background: colorOf(name, position) }}></span>
      `)}
    </span>
  `;
}

/** The same with each share written out. */
export function Shares({ shares, label }) {
  const known = Object.entries(shares).filter(([, share]) => share > 0);
  return html`
    <div class="shares">
      <h2 class="minor">${label}</h2>
      <${ShareBar} shares=${shares} label=${label} />
      <ul>
        ${known.map(([name, share], position) => html`
          <li>
            <span class="swatch" style=${{ background: colorOf(name, position) }}></span>
            ${words(name)} <span class="value">${percent(share)}</span>
          </li>
        `)}
      </ul>
    </div>
  `;
}
