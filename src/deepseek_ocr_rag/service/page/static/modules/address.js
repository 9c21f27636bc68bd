/** The place that is shown, as part of the address: #/job/ID/page/3/block/2 */

/**
 * @typedef {object} Place
 * @property {string | null} job id, or null for the list of documents
 * @property {number | null} page from 1
 * @property {number | null} block from 0
 */

const FORM = /^#\/job\/([\w-]{1,200})(?:\/page\/(\d{1,7}))?(?:\/block\/(\d{1,6}))?$/;

/** @returns {Place} what the address says */
export function currentPlace() {
  const found = FORM.exec(location.hash);
  if (!found) return { job: null, page: null, block: null };
  return { job: found[1], page: number(found[2]), block: number(found[3]) };
}

/**
 * The hash of a place.
 * @param {Partial<Place>} place
 * @returns {string}
 */
export function hashOf({ job = null, page = null, block = null }) {
  if (!job) return "#/";
  return `#/job/${job}${page ? `/page/${page}` : ""}${page && block !== null ? `/block/${block}` : ""}`;
}

/**
 * Goes to a place and calls the listeners.
 * @param {Partial<Place>} place
 */
export function goTo(place) {
  location.hash = hashOf(place);
}

/**
 * Writes the reader's place into the address, without a history entry and without calling listeners.
 * @param {Partial<Place>} place
 */
export function notePlace(place) {
  if (location.hash !== hashOf(place)) history.replaceState(null, "", hashOf(place));
}

/**
 * Calls a listener when another place is asked for.
 * @param {(place: Place) => void} listener
 */
export function onPlace(listener) {
  addEventListener("hashchange", () => listener(currentPlace()));
}

/** @param {string | undefined} digits */
function number(digits) {
  return digits === undefined ? null : Number(digits);
}
