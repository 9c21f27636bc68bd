/** Edits the text of a block in place. */

import { request } from "../api.js";
import { make } from "../dom.js";
import { problemParts } from "../messages.js";
import { t } from "../texts.js";

const LONGEST = 100_000;

/**
 * @typedef {import("../reading/reader.js").BlockPlace} BlockPlace
 */

/** @param {BlockPlace} place @returns {string} where the service has the block */
export function blockPath({ job, page, index }) {
  return `/v1/jobs/${job}/pages/${page.number}/blocks/${index}`;
}

/** @type {Map<string, string>} what was typed and not saved: pages come and go while one scrolls */
const drafts = new Map();

/**
 * Shows an editor in place of a block's text.
 * @param {BlockPlace} place
 * @param {(place: BlockPlace) => void} onSaved
 * @param {(place: BlockPlace) => void} onUndo
 */
export function editBlock(place, onSaved, onUndo) {
  const { element, block } = place;
  const path = blockPath(place);
  const shown = /** @type {HTMLElement} */ (element.querySelector(".block-text"));
  if (element.querySelector(".block-editor")) return;
  const id = `correction-${place.page.number}-${place.index}`;
  const area = make("textarea", { id, maxLength: LONGEST, rows: Math.min(16, Math.max(2, block.text.split("\n").length + Math.floor(block.text.length / 60))), value: drafts.get(path) ?? block.text, spellcheck: true });
  area.addEventListener("input", () => drafts.set(path, area.value));
  const trouble = make("div.note.bad", { hidden: true });
  const save = make("button.primary", { type: "submit" }, t("correcting.save"));
  const form = make(
    "form.block-editor",
    {},
    make("label", { htmlFor: id }, t(block.html ? "correcting.text.table" : "correcting.text")),
    area,
    block.original !== undefined && make("p.small.faint", {}, t("correcting.read"), " ", make("q", {}, block.original)),
    trouble,
    make(
      "div.buttons",
      {},
      make("span.small.faint.keys-hint", {}, t("correcting.keys")),
      block.original !== undefined && make("button", { type: "button", onclick: () => onUndo(place) }, t("correcting.undo")),
      make("button", { type: "button", onclick: () => close() }, t("correcting.cancel")),
      save,
    ),
  );
  const close = () => {
    drafts.delete(path);
    form.remove();
    shown.hidden = false;
    element.focus({ preventScroll: true });
  };
  form.addEventListener("submit", async (/** @type {Event} */ event) => {
    event.preventDefault();
    save.disabled = true;
    try {
      await request(path, { method: "PUT", json: { text: area.value } });
      drafts.delete(path);
      onSaved(place);
    } catch (error) {
      trouble.hidden = false;
      trouble.replaceChildren(problemParts(error));
      save.disabled = false;
      area.focus();
    }
  });
  form.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    // The reader's own keys must not act while typing.
    event.stopPropagation();
    if (event.key === "Escape") close();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  shown.hidden = true;
  shown.after(form);
  area.focus();
}
