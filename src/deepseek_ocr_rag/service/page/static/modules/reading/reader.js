/** One document: its pages beside their text. */

/**
 * @typedef {[number, number, number, number]} Box left, top, right, bottom, fractions of the page
 * @typedef {object} Mark what an answer stands on
 * @property {number} page from 1
 * @property {Box[]} pale all boxes of what is cited
 * @property {Box[]} dark the quoted words, where their boxes are known
 * @property {string} quote the words, which are marked in the text; or ""
 * @typedef {object} BlockPlace
 * @property {string} job
 * @property {any} page the page's JSON
 * @property {number} index of the block, from 0
 * @property {any} block its JSON
 * @property {HTMLElement} element where its text stands
 * @typedef {object} BlockAction an entry of a block's menu
 * @property {string} name for tests and CSS
 * @property {string} label in the person's language
 * @property {(place: BlockPlace) => boolean} [applies]
 * @property {(place: BlockPlace) => void} run
 */

export class Reader {
  /** @param {HTMLElement} place */
  constructor(place) {
    this.place = place;
    /** @type {string | null} id of the job that is shown */
    this.job = null;
    /** @type {string} */
    this.name = "";
    /** @type {BlockAction[]} */
    this.actions = [];
  }

  /** @param {() => void} listener called when another document is shown, or none */
  onDocument(listener) {}

  /**
   * Shows a page of a document, and marks what an answer stands on, on as many pages as it spans.
   * @param {string} job
   * @param {Mark[]} marks scrolls to the first
   */
  async showMarks(job, marks) {}

  clearMarks() {}

  /** @param {BlockAction} action */
  addBlockAction(action) {
    this.actions.push(action);
  }

  /**
   * Fetches a page again, and shows it as it is now.
   * @param {number} page
   */
  async reloadPage(page) {}

  /** @param {import("../address.js").Place} where */
  show(where) {
    this.place.hidden = false;
  }

  hide() {
    this.place.hidden = true;
  }
}
