// What the server answers, for as long as somebody looks at it.

import { get, isAbort } from "./api.js";
import { useEffect, useState } from "./dom.js";

/** What a path answers: {value, problem, loading}; the last value stays until the next is there. */
export function useLoaded(path, query = {}) {
  const [state, setState] = useState({ value: null, problem: null, loading: true });
  useEffect(() => {
    const abort = new AbortController();
    setState((before) => ({ ...before, loading: true }));
    get(path, query, abort.signal)
      .then((value) => setState({ value, problem: null, loading: false }))
      .catch((problem) => {
        if (!isAbort(problem)) setState({ value: null, problem, loading: false });
      });
    return () => abort.abort();
  }, [path, JSON.stringify(query)]);
  return state;
}
