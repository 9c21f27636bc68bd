/** Finds words in what is shown, and marks them without changing it. */

const MOST_RANGES = 200;

/**
 * @param {Element} element
 * @param {string} words, with any white space between them
 * @returns {Range[]}
 */
export function rangesOf(element, words) {
  const parts = words.split(/\s+/).filter(Boolean);
  if (!parts.length) return [];
  const pattern = new RegExp(parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("\\s+"), "giu");
  const { text, pieces } = textOf(element);
  const found = [];
  for (const match of text.matchAll(pattern)) {
    const range = new Range();
    range.setStart(...at(pieces, match.index));
    range.setEnd(...at(pieces, match.index + match[0].length, true));
    found.push(range);
    if (found.length === MOST_RANGES) break;
  }
  return found;
}

/**
 * Marks ranges in a colour of the style sheet; browsers without highlights show the block's mark only.
 * @param {string} name
 * @param {Range[]} ranges
 */
export function highlight(name, ranges) {
  if (!("highlights" in CSS)) return;
  if (ranges.length) CSS.highlights.set(name, new Highlight(...ranges));
  else CSS.highlights.delete(name);
}

/** @param {Element} element @returns {{text: string, pieces: {node: Text, start: number}[]}} */
function textOf(element) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const pieces = [];
  let text = "";
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    // Between paragraphs and cells there is white space for the eye only.
    if (pieces.length && node.parentElement?.closest("p,li,td,th") !== pieces.at(-1)?.node.parentElement?.closest("p,li,td,th")) text += " ";
    pieces.push({ node: /** @type {Text} */ (node), start: text.length });
    text += node.nodeValue;
  }
  return { text, pieces };
}

/**
 * @param {{node: Text, start: number}[]} pieces
 * @param {number} offset
 * @param {boolean} [isEnd] an end belongs to the piece before it
 * @returns {[Text, number]}
 */
function at(pieces, offset, isEnd = false) {
  let index = pieces.length - 1;
  while (index > 0 && (isEnd ? pieces[index].start >= offset : pieces[index].start > offset)) index -= 1;
  const { node, start } = pieces[index];
  return [node, Math.min(offset - start, node.length)];
}
