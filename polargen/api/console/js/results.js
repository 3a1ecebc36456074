// What a finished run made, in tabs that ask the server only once they are looked at.

import { Charts } from "./charts.js";
import { html, useEffect, useState } from "./dom.js";
import { Export } from "./export.js";
import { useLoaded } from "./loaded.js";
import { ProblemNote } from "./problem.js";
import { Rows } from "./rows.js";
import { Skeleton } from "./shapes.js";
import { Tabs } from "./tabs.js";
import { Verification } from "./verification.js";

const TABS = { overview: "Overview", rows: "Rows", verification: "Verification", export: "Export" };

export function Results({ job, onGone }) {
  const [tab, setTab] = useState("overview");
  const tables = useLoaded(`/jobs/${job.jobId}/tables`);
  useEffect(() => {
    if (tables.problem?.status === 409) onGone();
  }, [tables.problem]);
  if (tables.problem) return html`<${Gone} problem=${tables.problem} />`;
  if (!tables.value) return html`<${Skeleton} />`;
  return html`
    <${Tabs} label="Results" tabs=${TABS} chosen=${tab} onChoose=${setTab}>
      ${tab === "overview" && html`<${Charts} job=${job} />`}
      ${tab === "rows" && html`<${Rows} jobId=${job.jobId} tables=${tables.value.tables} />`}
      ${tab === "verification" && html`<${Verification} job=${job} />`}
      ${tab === "export" && html`<${Export} job=${job} tables=${tables.value.tables} />`}
    <//>
  `;
}

function Gone({ problem }) {
  if (problem.status !== 409) return html`<${ProblemNote} problem=${problem} />`;
  return html`
    <div class="note plain">
      <strong>The rows of this run are not there any more</strong>
      <p>${problem.detail}</p>
      <p>Run it again: the same seed and settings give the same rows.</p>
    </div>
  `;
}
