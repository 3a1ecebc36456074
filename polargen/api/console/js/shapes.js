// Small shapes that many parts show.

import { html } from "./dom.js";

/** What stands where something is still on its way. */
export function Skeleton({ kind = "", label }) {
  const hidden = label ? {} : { "aria-hidden": "true" };
  return html`
    <div class="skeleton ${kind}" role=${label && "img"} aria-label=${label} ...${hidden}>
      <i></i><i></i><i></i>
    </div>
  `;
}

/** A bar that is filled by a share of 0..1; its number always stands beside it. */
export function Bar({ share }) {
  return html`
    <span class="bar" aria-hidden="true"><span style=${{ width: `${100 * share}%` }}></span></span>
  `;
}
