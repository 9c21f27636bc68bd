/** Where a sentence comes from: its quotes, and the marks on the pages. */

import { getJson } from "../api.js";
import { make } from "../dom.js";
import { showAsking } from "../frame.js";
import { icon } from "../icons.js";
import { isAbort, note, showProblem } from "../messages.js";
import { t } from "../texts.js";

const NARROW = "(max-width: 760px)";
const LONGEST_QUOTE = 400;

/**
 * @typedef {object} Citation as the service sends it
 * @property {number} number
 * @property {string} job
 * @property {string} source
 * @property {number} page
 * @property {import("../reading/reader.js").Box[]} boxes
 * @property {{block: number, boxes: import("../reading/reader.js").Box[], corrected: boolean}[]} blocks
 * @property {string} quote
 * @property {string} words the address of the boxes of the quoted words
 */

/**
 * The marks of citations: all boxes of what is cited, and those of the quoted words.
 * @param {Citation[]} citations of one document
 * @returns {Promise<import("../reading/reader.js").Mark[]>} by page
 */
export async function marksOf(citations) {
  const marks = await Promise.all(
    citations.map(async (citation) => {
      const all = citation.blocks.flatMap((block) => block.boxes);
      return { page: citation.page, pale: all.length ? all : citation.boxes, dark: await wordBoxes(citation), quote: citation.quote };
    }),
  );
  return marks.sort((one, other) => one.page - other.page);
}

/** @param {Citation} citation @returns {Promise<import("../reading/reader.js").Box[]>} */
async function wordBoxes(citation) {
  try {
    return (await getJson(citation.words)).boxes;
  } catch (error) {
    if (!isAbort(error)) showProblem(error, t("asking.page", { name: citation.source, page: citation.page }));
    return citation.boxes;
  }
}

/**
 * Shows citations on their pages, those of the first one's document.
 * @param {import("../reading/reader.js").Reader} reader
 * @param {Citation[]} citations
 */
export async function showOnPages(reader, citations) {
  if (!citations.length) return;
  const { job } = citations[0];
  const marks = await marksOf(citations.filter((each) => each.job === job));
  if (marks.every((mark) => !mark.pale.length && !mark.dark.length)) note(t("asking.no_boxes"));
  await reader.showMarks(job, marks);
  // On a narrow screen, the panel covers the pages.
  if (matchMedia(NARROW).matches) showAsking(false);
}

/**
 * The quotes of a sentence, each with a button that shows it on its page.
 * @param {Citation[]} citations
 * @param {import("../reading/reader.js").Reader} reader
 * @returns {HTMLElement}
 */
export function evidenceList(citations, reader) {
  return make(
    "ul.evidence",
    {},
    ...citations.map((citation) =>
      make(
        "li",
        {},
        make("blockquote", {}, shortened(citation.quote)),
        make(
          "div.evidence-source",
          {},
          make("button.quiet", { type: "button", onclick: () => showOnPages(reader, [citation]) }, icon("search"), make("span.source-name", {}, t("asking.page", { name: citation.source, page: citation.page }))),
          citation.blocks.some((block) => block.corrected) && make("span.badge.good", {}, t("asking.corrected")),
        ),
      ),
    ),
  );
}

/** @param {string} quote */
function shortened(quote) {
  const text = quote.trim();
  return text.length > LONGEST_QUOTE ? `${text.slice(0, LONGEST_QUOTE)}…` : text;
}
