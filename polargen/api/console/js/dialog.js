// Native dialogs: they keep the focus inside and give it back.

import { html, useEffect, useId, useRef } from "./dom.js";
import { Icon } from "./icon.js";

/**
 * A modal dialog that is open while it is rendered; onClose is called for Escape too.
 *
 * closable: with a button to close it; stays: it cannot be closed, only answered.
 */
export function Dialog({ title, onClose, children, closable, stays, wide }) {
  const element = useRef(null);
  const id = useId();
  useEffect(() => {
    element.current.showModal();
  }, []);
  const cancel = (event) => {
    event.preventDefault();
    if (!stays) onClose();
  };
  // browsers close it all the same when Escape is pressed twice
  const closed = () => (stays ? element.current?.showModal() : onClose());
  return html`
    <dialog ref=${element} class=${wide ? "wide" : ""} aria-labelledby=${id} onCancel=${cancel}
      onClose=${closed}>
      <div class="dialog-head">
        <h2 id=${id}>${title}</h2>
        ${closable && html`
          <button class="quiet icon" autofocus aria-label="Close" onClick=${onClose}>
            <${Icon} name="cross" />
          </button>
        `}
      </div>
      ${children}
    </dialog>
  `;
}
