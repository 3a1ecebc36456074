// Tabs as the ARIA pattern has them: arrows move, only the chosen one is in the tab order.

import { html, useId, useRef } from "./dom.js";

export function Tabs({ label, tabs, chosen, onChoose, children }) {
  const id = useId();
  const list = useRef(null);
  const names = Object.keys(tabs);
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = names.indexOf(chosen);
    const to = Number.isFinite(step) ? (at + step + names.length) % names.length
      : step < 0 ? 0 : names.length - 1;
    onChoose(names[to]);
    list.current.children[to].focus();
  };
  return html`
    <div class="tabs" role="tablist" aria-label=${label} ref=${list} onKeyDown=${move}>
      ${names.map((name) => html`
        <button role="tab" type="button" id="${id}-${name}" aria-controls="${id}-panel"
          aria-selected=${name === chosen} tabindex=${name === chosen ? 0 : -1}
          onClick=${() => onChoose(name)}>${tabs[name]}</button>
      `)}
    </div>
    <div role="tabpanel" id="${id}-panel" class="tabpanel" aria-labelledby="${id}-${chosen}">
      ${children}
    </div>
  `;
}
