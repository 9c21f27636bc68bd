/** The text of a block as parts: emphasis, formulas and scripts; everything else is plain text. */

import { make } from "../dom.js";
import { formula as typesetFormula } from "./formula.js";

// Each alternative is bounded, so that no text takes more than linear time.
const MARKS = /\\\((?<formula>[^\n]{1,400}?)\\\)|\*\*(?<strong>[^*\n]{1,400})\*\*|<(?<script>su[bp])>(?<raised>[^<]{0,80})<\/\k<script>>|\\(?<escaped>[\\`*_{}[\]()#+.!|<>~$-])|&(?<entity>lt|gt|amp);/g;

const ENTITIES = /** @type {Record<string, string>} */ ({ lt: "<", gt: ">", amp: "&" });

/**
 * @param {string} text
 * @returns {(string | HTMLElement)[]}
 */
export function inlineParts(text) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(MARKS)) {
    const groups = /** @type {Record<string, string>} */ (found.groups);
    parts.push(text.slice(end, found.index), part(groups));
    end = found.index + found[0].length;
  }
  parts.push(text.slice(end));
  return parts.filter((each) => each !== "");
}

/** @param {Record<string, string>} groups */
function part({ formula, strong, script, raised, escaped, entity }) {
  if (formula !== undefined) return typesetFormula(formula.trim(), false);
  if (strong !== undefined) return make("strong", {}, ...inlineParts(strong));
  if (script !== undefined) return make(script, {}, raised);
  return escaped ?? ENTITIES[entity];
}
