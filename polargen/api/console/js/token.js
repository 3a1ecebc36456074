// The question for the server's token; it is kept for this tab only.

import { Dialog } from "./dialog.js";
import { html, useRef } from "./dom.js";

export function TokenDialog({ refused, onToken }) {
  const field = useRef(null);
  const submit = (event) => {
    event.preventDefault();
    const token = field.current.value.trim();
    if (token) onToken(token);
  };
  return html`
    <${Dialog} title="Token" stays>
      <p>
        This server asks for a token: the value of <code>POLARGEN_API_TOKEN</code> where it was
        started. It is kept for this tab only.
      </p>
      <form onSubmit=${submit}>
        <div class="field">
          <label for="token">Token</label>
          <input id="token" ref=${field} type="password" autocomplete="off" autofocus required
            aria-invalid=${refused} aria-describedby=${refused ? "token-error" : undefined} />
          ${refused && html`
            <p class="field-error" id="token-error" role="alert">
              The server refused this token. Check it and enter it again.
            </p>
          `}
        </div>
        <div class="dialog-actions"><button class="primary">Continue</button></div>
      </form>
    <//>
  `;
}
