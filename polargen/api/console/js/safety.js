// What may be written: environment, toggle of database loads, and the guard's checks.

import { forgetToken, hasToken, post } from "./api.js";
import { Cleanup } from "./cleanup.js";
import { Dialog } from "./dialog.js";
import { html, useEffect, useState } from "./dom.js";
import { Icon } from "./icon.js";
import { Checks } from "./plan.js";
import { ProblemNote } from "./problem.js";

export function Safety({ config, toggle, onToggle, onDone }) {
  const [open, setOpen] = useState(false);
  if (!toggle) return null;
  return html`
    <button class="quiet safety" onClick=${() => setOpen(true)} aria-haspopup="dialog">
      <${Icon} name="lock" />
      <span class="environment">${toggle.environment}</span>
      <span class="loads">
        <span class="long">Database </span>loads ${toggle.enabled ? "on" : "off"}
      </span>
    </button>
    ${open && html`
      <${SafetyDialog} config=${config} toggle=${toggle} onToggle=${onToggle} onDone=${onDone}
        onClose=${() => setOpen(false)} />
    `}
  `;
}

function SafetyDialog({ config, toggle, onToggle, onDone, onClose }) {
  const { database, safetyConfig } = config;
  const [problem, setProblem] = useState(null);
  const checks = useChecks(config, toggle);

  async function flip() {
    setProblem(null);
    try {
      onToggle(await post("/toggle", { enable: !toggle.enabled }));
    } catch (error) {
      setProblem(error);
    }
  }

  return html`
    <${Dialog} title="Safety" onClose=${onClose} closable>
      <dl class="facts">
        <div><dt>Environment</dt><dd>${toggle.environment}</dd></div>
        <div><dt>Database</dt><dd>${database ? database.place : "none, files only"}</dd></div>
        ${database && html`<div><dt>Schema</dt><dd>${database.schema}</dd></div>`}
      </dl>
      <div class="switch-row">
        <div>
          <b id="toggle-label">Database loads</b>
          <p class="hint">${toggle.message}</p>
        </div>
        <button class="switch" role="switch" aria-checked=${toggle.enabled}
          aria-labelledby="toggle-label" disabled=${!toggle.canEnable && !toggle.enabled}
          onClick=${flip}><span></span></button>
      </div>
      ${!toggle.canEnable && html`
        <p class="note bad">This environment says production: nothing can be enabled here.</p>
      `}
      <${ProblemNote} problem=${problem} />
      <${Checks} checks=${checks} />
      ${hasToken() && html`
        <p class="hint">
          This tab keeps the server's token.
          ${" "}<button class="quiet small" onClick=${forget}>Forget it</button>
        </p>
      `}
      <div><${Cleanup} confirmation=${safetyConfig.cleanupConfirmation} onDone=${onDone} /></div>
    <//>
  `;
}

function forget() {
  forgetToken();
  location.reload();
}

/** The guard's checks of a load; asked again once the toggle has changed. */
function useChecks(config, toggle) {
  const [checks, setChecks] = useState([]);
  useEffect(() => {
    const abort = new AbortController();
    const target = config.targets.includes("database") ? "database" : "files";
    post("/config", { target }, { signal: abort.signal })
      .then((judged) => setChecks(judged.safetyChecks))
      .catch(() => setChecks([])); // the dialog says the rest, and each run is checked again
    return () => abort.abort();
  }, [toggle.enabled]);
  return checks;
}
