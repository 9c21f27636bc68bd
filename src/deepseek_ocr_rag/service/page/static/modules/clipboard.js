/** Copies texts and saves files, also where the page has no secure address. */

import { request } from "./api.js";
import { make } from "./dom.js";
import { note, showProblem } from "./messages.js";
import { t } from "./texts.js";

/** @param {string} text */
export async function copyText(text) {
  note(t((await copied(text)) ? "block.copied" : "block.not_copied"));
}

/** @param {string} text @returns {Promise<boolean>} */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedTheOldWay(text);
  }
}

/** @param {string} text @returns {boolean} Over plain HTTP from another machine there is no navigator.clipboard. */
function copiedTheOldWay(text) {
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  const area = make("textarea.unseen", { value: text, "aria-hidden": "true" });
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  before?.focus();
  return done;
}

/**
 * Saves a reply of the service as a file; a link could not show the key.
 * @param {string} path
 * @param {string} name of the file
 */
export async function saveFile(path, name) {
  try {
    const address = URL.createObjectURL(await (await request(path)).blob());
    make("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  } catch (error) {
    showProblem(error, name);
  }
}
