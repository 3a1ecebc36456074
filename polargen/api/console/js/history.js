// The runs of this server and of the command line, the newest first.

import { classes, html } from "./dom.js";
import { compact, sum, when } from "./format.js";
import { MODES, modeOf } from "./draft.js";
import { Icon } from "./icon.js";
import { hasEnded } from "./follow.js";
import { Bar, Skeleton } from "./shapes.js";
import { Status } from "./status.js";

export function History({ jobs, selected, open }) {
  return html`
    <nav class=${classes("history", open && "open")} id="history" aria-label="Runs">
      <a class="button primary new" href="#new" aria-current=${selected ? undefined : "page"}>
        <${Icon} name="plus" /> New run
      </a>
      <h2>Runs</h2>
      ${jobs === null && html`<${Skeleton} />`}
      ${jobs?.length === 0 && html`
        <p class="empty">No runs yet. Choose a scenario and start one: a dry run of 90 days takes
        about a second and keeps nothing.</p>
      `}
      ${jobs?.length > 0 && html`
        <ol>
          ${jobs.map((job) => html`
            <${Entry} key=${job.jobId} job=${job} current=${job.jobId === selected} />
          `)}
        </ol>
      `}
    </nav>
  `;
}

function Entry({ job, current }) {
  const rows = sum(Object.values(job.progress.recordsGenerated));
  return html`
    <li>
      <a href="#${job.jobId}" aria-current=${current ? "page" : undefined}>
        <span class="entry-head">
          <b>${job.scenario}</b>
          <time datetime=${job.createdAt}>${when(job.createdAt)}</time>
        </span>
        <span class="entry-foot">
          <${Status} status=${job.status} />
          <span>${MODES[modeOf(job)]?.label ?? job.target}</span>
          <span>${compact(rows)} rows</span>
        </span>
        ${!hasEnded(job.status) && html`
          <${Bar} share=${job.progress.progressPercent / 100} />
        `}
      </a>
    </li>
  `;
}
