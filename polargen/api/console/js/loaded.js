// What the server answers, for as long as somebody looks at it.

import { get, isAbort } from "./api.js";
import { useEffect, useState } from "./dom.js";

/**
 * What a path answers: {value, asked, problem, loading}. The last value, and the query that it
 * answers, stay until the next one is there.
 */
export function useLoaded(path, query = {}) {
  const [state, setState] = useState({ value: null, asked: query, problem: null, loading: true });
  useEffect(() => {
    const abort = new AbortController();
    setState((before) => ({ ...before, loading: true }));
    get(path, query, abort.signal)
      .then((value) => setState({ value, asked: query, problem: null, loading: false }))
      .catch((problem) => {
        if (!isAbort(problem)) setState({ value: null, asked: query, problem, loading: false });
      });
    return () => abort.abort();
  }, [path, JSON.stringify(query)]);
  return state;
}
