/** One document: its pages beside their text. */

import { currentPlace, goTo, hashOf, notePlace } from "../address.js";
import { getJson, request } from "../api.js";
import { fill, make } from "../dom.js";
import { note, problemParts, showProblem } from "../messages.js";
import { BlockTools, copyActions } from "../pages/block_tools.js";
import { stateOf } from "../pages/page_state.js";
import { t } from "../texts.js";
import { FindBar } from "./find_bar.js";
import { listenForKeys, showKeys } from "./keyboard.js";
import { OpenDocument } from "./open_document.js";
import { PagesView } from "./pages_view.js";
import { StatusStrip } from "./status_strip.js";
import { Thumbnails } from "./thumbnails.js";
import { ToolBar } from "./tool_bar.js";

/**
 * @typedef {[number, number, number, number]} Box left, top, right, bottom, fractions of the page
 * @typedef {object} Mark what an answer rests on
 * @property {number} page from 1
 * @property {Box[]} pale all boxes of what is cited
 * @property {Box[]} dark the quoted words, where their boxes are known
 * @property {string} quote the words, which are marked in the text; or ""
 * @typedef {object} BlockPlace
 * @property {string} job
 * @property {any} page the page's JSON
 * @property {number} index of the block, from 0
 * @property {any} block its JSON
 * @property {HTMLElement} element where its text is
 * @typedef {object} BlockAction an entry of a block's menu
 * @property {string} name for tests and CSS
 * @property {string} label in the person's language
 * @property {string} [symbol] an icon in place of the label
 * @property {(place: BlockPlace) => boolean} [applies]
 * @property {(place: BlockPlace) => void} run
 */

const NARROW = "(max-width: 760px)";
const NOTE_PLACE_MS = 250;

export class Reader {
  /** @param {HTMLElement} place */
  constructor(place) {
    this.place = place;
    /** @type {string | null} id of the job that is shown */
    this.job = null;
    /** Of the document. */
    this.name = "";
    /** @type {OpenDocument | null} */
    this.opened = null;
    /** @type {PagesView | null} */
    this.pages = null;
    /** @type {Thumbnails | null} */
    this.thumbnails = null;
    /** @type {(() => void)[]} */
    this.listeners = [];
    /** @type {BlockAction[]} */
    this.actions = copyActions((page) => this.opened?.tables(page) ?? Promise.resolve([]));
    this.blockTools = new BlockTools(this.actions);
    this.layout = { zoom: /** @type {"width" | "page" | number} */ ("width"), turn: 0, width: 0, height: 0, view: "both" };
    this.withThumbnails = !matchMedia(NARROW).matches;
    this.noting = 0;
    this.build();
  }

  build() {
    this.find = new FindBar((words, hits, at) => this.pages?.showHits(words, hits, at));
    this.tools = new ToolBar(
      {
        step: (by) => this.step(by),
        goto: (label) => this.goToLabel(label),
        zoom: (zoom) => this.zoom(zoom),
        zoomStep: (direction) => this.pages?.zoomStep(direction),
        turn: () => this.pages?.change({ turn: (this.layout.turn + 1) % 4 }),
        view: (view) => this.pages?.change({ view }),
        thumbnails: () => this.toggleThumbnails(),
        keys: showKeys,
      },
      this.find.element,
    );
    this.strip = new StatusStrip({ cancel: () => this.cancel(), goToIssue: (state) => this.goToIssue(state) });
    this.title = make("h1", { id: "document-title" });
    this.body = make("div.reader-body");
    fill(this.place, make("div.reader-head", {}, this.title, this.strip.element, this.tools.element), this.body);
    listenForKeys(this.place, {
      ArrowRight: () => this.step(1),
      ArrowLeft: () => this.step(-1),
      g: () => this.tools.page.focus(),
      "/": () => this.find.input.focus(),
      "Ctrl+f": () => this.find.input.select(),
      "+": () => this.pages?.zoomStep(1),
      "-": () => this.pages?.zoomStep(-1),
      0: () => this.zoom("width"),
      r: () => this.pages?.change({ turn: (this.layout.turn + 1) % 4 }),
      Escape: () => this.clearMarks(),
    });
  }

  /** @param {() => void} listener called when another document is shown, or none */
  onDocument(listener) {
    this.listeners.push(listener);
  }

  /** @param {import("../address.js").Place} where */
  async show(where) {
    this.place.hidden = false;
    if (where.job !== this.job) await this.open(/** @type {string} */ (where.job));
    if (where.page && this.job === where.job) this.pages?.goTo(where.page, where.block);
  }

  hide() {
    this.place.hidden = true;
    if (this.job) this.close();
  }

  /** @param {string} id */
  async open(id) {
    this.close();
    this.job = id;
    try {
      const job = await getJson(`/v1/jobs/${id}`);
      if (this.job !== id) return;
      this.start(new OpenDocument(job));
    } catch (error) {
      if (this.job !== id) return;
      fill(this.body, make("div.empty", {}, make("div.note.bad", { role: "alert" }, problemParts(error)), make("p", {}, make("a", { href: hashOf({}) }, t("read.back")))));
      this.place.dataset.state = "problem";
      this.title.textContent = t("read.none");
    }
  }

