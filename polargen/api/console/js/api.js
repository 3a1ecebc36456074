// Calls of the HTTP API. Every error is a Problem, as the server words it.

const BASE = new URL("api/mock-data", document.baseURI).href;
const TOKEN_KEY = "polargen.token";

/** An answer that is an error, or none at all. */
export class Problem extends Error {
  constructor(status, { title = "Error", detail = "", errors = [], failures = [], ...more } = {}) {
    super(detail || title);
    Object.assign(this, { status, title, detail, errors, failures, more });
  }
}

/** Any error as a Problem. */
export function asProblem(error) {
  return error instanceof Problem ? error : new Problem(0, { detail: String(error) });
}

let askForToken = async () => {
  throw new Problem(401, { title: "Token missing" });
};
let asking = null;

/** Set who asks the user for the token; it gets whether one was refused, and resolves to one. */
export function onTokenNeeded(ask) {
  askForToken = ask;
}

/** Whether this tab holds a token. */
export function hasToken() {
  return sessionStorage.getItem(TOKEN_KEY) !== null;
}

export function forgetToken() {
  sessionStorage.removeItem(TOKEN_KEY);
}

/** Send a request; asks for the token where the server wants one, and tries again. */
export async function send(method, path, { query = {}, body, headers = {}, signal } = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  const url = given.length ? `${BASE}${path}?${new URLSearchParams(given)}` : BASE + path;
  for (;;) {
    const token = sessionStorage.getItem(TOKEN_KEY);
    const answer = await fetched(url, {
      method,
      signal,
      cache: "no-store",
      headers: {
        ...headers,
        ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (answer.ok) return answer;
    if (answer.status !== 401) throw await problemOf(answer);
    await newToken(token);
  }
}

/** Send a request and read the JSON that comes. */
export async function call(method, path, options) {
  const answer = await send(method, path, options);
  return answer.status === 204 ? null : answer.json();
}

export const get = (path, query, signal) => call("GET", path, { query, signal });
export const post = (path, body, more) => call("POST", path, { body, ...more });

/** Whether an error is only that nobody waits for the answer any more. */
export function isAbort(error) {
  return error?.name === "AbortError";
}

async function fetched(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new Problem(0, {
      title: "No answer",
      detail: "The server does not answer. Check that polargen serve runs, then try again.",
    });
  }
}

async function problemOf(answer) {
  let given = {};
  try {
    given = await answer.json();
  } catch {
    given = { detail: `The server answered ${answer.status} without a reason.` };
  }
  return new Problem(answer.status, given);
}

/** Get a token that differs from a refused one; many requests wait for the same question. */
async function newToken(refused) {
  if (sessionStorage.getItem(TOKEN_KEY) !== refused) return;
  asking ??= askForToken(refused !== null).finally(() => {
    asking = null;
  });
  sessionStorage.setItem(TOKEN_KEY, await asking);
}
