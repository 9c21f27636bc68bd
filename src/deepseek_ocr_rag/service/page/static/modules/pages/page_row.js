/** One page: its picture beside its text. */

import { fill, make } from "../dom.js";
import { isAbort, problemParts, withCode } from "../messages.js";
import { t } from "../texts.js";
import { blockText, kindName } from "./block_text.js";
import { sizeOf } from "./page_layout.js";
import { LOW_CONFIDENCE, percent, reasons, stateOf, toneOf } from "./page_state.js";
import { Sheet } from "./sheet.js";

const SETTLE_MS = 40;

export class PageRow {
  /**
   * @param {import("../reading/open_document.js").OpenDocument} opened
   * @param {number} page
   * @param {import("./page_layout.js").Layout & {view: string}} layout
   * @param {(row: PageRow) => void} onText its text has come
   */
  constructor(opened, page, layout, onText) {
    this.opened = opened;
    this.page = page;
    this.onText = onText;
    /** @type {any} the page's JSON, when it has come */
    this.json = null;
    this.isClosed = false;
    const entry = opened.entries.get(page);
    const label = opened.label(page);
    this.sheet = layout.view === "text" ? null : new Sheet(opened, page, layout);
    this.text = make("div.text", { role: "group", "aria-label": t("block.blocks", { label }) });
    this.element = make(
      "article.row",
      { "data-page": page, "data-state": stateOf(entry), "aria-label": t("page.name", { label }) },
      this.sheet && make("div.sheet-cell", {}, this.sheet.element),
      make("div.text-cell", {}, make("div.page-head", {}, make("h2", {}, t("page.name", { label })), badge(entry)), notes(entry), this.text),
    );
    if (this.sheet) this.sheet.onPicture = (address) => this.showFigures(address);
    // So that the row has about the right height until the text has come.
    this.text.style.minHeight = layout.view === "text" ? "12em" : "";
    if (entry) this.timer = setTimeout(() => this.load(), SETTLE_MS);
    else fill(this.text, make("p.faint", {}, t(opened.job.ended ? "page.never" : "page.waits")));
  }

  async load() {
    try {
      const json = await this.opened.page(this.page);
      if (this.isClosed) return;
      this.json = json;
      this.showText();
      this.sheet?.showBlocks(json.blocks);
      if (json.blocks.some((/** @type {any} */ block) => block.html)) {
        const tables = await this.opened.tables(this.page);
        if (this.isClosed) return;
        this.showTables(tables);
      }
      if (this.sheet?.address) this.showFigures(this.sheet.address);
      this.onText(this);
    } catch (error) {
      if (!isAbort(error) && !this.isClosed) fill(this.text, make("div.note.bad", {}, problemParts(error)));
    }
  }

  showText() {
    this.text.style.minHeight = "";
    const blocks = this.json.blocks.map(blockElement);
    if (blocks.length) fill(this.text, ...blocks);
    else if (this.json.markdown.trim()) fill(this.text, ...blockText({ kind: "text", text: this.json.markdown }));
    else fill(this.text, this.json.finish_reason === "stop" && make("p.faint", {}, t("page.empty")));
  }

  /** @param {any[]} tables which come after the text; the other blocks keep the pointer and the focus */
  showTables(tables) {
    for (const table of tables) {
      const place = this.blockElement(table.block)?.querySelector(".block-text");
      if (place) fill(place, ...blockText(this.json.blocks[table.block], table));
    }
  }

  /** @param {string} address of the page's picture, out of which figures are cut */
  showFigures(address) {
    if (!this.json) return;
    const { width, height } = sizeOf(this.opened.entries.get(this.page), { zoom: 1, turn: 0, width: 0, height: 0 });
    for (const [index, block] of this.json.blocks.entries()) {
      const place = block.kind === "image" && block.boxes.length && this.blockElement(index)?.querySelector(".block-text");
      if (!place) continue;
      const [left, top, right, bottom] = block.boxes[0];
      const [across, down] = [right - left, bottom - top];
      if (!(across > 0.01 && down > 0.01)) continue;
      const picture = make("img", { src: address, alt: block.text.trim() || t("block.image") });
      picture.style.width = `${100 / across}%`;
      picture.style.marginLeft = `${(-100 * left) / across}%`;
      picture.style.marginTop = `${(-100 * top * height) / (across * width)}%`;
      const figure = make("div.figure", {}, picture);
      figure.style.aspectRatio = `${across * width} / ${down * height}`;
      fill(place, figure);
    }
  }

  /** @param {number} index @returns {HTMLElement | null} where a block's text is */
  blockElement(index) {
    return this.text.querySelector(`:scope > [data-block="${index}"]`);
  }

  close() {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.sheet?.close();
  }
}

/** @param {any} block @param {number} index */
function blockElement(block, index) {
  const sure = block.confidence;
  const doubtful = sure !== undefined && sure !== null && sure < LOW_CONFIDENCE;
  return make(
    `div.block${doubtful ? ".doubtful" : ""}`,
    { role: "group", tabIndex: index === 0 ? 0 : -1, "data-block": index, "data-kind": block.kind, "aria-label": t("block.name", { kind: kindName(block.kind), number: index + 1 }) },
    make("div.block-text", {}, ...blockText(block)),
    (doubtful || block.original !== undefined) && make("div.block-notes", {}, block.original !== undefined && make("span.badge.good", {}, t("block.corrected")), doubtful && make("span.badge.warn", {}, t("block.sure", { percent: percent(sure) }))),
  );
}

/** @param {any} entry */
function badge(entry) {
  const state = stateOf(entry);
  return state !== "fine" && make(`span.badge.${toneOf(state)}`, {}, t(`page.state.${state}`));
}

/** @param {any} entry */
function notes(entry) {
  const found = reasons(entry);
  return found.length > 0 && make(`div.note.${toneOf(stateOf(entry)) || "calm"}`, {}, ...found.map((text) => make("p", {}, ...withCode(text))));
}
