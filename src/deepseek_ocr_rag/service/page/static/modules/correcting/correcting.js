/** Corrections of blocks: edit in place, undo, export for training. */

import { getJson, request } from "../api.js";
import { saveFile } from "../clipboard.js";
import { make } from "../dom.js";
import { note, showProblem } from "../messages.js";
import { t } from "../texts.js";
import { blockPath, editBlock } from "./block_editor.js";

/**
 * @typedef {import("../reading/reader.js").BlockPlace} BlockPlace
 */

/** @param {import("../main.js").Context} context */
export function startCorrecting({ reader }) {
  /** @param {BlockPlace} place */
  const redraw = async ({ job, page, index }) => {
    if (reader.job !== job) return;
    await reader.reloadPage(page.number);
    reader.pages?.goTo(page.number, index);
  };

  /** @param {BlockPlace} place */
  const saved = (place) => {
    note(t("correcting.saved"));
    redraw(place);
  };

  /** @param {BlockPlace} place */
  const undo = async (place) => {
    try {
      await request(blockPath(place), { method: "DELETE" });
      note(t("correcting.undone"));
    } catch (error) {
      showProblem(error);
    }
    redraw(place);
  };

  reader.addBlockAction({ name: "correct", label: t("correcting.correct"), symbol: "edit", applies: canCorrect, run: (place) => editBlock(place, saved, undo) });
  reader.addBlockAction({ name: "undo", label: t("correcting.undo"), symbol: "undo", applies: ({ block }) => block.original !== undefined, run: undo });
  addExport(reader);
}

/** @param {BlockPlace} place a block that was read without text cannot be corrected */
function canCorrect({ block }) {
  return !!block.text || block.original !== undefined;
}

/** @param {import("../reading/reader.js").Reader} reader gets an entry in its menu of downloads */
function addExport(reader) {
  const menu = reader.tools.downloads.element;
  const save = async () => {
    menu.open = false;
    const path = `/v1/jobs/${reader.job}/corrections`;
    try {
      if ((await getJson(path)).corrections.length) await saveFile(`${path}?format=zip`, "corrections.zip");
      else note(t("correcting.none"));
    } catch (error) {
      showProblem(error, reader.name);
    }
  };
  menu.querySelector(".menu-list").append(make("button.quiet", { type: "button", "data-format": "corrections", onclick: save }, t("correcting.export")));
}
