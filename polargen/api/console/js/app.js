// The console: what the server knows, which run is looked at, and the page around both.

import { Problem, get, onTokenNeeded } from "./api.js";
import { firstDraft } from "./draft.js";
import { html, render, useEffect, useLayoutEffect, useRef, useState } from "./dom.js";
import { hasEnded } from "./follow.js";
import { History } from "./history.js";
import { Icon } from "./icon.js";
import { Job } from "./job.js";
import { NewRun } from "./new-run.js";
import { ProblemNote } from "./problem.js";
import { Safety } from "./safety.js";
import { Skeleton } from "./shapes.js";
import { ThemeSwitch } from "./theme.js";
import { TokenDialog } from "./token.js";

const BUSY_MS = 2000;
const IDLE_MS = 15000;
const JOBS = 40;

function App() {
  const token = useToken();
  const server = useServer();
  const [jobs, refreshJobs] = useJobs(server.value !== null);
  const [draft, setDraft] = useState(null);
  const [listOpen, setListOpen] = useState(false);
  const [again, setAgain] = useState(0); // of a job that is looked at anew
  const selected = useHash();
  useEffect(() => setListOpen(false), [selected]);
  useNewPage(selected);

  const look = (jobId) => {
    location.hash = jobId;
    refreshJobs();
  };
  const retry = (wanted) => {
    setDraft(wanted);
    location.hash = "new";
  };
  const changed = () => {
    refreshJobs();
    setAgain((n) => n + 1);
  };

  return html`
    <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <header class="top">
      <a class="brand" href="#new" aria-label="polargen, new run">
        <img src="icon.svg" alt="" width="24" height="24" /><span>polargen</span>
      </a>
      <button class="quiet list-button" aria-expanded=${listOpen} aria-controls="history"
        onClick=${() => setListOpen(!listOpen)}><${Icon} name="list" /> Runs</button>
      <span class="gap"></span>
      ${server.value && html`
        <${Safety} config=${server.value.config} toggle=${server.toggle}
          onToggle=${server.setToggle} onDone=${changed} />
      `}
      <${ThemeSwitch} />
    </header>
    <div class="shell">
      <${History} jobs=${jobs} selected=${selected} open=${listOpen} />
      <main id="main" tabindex="-1">
        ${server.problem && html`
          <div class="page">
            <${ProblemNote} problem=${server.problem} />
            <button onClick=${() => location.reload()}>Try again</button>
          </div>
        `}
        ${server.value && (selected
          ? html`
            <${Job} key=${`${selected} ${again}`} jobId=${selected} onAgain=${retry}
              confirmation=${server.value.config.safetyConfig.cleanupConfirmation}
              onChange=${refreshJobs} onRemoved=${changed} />
          `
          : html`
            <${NewRun} scenarios=${server.value.scenarios} targets=${server.value.config.targets}
              database=${server.value.config.database} enabled=${server.toggle?.enabled}
              draft=${draft ?? server.value.draft} onDraft=${setDraft} onStarted=${look} />
          `)}
        ${!server.value && !server.problem && html`
          <${Skeleton} label="The page is being loaded" />
        `}
      </main>
    </div>
    ${token.asked && html`<${TokenDialog} refused=${token.refused} onToken=${token.give} />`}
  `;
}

/** The hash names a job while one is looked at; a reload keeps it. */
function useHash() {
  const read = () => /^#(job-[0-9a-z]+)$/.exec(location.hash)?.[1] ?? null;
  const [selected, setSelected] = useState(read);
  useEffect(() => {
    const change = () => setSelected(read());
    addEventListener("hashchange", change);
    return () => removeEventListener("hashchange", change);
  }, []);
  return selected;
}

/** What a new page would do: the focus goes to its content. */
function useNewPage(selected) {
  const before = useRef(selected);
  useEffect(() => {
    if (!selected) document.title = "polargen";
    if (before.current === selected) return;
    before.current = selected;
    document.getElementById("main").focus();
    scrollTo(0, 0);
  }, [selected]);
}

/** The question for the token, whenever a request needs one. */
function useToken() {
  const [state, setState] = useState({ asked: false, refused: false });
  const resolve = useRef(null);
  // a layout effect: it runs before the effects that ask the server
  useLayoutEffect(() => onTokenNeeded((refused) => new Promise((done) => {
    resolve.current = done;
    setState({ asked: true, refused });
  })), []);
  const give = (token) => {
    setState({ asked: false, refused: false });
    resolve.current(token);
  };
  return { ...state, give };
}

/** Configuration, scenarios and toggle, asked for once. */
function useServer() {
  const [state, setState] = useState({ value: null, problem: null });
  const [toggle, setToggle] = useState(null);
  useEffect(() => {
    const load = async () => {
      const config = await get("/config"); // alone: it may have to ask for the token
      const [listed, shown] = await Promise.all([get("/scenarios"), get("/toggle")]);
      setToggle(shown);
      const draft = firstDraft(config.defaults, listed.defaultScenario);
      setState({ value: { config, scenarios: listed.scenarios, draft }, problem: null });
    };
    load().catch((problem) => setState({ value: null, problem }));
  }, []);
  return { ...state, toggle, setToggle };
}

/** The list of runs; asked for often while one runs, and not at all while nobody looks. */
function useJobs(ready) {
  const [jobs, setJobs] = useState(null);
  const [asked, setAsked] = useState(0);
  const busy = (jobs ?? []).some((job) => !hasEnded(job.status));
  useEffect(() => {
    if (!ready) return undefined;
    let live = true;
    const look = async () => {
      if (document.hidden) return;
      try {
        const answer = await get("/jobs", { limit: JOBS });
        if (live) setJobs(answer.jobs);
      } catch (error) {
        if (!(error instanceof Problem)) throw error; // the list stays as it was
      }
    };
    look();
    const timer = setInterval(look, busy ? BUSY_MS : IDLE_MS);
    document.addEventListener("visibilitychange", look);
    return () => {
      live = false;
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [ready, busy, asked]);
  return [jobs, () => setAsked((n) => n + 1)];
}

function skip(event) {
  event.preventDefault(); // the hash is for runs
  document.getElementById("main").focus();
}

const root = document.getElementById("console");
root.replaceChildren(); // what index.html says until then
render(html`<${App} />`, root);
