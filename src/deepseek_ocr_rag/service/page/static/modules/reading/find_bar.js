/** Searches in the document: counts the hits, and goes from one to the next. */

import { getJson } from "../api.js";
import { make } from "../dom.js";
import { icon } from "../icons.js";
import { isAbort, showProblem } from "../messages.js";
import { t } from "../texts.js";

const SETTLE_MS = 250;

/**
 * @typedef {{page: number, block: number, start: number, end: number}} Hit
 */

export class FindBar {
  /**
   * @param {(words: string, hits: Hit[], at: number) => void} onHits called when the hits change, or the current one; at is -1 without any
   */
  constructor(onHits) {
    this.onHits = onHits;
    /** @type {string | null} */
    this.job = null;
    /** @type {Hit[]} */
    this.hits = [];
    this.at = -1;
    this.complete = true;
    this.words = "";
    this.input = make("input", { type: "search", id: "find", "aria-label": t("find.place"), placeholder: t("find.label"), spellcheck: false, autocomplete: "off", oninput: () => this.plan() });
    this.count = make("span.find-count", { role: "status" });
    this.previous = make("button.quiet", { type: "button", title: t("find.previous"), "aria-label": t("find.previous"), disabled: true, onclick: () => this.move(-1) }, icon("up"));
    this.next = make("button.quiet", { type: "button", title: t("find.next"), "aria-label": t("find.next"), disabled: true, onclick: () => this.move(1) }, icon("down"));
    this.input.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.key(event));
    this.element = make("div.find", { role: "search" }, icon("search"), this.input, this.count, this.previous, this.next);
    this.timer = 0;
    this.asking = new AbortController();
    this.page = () => 1;
  }

  /** @param {string | null} job the document to search in @param {() => number} page where the reader is */
  useFor(job, page) {
    this.job = job;
    this.page = page;
    this.input.value = "";
    this.plan(0);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key === "Enter") {
      event.preventDefault();
      if (this.input.value.trim() !== this.words) this.plan(0);
      else this.move(event.shiftKey ? -1 : 1);
    } else if (event.key === "Escape" && this.input.value) {
      event.preventDefault();
      this.input.value = "";
      this.plan(0);
    }
  }

  plan(wait = SETTLE_MS) {
    clearTimeout(this.timer);
    this.asking.abort();
    if (wait) this.timer = setTimeout(() => this.search(), wait);
    else this.search();
  }

  async search() {
    const words = this.input.value.trim().slice(0, 400);
    this.asking = new AbortController();
    try {
      const reply = words && this.job ? await getJson(`/v1/jobs/${this.job}/find?text=${encodeURIComponent(words)}`, { signal: this.asking.signal }) : { hits: [], complete: true };
      this.words = words;
      this.hits = reply.hits;
      this.complete = reply.complete;
      // The first one from here on.
      const here = this.page();
      this.at = this.hits.length ? Math.max(0, this.hits.findIndex((hit) => hit.page >= here)) : -1;
      this.tell();
    } catch (error) {
      if (!isAbort(error)) showProblem(error);
    }
  }

  /** @param {number} by */
  move(by) {
    if (!this.hits.length) return;
    this.at = (this.at + by + this.hits.length) % this.hits.length;
    this.tell();
  }

  tell() {
    const { hits, at, words, complete } = this;
    const values = { at: at + 1, count: hits.length };
    this.count.textContent = !words ? "" : hits.length ? t(complete ? "find.count" : "find.count_more", values) : t(complete ? "find.none" : "find.none_yet");
    this.previous.disabled = this.next.disabled = hits.length < 2;
    this.onHits(words, hits, at);
  }
}
