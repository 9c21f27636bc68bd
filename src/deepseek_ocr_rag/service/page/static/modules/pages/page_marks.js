/** What is marked on the pages: what an answer rests on, and what was searched for. */

import { highlight, rangesOf } from "./text_ranges.js";

/**
 * @typedef {import("./page_row.js").PageRow} PageRow
 * @typedef {import("../reading/reader.js").Mark} Mark
 * @typedef {import("../reading/find_bar.js").Hit} Hit
 */

export class PageMarks {
  /** @param {(page: number) => PageRow | undefined} rowOf a page that is near the window */
  constructor(rowOf) {
    this.rowOf = rowOf;
    /** @type {Map<number, Mark[]>} */
    this.cited = new Map();
    /** @type {Map<number, Set<number>>} blocks with hits by page */
    this.hits = new Map();
    /** @type {Hit | null} the hit at which the reader is */
    this.current = null;
    this.words = "";
    /** @type {Map<PageRow, {hits: Range[], quotes: Range[]}>} */
    this.ranges = new Map();
    /** @type {{page: number, block: number} | null} to be scrolled to when its text has come */
    this.awaited = null;
  }

  /** @param {Mark[]} marks in place of those before */
  setCited(marks) {
    const changed = new Set([...this.cited.keys(), ...marks.map((mark) => mark.page)]);
    this.cited = new Map();
    for (const mark of marks) this.cited.set(mark.page, [...(this.cited.get(mark.page) || []), mark]);
    this.applyTo(changed);
  }

  /** @param {string} words @param {Hit[]} hits @param {number} at */
  setHits(words, hits, at) {
    const changed = new Set(this.hits.keys());
    this.words = words;
    this.hits = new Map();
    this.current = hits[at] ?? null;
    for (const { page, block } of hits) {
      changed.add(page);
      this.hits.set(page, (this.hits.get(page) || new Set()).add(block));
    }
    this.applyTo(changed);
  }

  /** @param {number} page @param {number | null} block */
  seeBlock(page, block) {
    this.awaited = block === null ? null : { page, block };
    const row = this.rowOf(page);
    if (row) this.reach(row);
  }

  /** @param {Set<number>} pages */
  applyTo(pages) {
    for (const page of pages) {
      const row = this.rowOf(page);
      if (row) this.apply(row);
    }
  }

  /** @param {PageRow} row whose text has come, or whose marks have changed */
  apply(row) {
    const marks = this.cited.get(row.page) || [];
    row.sheet?.showMarks(marks);
    const hits = this.hits.get(row.page) || new Set();
    for (const element of row.element.querySelectorAll("[data-block]")) {
      const index = Number(/** @type {HTMLElement} */ (element).dataset.block);
      element.classList.toggle("hit", hits.has(index));
      element.classList.toggle("hit-now", this.current?.page === row.page && this.current.block === index);
    }
    const texts = [...hits].flatMap((index) => row.blockElement(index)?.querySelector(".block-text") ?? []);
    this.ranges.set(row, {
      hits: texts.flatMap((element) => rangesOf(element, this.words)),
      quotes: marks.flatMap((mark) => (mark.quote ? rangesOf(row.text, mark.quote) : [])),
    });
    this.show();
    this.reach(row);
  }

  show() {
    for (const row of this.ranges.keys()) if (row.isClosed) this.ranges.delete(row);
    const all = [...this.ranges.values()];
    highlight("hit", all.flatMap((each) => each.hits));
    highlight("quote", all.flatMap((each) => each.quotes));
  }

  /** @param {PageRow} row */
  reach(row) {
    if (this.awaited?.page !== row.page || !row.json) return;
    row.blockElement(this.awaited.block)?.scrollIntoView({ block: "nearest" });
    this.awaited = null;
  }

  close() {
    this.ranges.clear();
    this.show();
  }
}
