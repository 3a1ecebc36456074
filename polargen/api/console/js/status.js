// A job's status in words and colour.

import { html } from "./dom.js";

const STATUSES = {
  queued: ["Waiting", "waits"],
  initializing: ["Starting", "runs"],
  generating: ["Generating", "runs"],
  validating: ["Checking", "runs"],
  writing: ["Writing", "runs"],
  rolling_back: ["Rolling back", "runs"],
  completed: ["Done", "done"],
  failed: ["Failed", "failed"],
  cancelled: ["Cancelled", "stopped"],
};

export const statusText = (status) => STATUSES[status]?.[0] ?? status;

export function Status({ status }) {
  return html`
    <span class="status ${STATUSES[status]?.[1] ?? "waits"}">
      <span class="dot" aria-hidden="true"></span>${statusText(status)}
    </span>
  `;
}
