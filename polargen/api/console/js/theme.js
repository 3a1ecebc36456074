// Light or dark: as the system says, or as chosen here. Charts listen, a canvas has no CSS.

import { html, useEffect, useState } from "./dom.js";
import { Icon } from "./icon.js";

const KEY = "polargen.theme";
const NEXT = { system: "light", light: "dark", dark: "system" };
const listeners = new Set();
const system = matchMedia("(prefers-color-scheme: dark)");
system.addEventListener("change", tell);

function tell() {
  for (const listener of listeners) listener();
}

function choose(theme) {
  if (theme === "system") {
    localStorage.removeItem(KEY);
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem(KEY, theme);
    document.documentElement.dataset.theme = theme;
  }
  tell();
}

/** A number that changes whenever colours do. */
export function useThemeChanges() {
  const [changes, setChanges] = useState(0);
  useEffect(() => {
    const listener = () => setChanges((n) => n + 1);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, []);
  return changes;
}

export function ThemeSwitch() {
  const [theme, setTheme] = useState(localStorage.getItem(KEY) ?? "system");
  const next = () => {
    choose(NEXT[theme]);
    setTheme(NEXT[theme]);
  };
  return html`
    <button class="quiet icon" onClick=${next} title=${`Colours: ${theme}`}
      aria-label=${`Colours: ${theme}. Switch to ${NEXT[theme]}`}>
      <${Icon} name=${theme} />
    </button>
  `;
}

/** The colour that a CSS expression has now, for a canvas. */
export function resolved(expression) {
  const probe = document.createElement("span");
  probe.style.color = expression;
  document.body.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}
