// A job's progress: Server-Sent Events read by fetch, because EventSource sends no token; the
// status is asked for instead where events cannot be had.

import { Problem, get, send } from "./api.js";

const RETRY_MS = 1000;
const SILENT_MS = 25000; // the server sends a comment every ten seconds
const ENDED = new Set(["completed", "failed", "cancelled"]);

export const hasEnded = (status) => ENDED.has(status);

/**
 * Call onStatus with the status object of a job, at once and on each change, until it ends.
 * Rejects if the job is unknown; waits and asks again where the connection is lost.
 */
export async function follow(jobId, onStatus, signal) {
  let lastId = null;
  let ended = false;
  const show = (status, id) => {
    lastId = id ?? lastId;
    ended = hasEnded(status.status);
    onStatus(status);
  };
  while (!ended && !signal.aborted) {
    try {
      await readEvents(jobId, lastId, show, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!isPassing(error)) throw error;
      await look(jobId, show, signal);
    }
    if (!ended) await pause(RETRY_MS, signal);
  }
}

async function look(jobId, show, signal) {
  try {
    show(await get("/status", { jobId }, signal));
  } catch (error) {
    if (!signal.aborted && !isPassing(error)) throw error;
  }
}

/** Whether waiting may help: no answer, a stream that stalled, a server that is busy. */
function isPassing(error) {
  return !(error instanceof Problem) || error.status === 0 || error.status >= 500;
}

async function readEvents(jobId, lastId, show, outer) {
  const stalled = new AbortController();
  const signal = AbortSignal.any([outer, stalled.signal]);
  const headers = lastId === null ? {} : { "Last-Event-ID": lastId };
  const answer = await send("GET", "/events", { query: { jobId }, headers, signal });
  if (answer.status === 204) return look(jobId, show, outer); // nothing new since lastId
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    // a proxy may hold the stream back, or the network may be gone without a word
    const timer = setTimeout(() => stalled.abort(), SILENT_MS);
    const { done, value } = await reader.read().finally(() => clearTimeout(timer));
    if (done) return undefined;
    const blocks = (buffer + value).split(/\r?\n\r?\n/);
    buffer = blocks.pop();
    for (const block of blocks) {
      const event = parsed(block);
      if (event.data) show(JSON.parse(event.data), event.id);
    }
  }
}

function parsed(block) {
  const event = { data: "", id: null };
  for (const line of block.split(/\r?\n/)) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (name === "data") event.data += (event.data && "\n") + value;
    if (name === "id") event.id = value;
  }
  return event;
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

