// Small line icons; always beside a text or with a label on their button.

import { html } from "./dom.js";

const PATHS = {
  system: "M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12",
  light: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1"
    + "M3 13l1-1M12 4l1-1",
  dark: "M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7z",
  dice: "M4 2h8a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V4a2 2 0 0 1 2-2z"
    + "M5.3 5.3h.01M8 8h.01M10.7 10.7h.01M10.7 5.3h.01M5.3 10.7h.01",
  check: "M3 8.5l3.2 3.2L13 5",
  cross: "M4 4l8 8M12 4l-8 8",
  warning: "M8 2l6.5 11.5h-13zM8 6.5v3M8 11.6h.01",
  plus: "M8 3v10M3 8h10",
  list: "M5.5 4H14M5.5 8H14M5.5 12H14M2.2 4h.01M2.2 8h.01M2.2 12h.01",
  lock: "M4 7h8v6.5H4zM5.5 7V5a2.5 2.5 0 0 1 5 0v2",
};

export function Icon({ name }) {
  const filled = name === "system";
  return html`
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" fill="none"
      stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round">
      ${filled && html`<path d="M8 2a6 6 0 0 0 0 12z" fill="currentColor" />`}
      <path d=${PATHS[name]} />
    </svg>
  `;
}