  /** @param {OpenDocument} opened */
  start(opened) {
    this.opened = opened;
    this.name = opened.job.name;
    this.title.textContent = this.name;
    document.title = this.name;
    this.place.dataset.state = "open";
    this.pages = new PagesView(opened, this.layout, { onMove: (index) => this.moved(index), onBlock: (place) => this.blockTools.showAt(place), onLayout: () => this.tools.showLayout(this.layout) });
    this.thumbnails = new Thumbnails(opened, (index) => this.pages?.goToIndex(index));
    this.thumbnails.element.hidden = !this.withThumbnails;
    fill(this.body, this.thumbnails.element, this.pages.element);
    this.tools.showThumbnails(this.withThumbnails);
    this.find.useFor(opened.job.id, () => this.pages?.page ?? 1);
    opened.onChange = ({ pages, problem }) => this.changed(pages, problem);
    this.changed([]);
    this.pages.element.focus({ preventScroll: true, focusVisible: false });
    opened.follow();
    for (const listener of this.listeners) listener();
  }

  /** @param {number[]} pages that were read since @param {unknown} [problem] why no more will come */
  changed(pages, problem) {
    const { opened } = this;
    if (!opened) return;
    this.strip.show(opened);
    if (problem) this.strip.showProblem(problem);
    this.tools.showJob(opened.job);
    this.pages?.update(pages);
    this.thumbnails?.rows.setCount(opened.numbers.length);
    for (const page of pages) this.thumbnails?.rows.remake(opened.indexOf(page));
    this.moved(this.pages?.index ?? 0);
  }

  /** @param {number} index the page that is seen now */
  moved(index) {
    const { opened } = this;
    if (!opened || !this.job) return;
    const page = opened.numbers[index];
    if (page === undefined) return;
    this.tools.showPage(opened.label(page), opened.label(/** @type {number} */ (opened.numbers.at(-1))));
    this.thumbnails?.showCurrent(index);
    clearTimeout(this.noting);
    this.noting = setTimeout(() => {
      const now = currentPlace();
      if (now.job === this.job && now.page !== page) notePlace({ job: this.job, page });
    }, NOTE_PLACE_MS);
  }

  close() {
    clearTimeout(this.noting);
    this.opened?.close();
    this.pages?.close();
    this.thumbnails?.close();
    this.job = this.opened = this.pages = this.thumbnails = null;
    this.name = "";
    this.title.textContent = t("read.opening");
    this.place.dataset.state = "loading";
    fill(this.body);
    for (const listener of this.listeners) listener();
  }

  /** @param {number} by */
  step(by) {
    if (this.pages) this.pages.goToIndex(this.pages.index + by);
  }

  /** @param {string} label */
  goToLabel(label) {
    const { opened, pages } = this;
    if (!opened || !pages || !opened.numbers.length) return;
    const page = opened.pageNamed(label);
    const last = /** @type {number} */ (opened.numbers.at(-1));
    if (page) {
      pages.goTo(page, null);
      pages.element.focus({ preventScroll: true, focusVisible: false });
    } else note(t("read.no_page", { label, first: opened.label(opened.numbers[0]), last: opened.label(last) }));
  }

  /** @param {string} state goes to the next page like this */
  goToIssue(state) {
    const { opened, pages } = this;
    if (!opened || !pages) return;
    const found = opened.numbers.flatMap((page, index) => (stateOf(opened.entries.get(page)) === state ? [index] : []));
    const next = found.find((index) => index > pages.index) ?? found[0];
    if (next !== undefined) pages.goToIndex(next);
  }

  /** @param {string} zoom */
  zoom(zoom) {
    this.pages?.change({ zoom: zoom === "width" || zoom === "page" ? zoom : Number(zoom) });
  }

  toggleThumbnails() {
    if (!this.thumbnails) return;
    this.withThumbnails = !this.withThumbnails;
    this.thumbnails.element.hidden = !this.withThumbnails;
    this.tools.showThumbnails(this.withThumbnails);
    if (this.withThumbnails) this.thumbnails.showCurrent(this.pages?.index ?? 0);
  }

  async cancel() {
    if (!this.opened) return;
    const { name, links } = this.opened.job;
    try {
      await request(links.self, { method: "DELETE" });
      note(t("job.was_cancelled", { name }));
    } catch (error) {
      showProblem(error, name);
    }
  }

  /**
   * Shows a page of a document, and marks what an answer rests on, on as many pages as it spans.
   * @param {string} job
   * @param {Mark[]} marks scrolls to the first
   */
  async showMarks(job, marks) {
    if (job !== this.job) {
      goTo({ job, page: marks[0]?.page ?? 1 });
      await this.show({ job, page: null, block: null });
    }
    this.pages?.showMarks(marks);
  }

  clearMarks() {
    this.pages?.showMarks([]);
  }

  /** @param {BlockAction} action */
  addBlockAction(action) {
    this.actions.push(action);
  }

  /**
   * Fetches a page again, and shows it as it is now.
   * @param {number} page
   */
  async reloadPage(page) {
    this.opened?.forget(page);
    this.pages?.remake(page);
  }
}
