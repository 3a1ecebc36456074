// The one place that names the rendering libraries.

import htm from "../vendor/htm/htm.mjs";
import { createElement } from "../vendor/preact/preact.mjs";

export { render } from "../vendor/preact/preact.mjs";
export {
  useCallback,
  useEffect,
  useId,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "../vendor/preact/hooks.mjs";

export const html = htm.bind(createElement);

/** Join the class names that hold. */
export function classes(...names) {
  return names.filter(Boolean).join(" ");
}
