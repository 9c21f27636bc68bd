/** Rows of tables that an answer quotes, in words: each value with its head. */

const RULE = /^\|[ \t:|-]+\|$/;

/**
 * @param {string} text a sentence of an answer
 * @param {string} answer the whole of it, in which a row is below the heads of its table
 * @returns {string} "Route: Hestur · Fare: 14.25" for a row; any other text as it is
 */
export function inWords(text, answer) {
  const values = cells(text);
  if (!values.length) return text;
  const lines = answer.split("\n");
  const rule = lines.slice(0, lines.indexOf(text) + 1).findLastIndex((line) => RULE.test(line));
  const heads = rule > 0 ? cells(lines[rule - 1]) : [];
  const named = values.map((value, index) => (heads[index] && value ? `${heads[index]}: ${value}` : value));
  return named.filter(Boolean).join(" · ");
}

/** @param {string} line @returns {string[]} empty if the line is not a row */
function cells(line) {
  if (line.length < 3 || line.includes("\n") || !line.startsWith("|") || !line.endsWith("|")) return [];
  return line.slice(1, -1).split(/(?<!\\)\|/).map((each) => each.replaceAll("\\|", "|").trim());
}
