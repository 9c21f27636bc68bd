/** Asks for the key of a service that wants one. */

import { keyHeaders } from "./api.js";
import { make } from "./dom.js";
import { t } from "./texts.js";

/** @returns {Promise<string>} the key that was typed; it is tried next, and asked for again if it is wrong */
export function askForKey() {
  return new Promise((resolve) => {
    const input = make("input", { id: "key", type: "password", autocomplete: "off", required: true, spellcheck: false });
    const wrong = "X-Api-Key" in keyHeaders();
    const form = make(
      "form",
      { method: "dialog" },
      make("h2", { id: "key-title" }, t("key.title")),
      make("p", {}, t("key.what")),
      wrong && make("p.note.bad", { role: "alert" }, t("key.wrong")),
      make("label", { for: "key" }, t("key.label")),
      input,
      make("div.buttons", {}, make("button.primary", {}, t("key.use"))),
    );
    const dialog = make("dialog", { "aria-labelledby": "key-title" }, form);
    form.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      // Headers can hold nothing else, so any other key is wrong.
      const key = input.value.trim().replace(/[^\x21-\x7e]/g, "?");
      dialog.close();
      dialog.remove();
      resolve(key);
    });
    // Nothing works without a key, so Escape does not close the dialog.
    dialog.addEventListener("cancel", (/** @type {Event} */ event) => event.preventDefault());
    document.body.append(dialog);
    dialog.showModal();
  });
}
