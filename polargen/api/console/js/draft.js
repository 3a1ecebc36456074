// What the form asks for, and the request that this becomes.

export const LARGEST_SEED = 2 ** 53 - 1; // beyond it, JavaScript's numbers are not exact
const DRAWN_BELOW = 1000000;

/** How a run ends: nothing kept, files on the server, tables in its database. */
export const MODES = {
  dry: { label: "Dry run", about: "Makes and checks every row, keeps nothing." },
  files: { label: "Files", about: "Keeps Parquet files on the server, to look at and export." },
  database: { label: "Database", about: "Loads the server's database." },
};

export function drawnSeed() {
  // crypto.randomUUID is missing where the page came over plain HTTP from another machine
  return crypto.getRandomValues(new Uint32Array(1))[0] % DRAWN_BELOW;
}

export function newKey() {
  const words = crypto.getRandomValues(new Uint32Array(4));
  return Array.from(words, (word) => word.toString(16).padStart(8, "0")).join("");
}

/** The draft that the server's defaults make. */
export function firstDraft(defaults, scenario) {
  return {
    scenario,
    startDate: defaults.startDate,
    endDate: defaults.endDate,
    seed: String(drawnSeed()),
    volumeMultiplier: String(defaults.volumeMultiplier),
    batchSize: String(defaults.batchSize),
    mode: defaults.dryRun ? "dry" : defaults.target,
    verify: Boolean(defaults.verify),
  };
}

/** The draft that asks for a job again. */
export function draftOf(job, mode) {
  const { config } = job;
  return {
    scenario: job.scenario,
    startDate: config.startDate,
    endDate: config.endDate,
    seed: String(config.seed),
    volumeMultiplier: String(config.volumeMultiplier),
    batchSize: String(config.batchSize),
    mode: mode ?? modeOf(job),
    verify: Boolean(config.verify),
  };
}

export function modeOf(job) {
  return job.config?.dryRun ? "dry" : job.target;
}

/** The body of POST /generate and POST /config. */
export function requestOf(draft) {
  const dryRun = draft.mode === "dry";
  return {
    scenario: draft.scenario,
    config: {
      startDate: draft.startDate,
      endDate: draft.endDate,
      seed: numberOf(draft.seed),
      volumeMultiplier: numberOf(draft.volumeMultiplier),
      batchSize: numberOf(draft.batchSize),
      dryRun,
      target: dryRun ? undefined : draft.mode,
      verify: draft.verify && !dryRun,
    },
  };
}

/** What the browser itself must refuse: numbers that it would change. */
export function draftErrors(draft) {
  if (Number(draft.seed) <= LARGEST_SEED) return [];
  const message = `is larger than ${LARGEST_SEED}, use the command line for such a seed`;
  return [{ path: "config.seed", message }];
}

/** The same run from a terminal. */
export function commandOf(draft) {
  const parts = ["polargen generate"];
  const add = (option, value) => value && parts.push(`${option} ${value}`);
  add("--scenario", draft.scenario);
  add("--from", draft.startDate);
  add("--to", draft.endDate);
  add("--seed", draft.seed);
  add("--multiplier", draft.volumeMultiplier === "1" ? "" : draft.volumeMultiplier);
  if (draft.mode === "files") parts.push("-o out/data");
  if (draft.mode === "database") parts.push("--no-dry-run");
  if (draft.verify && draft.mode !== "dry") parts.push("--verify");
  return parts.join(" \\\n  ");
}

/** Empty text is left out, so that the server's default holds. */
function numberOf(text) {
  return text === "" ? undefined : Number(text);
}
