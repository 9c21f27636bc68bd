/** The keys of the reader. They work while the focus is in the document, but not in a text field.
*/

import { make } from "../dom.js";
import { t } from "../texts.js";

/**
 * @param {HTMLElement} place
 * @param {Record<string, () => void>} actions by the key's name, "Ctrl+" before it where it is held
 */
export function listenForKeys(place, actions) {
  addEventListener("keydown", (event) => {
    if (place.hidden || event.defaultPrevented || event.altKey || document.querySelector("dialog[open]")) return;
    const held = event.ctrlKey || event.metaKey;
    const target = /** @type {HTMLElement} */ (event.target);
    // Ctrl+F searches the whole document, which the browser cannot: few pages exist at a time.
    if (!held && (!place.contains(target) || target.matches("input, textarea, select, [contenteditable]"))) return;
    const action = actions[`${held ? "Ctrl+" : ""}${event.key.length === 1 ? event.key.toLowerCase() : event.key}`];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

/** Shows the list of keys. */
export function showKeys() {
  const rows = /** @type {[string, string][]} */ ([
    ["→ ←", "pages"],
    ["g", "goto"],
    ["/ · Ctrl F", "find"],
    ["+ − 0", "zoom"],
    ["r", "rotate"],
    ["↓ ↑", "blocks"],
    ["Esc", "escape"],
  ]);
  const end = () => dialog.remove();
  const dialog = make(
    "dialog.keys",
    { "aria-labelledby": "keys-title", onclose: end },
    make("h2", { id: "keys-title" }, t("read.keys.title")),
    make("dl", {}, ...rows.flatMap(([keys, name]) => [make("dt", {}, make("kbd", {}, keys)), make("dd", {}, t(`read.keys.${name}`))])),
    make("div.buttons", {}, make("button.primary", { type: "button", onclick: () => dialog.close() }, t("close"))),
  );
  document.body.append(dialog);
  dialog.showModal();
}
