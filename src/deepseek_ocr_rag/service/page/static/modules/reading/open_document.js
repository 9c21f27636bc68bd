/** The job that is open: its pages as they are finished, their texts and pictures. */

import { Problem, events, getJson, request } from "../api.js";
import { isAbort } from "../messages.js";
import { RecentlyUsed } from "./recently_used.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
const PAGES_KEPT = 60;
const PICTURES_KEPT = 24;

export class OpenDocument {
  /** @param {any} job as the service describes it */
  constructor(job) {
    this.job = job;
    /** @type {Map<number, any>} what is known of each page that was read, by its number */
    this.entries = new Map();
    /** @type {number[]} the pages that are shown, in their order */
    this.numbers = [];
    this.lost = false;
    /** @type {(what: {pages: number[], problem?: unknown}) => void} */
    this.onChange = () => {};
    this.closing = new AbortController();
    this.pages = new RecentlyUsed(PAGES_KEPT);
    this.pictures = new RecentlyUsed(PICTURES_KEPT);
    /** @type {number[]} */
    this.changed = [];
    this.told = 0;
    this.number();
  }

  /** Follows the job until it ends, whatever happens to the connection. */
  async follow() {
    let lastId = "";
    let wait = FIRST_WAIT_MS;
    const { signal } = this.closing;
    for (;;) {
      try {
        for await (const event of events(`/v1/jobs/${this.job.id}/events`, { lastId, signal })) {
          wait = FIRST_WAIT_MS;
          lastId = event.id || lastId;
          if (this.take(event)) return;
        }
      } catch (error) {
        if (isAbort(error)) return;
        if (error instanceof Problem && isFinal(error)) {
          this.onChange({ pages: [], problem: error });
          return;
        }
      }
      this.lost = true;
      this.tell();
      await new Promise((resolve) => setTimeout(resolve, wait * (0.75 + Math.random() / 2)));
      if (signal.aborted) return;
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    }
  }

  /** @param {{kind: string, data: any}} event @returns {boolean} whether it is the last */
  take({ kind, data }) {
    this.lost = false;
    if (kind === "problem") throw new Problem(data.status, data);
    if (kind === "page") {
      this.entries.set(data.number, data);
      this.changed.push(data.number);
    } else this.job = data;
    this.tell();
    return kind === "end";
  }

  /** Reports all that came within a moment at once. */
  tell() {
    this.told ||= setTimeout(() => {
      this.told = 0;
      this.number();
      const pages = this.changed;
      this.changed = [];
      if (!this.closing.signal.aborted) this.onChange({ pages });
    }, 50);
  }

  number() {
    const { options, pages_total: total } = this.job;
    if (options.pages === null && total) {
      if (this.numbers.length !== total) this.numbers = Array.from({ length: total }, (_, index) => index + 1);
    } else this.numbers = [...this.entries.keys()].sort((a, b) => a - b);
  }

  /** @param {number} page @returns {number} where it is among those that are shown, or -1 */
  indexOf(page) {
    return this.numbers[page - 1] === page ? page - 1 : this.numbers.indexOf(page);
  }

  /** @param {number} page @returns {string} its printed number, or else its number in the file */
  label(page) {
    return this.entries.get(page)?.label || String(page);
  }

  /** @param {string} label as it is printed, or a number in the file @returns {number | null} the page */
  pageNamed(label) {
    const wanted = label.trim().toLowerCase();
    for (const page of this.numbers) if (this.label(page).toLowerCase() === wanted) return page;
    return /^\d+$/.test(wanted) && this.indexOf(Number(wanted)) >= 0 ? Number(wanted) : null;
  }

  /** @param {number} page @returns {Promise<any>} its JSON */
  page(page) {
    return this.pages.get(`${page}`, () => getJson(`/v1/jobs/${this.job.id}/pages/${page}`));
  }

  /** @param {number} page @returns {Promise<any[]>} its tables */
  async tables(page) {
    const reply = await this.pages.get(`tables ${page}`, () => getJson(`/v1/jobs/${this.job.id}/pages/${page}/tables`));
    return reply.tables;
  }

  /** @param {number} page forgets what was fetched of it */
  forget(page) {
    this.pages.forget(`${page}`);
    this.pages.forget(`tables ${page}`);
  }

  /**
   * @param {number} page
   * @param {number} side the longer one, in pixels
   * @param {AbortSignal} signal
   * @returns {Promise<Blob>}
   */
  picture(page, side, signal) {
    return this.pictures.get(`${page} ${side}`, async () => (await request(`/v1/jobs/${this.job.id}/pages/${page}.png?long_side=${side}`, { signal })).blob());
  }

  close() {
    this.closing.abort();
    clearTimeout(this.told);
  }
}

/** @param {Problem} problem whether asking again cannot help */
function isFinal(problem) {
  return problem.status >= 400 && problem.status < 500 && ![408, 429].includes(problem.status);
}
