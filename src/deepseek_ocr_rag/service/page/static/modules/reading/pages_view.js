/** The column of all pages; their elements are made and dropped as the reader scrolls. */

import { make } from "../dom.js";
import { PageMarks } from "../pages/page_marks.js";
import { PageRow } from "../pages/page_row.js";
import { nextStep, sizeOf } from "../pages/page_layout.js";
import { focusOn, linkSides } from "../pages/linking.js";
import { t } from "../texts.js";
import { VirtualRows } from "./virtual_rows.js";

const HEAD = 72; // height of a page's row without the picture
const NARROW = "(max-width: 760px)";
const SETTLE_MS = 150;

export class PagesView {
  /**
   * @param {import("./open_document.js").OpenDocument} opened
   * @param {import("../pages/page_layout.js").Layout & {view: string}} layout is changed by this
   * @param {{onMove: (index: number) => void, onBlock: (place: import("./reader.js").BlockPlace) => void, onLayout: () => void}} listeners
   */
  constructor(opened, layout, listeners) {
    this.opened = opened;
    this.layout = layout;
    this.listeners = listeners;
    this.index = 0;
    this.isNarrow = matchMedia(NARROW).matches;
    /** @type {{page: number, block: number | null} | null} where to go when it has come */
    this.wanted = null;
    this.marks = new PageMarks((page) => this.row(page));
    this.element = make("div.pages", { tabIndex: 0, role: "region", "aria-label": t("read.rows"), "data-view": layout.view });
    this.rows = new VirtualRows(this.element, { make: (index) => this.make(index), estimate: (index) => this.estimate(index), onMove: (index) => this.moved(index) });
    linkSides(this.rows.space, (page, index, element) => this.onBlock(page, index, element));
    this.sizes = new ResizeObserver(() => this.plan());
    this.sizes.observe(this.element);
    this.timer = 0;
    this.seenWidth = 0; // width of the window when the pages were made
  }

  /** @param {number} index */
  make(index) {
    const row = new PageRow(this.opened, this.opened.numbers[index], this.layout, (each) => this.arrived(each));
    return row;
  }

  /** @param {number} index */
  estimate(index) {
    const { view, turn } = this.layout;
    const size = sizeOf(this.opened.entries.get(this.opened.numbers[index]), this.layout);
    const height = turn % 2 ? size.width : size.height;
    if (view === "text") return 500;
    return height + HEAD + (view === "both" && this.isNarrow ? 400 : 0);
  }

  /** @param {number[]} pages that were read since */
  update(pages) {
    const before = this.opened.numbers.length === this.rows.count ? null : this.page;
    this.rows.setCount(this.opened.numbers.length);
    if (before !== null && pages.length && this.opened.job.options.pages !== null) this.rows.remakeAll();
    else for (const page of pages) this.rows.remake(this.opened.indexOf(page));
    if (!this.seenWidth) this.measure();
    if (this.wanted) this.goTo(this.wanted.page, this.wanted.block);
  }

  /** @returns {number} the page that is seen */
  get page() {
    return this.opened.numbers[this.index] ?? 1;
  }

  /** @param {number} page @returns {PageRow | undefined} if it is near the window */
  row(page) {
    return /** @type {PageRow | undefined} */ (/** @type {unknown} */ (this.rows.row(this.opened.indexOf(page))));
  }

  /** @param {number} index */
  moved(index) {
    if (index === this.index) return;
    this.index = index;
    this.listeners.onMove(index);
  }

  /** @param {number} index */
  goToIndex(index) {
    const there = Math.max(0, Math.min(index, this.rows.count - 1));
    this.wanted = null;
    this.rows.scrollTo(there);
    this.moved(this.rows.at().index);
  }

  /** @param {number} page @param {number | null} block goes there as soon as it has come */
  goTo(page, block) {
    const index = this.opened.indexOf(page);
    this.wanted = { page, block };
    if (index < 0 || !this.rows.count) return;
    this.rows.scrollTo(index);
    this.moved(index);
    if (block === null) this.wanted = null;
    else this.reach(page, block);
  }

  /** @param {number} page @param {number} block */
  reach(page, block) {
    const element = this.row(page)?.blockElement(block);
    if (!element) return;
    this.wanted = null;
    focusOn(element);
  }

  /** @param {PageRow} row whose text has come */
  arrived(row) {
    this.marks.apply(row);
    if (this.wanted?.page === row.page && this.wanted.block !== null) this.reach(row.page, this.wanted.block);
  }

  /** @param {number} page @param {number} index @param {HTMLElement | null} element */
  onBlock(page, index, element) {
    const json = this.row(page)?.json;
    if (element && json) this.listeners.onBlock({ job: this.opened.job.id, page: json, index, block: json.blocks[index], element });
  }

  /** @param {number} page */
  remake(page) {
    this.rows.remake(this.opened.indexOf(page));
  }

  /** @param {import("./reader.js").Mark[]} marks */
  showMarks(marks) {
    this.marks.setCited(marks);
    if (marks.length) this.see(marks[0].page, [...marks[0].dark, ...marks[0].pale][0]?.[1] ?? 0);
  }

  /** @param {string} words @param {import("./find_bar.js").Hit[]} hits @param {number} at */
  showHits(words, hits, at) {
    this.marks.setHits(words, hits, at);
    const hit = hits[at];
    if (hit) this.see(hit.page, 0, hit.block);
  }

  /**
   * Scrolls so that a place of a page is seen.
   * @param {number} page
   * @param {number} share how far down it is on the picture
   * @param {number | null} [block] brings its text, too
   */
  see(page, share, block = null) {
    const index = this.opened.indexOf(page);
    if (index < 0) return;
    const picture = this.layout.view === "text" ? 0 : this.estimate(index) - HEAD;
    this.rows.scrollTo(index, Math.max(0, share * picture - this.layout.height / 3));
    this.marks.seeBlock(page, block);
  }

  /** @param {Partial<import("../pages/page_layout.js").Layout & {view: string}>} change */
  change(change) {
    Object.assign(this.layout, change);
    this.element.dataset.view = this.layout.view;
    this.measure();
  }

  /** @param {1 | -1} direction */
  zoomStep(direction) {
    const { scale } = sizeOf(this.opened.entries.get(this.page), this.layout);
    this.change({ zoom: nextStep(scale, direction) });
  }

  plan() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const { clientWidth, clientHeight } = this.element;
      if (clientWidth !== this.seenWidth || Math.abs(clientHeight - this.layout.height) > 1) this.measure();
    }, SETTLE_MS);
  }

  /** Measures the room, and sizes the pages for it. */
  measure() {
    const { clientWidth, clientHeight } = this.element;
    if (!clientWidth) return;
    this.seenWidth = clientWidth;
    this.isNarrow = matchMedia(NARROW).matches;
    const columns = this.layout.view === "both" && !this.isNarrow ? 2 : 1;
    const gap = 16;
    this.layout.width = Math.min(1400, Math.floor((clientWidth - gap * (columns + 1)) / columns) - 2);
    this.layout.height = clientHeight;
    this.rows.remakeAll();
    this.listeners.onLayout();
  }

  close() {
    clearTimeout(this.timer);
    this.sizes.disconnect();
    this.marks.close();
    this.rows.close();
  }
}
