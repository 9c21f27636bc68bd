/** Asks for confirmation before something is lost. */

import { make } from "../dom.js";

/**
 * @param {string} question
 * @param {string} yes the label of the button that goes on
 * @param {string} no the label of the button that cancels
 * @returns {Promise<boolean>}
 */
export function confirmed(question, yes, no) {
  return new Promise((resolve) => {
    const end = (/** @type {boolean} */ answer) => {
      dialog.remove();
      resolve(answer);
    };
    const dialog = make(
      "dialog",
      { "aria-labelledby": "sure-question", oncancel: () => end(false) },
      make("p", { id: "sure-question" }, question),
      make("div.buttons", {}, make("button", { type: "button", onclick: () => end(false) }, no), make("button.danger", { type: "button", onclick: () => end(true) }, yes)),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}
