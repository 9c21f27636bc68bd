/** The text of a block as elements, by its kind. */

import { make } from "../dom.js";
import { t } from "../texts.js";
import { formula } from "./formula.js";
import { inlineParts } from "./inline_text.js";

const KINDS = ["text", "title", "sub_title", "table", "image", "equation"];
const ITEM = /^\s{0,8}(?:[-*•]|\d{1,3}[.)])\s+(.*)$/;
const MOST_CELLS = 5000;

/** @param {string} kind as the model named it @returns {string} in words */
export function kindName(kind) {
  if (/caption|footnote/.test(kind)) return t("block.caption");
  if (/formula|equation/.test(kind)) return t("block.equation");
  return t(`block.${KINDS.includes(kind) ? kind : "other"}`);
}

/**
 * @param {any} block
 * @param {any} [table] its cells, if they have come
 * @returns {HTMLElement[]}
 */
export function blockText(block, table) {
  const { kind, text } = block;
  if (table) return [tableElement(table)];
  if (kind === "image" && !text.trim()) return [make("p.faint", {}, t("block.no_text"))];
  if (/equation|formula/.test(kind)) return [formula(text.trim().replace(/^(\\\[|\$\$)\s*|\s*(\\\]|\$\$)$/g, ""), true)];
  const heading = /^\s*(#{1,6})\s+(.*)$/s.exec(text);
  if (heading || /title/.test(kind)) {
    const level = heading ? heading[1].length : kind === "title" ? 1 : 2;
    // Documents skip levels of headings. Here all have one level, for people who navigate by headings.
    return [make(level < 2 ? "h3.block-title" : "h3.block-title.sub", {}, ...inlineParts((heading ? heading[2] : text).trim()))];
  }
  return text.trim().split(/\n[ \t]*\n/).map(paragraph);
}

/** @param {string} text @returns {HTMLElement} a list if every line is an item of one */
function paragraph(text) {
  const lines = text.split("\n");
  const items = lines.map((line) => ITEM.exec(line));
  if (items.length && items.every(Boolean)) {
    const ordered = /^\s*\d/.test(lines[0]);
    const list = make(ordered ? "ol" : "ul", {}, ...items.map((item) => make("li", {}, ...inlineParts(/** @type {RegExpExecArray} */ (item)[1]))));
    if (ordered) list.start = Number.parseInt(lines[0].trim(), 10);
    return list;
  }
  return make("p", {}, ...inlineParts(text));
}

/** @param {{rows: {text: string, colspan: number, rowspan: number, header: boolean}[][]}} table */
function tableElement({ rows }) {
  let left = MOST_CELLS;
  const body = make("tbody");
  for (const row of rows) {
    left -= row.length;
    if (left < 0) break;
    body.append(make("tr", {}, ...row.map(cell)));
  }
  return make("div.table-scroll", { tabIndex: 0, role: "region", "aria-label": t("block.table") }, make("table", {}, body));
}

/** @param {{text: string, colspan: number, rowspan: number, header: boolean}} cell */
function cell({ text, colspan, rowspan, header }) {
  const spans = { colspan: colspan > 1 ? colspan : undefined, rowspan: rowspan > 1 ? rowspan : undefined };
  return make(header ? "th" : "td", spans, ...inlineParts(text));
}
