/** Shows formulas as MathML, built from what KaTeX parses; before it is loaded, and if it fails, their source. */

import { make } from "../dom.js";
import { t } from "../texts.js";

const MATHML = "http://www.w3.org/1998/Math/MathML";
const KATEX = new URL("../../vendor/katex.min.js", import.meta.url);
const LONGEST = 4000;

// Elements that only change the looks are left out, and so is every link and style.
const ELEMENTS = new Set("math semantics mrow mi mo mn ms mtext mspace msqrt mroot mfrac msub msup msubsup munder mover munderover mtable mtr mtd mstyle mpadded mphantom menclose".split(" "));
const ATTRIBUTES = new Set("display displaystyle scriptlevel mathvariant stretchy fence separator symmetric movablelimits accent accentunder form lspace rspace width height depth minsize maxsize linethickness columnalign rowspacing columnspacing notation".split(" "));

/** @type {Promise<any> | undefined} */
let loading;

/**
 * @param {string} source in TeX, without the delimiters around it
 * @param {boolean} display whether it is on a line of its own
 * @returns {HTMLElement}
 */
export function formula(source, display) {
  // A long formula scrolls, so the keyboard must be able to reach it.
  const shown = display
    ? make("pre.formula", { tabIndex: 0, role: "region", "aria-label": t("block.equation") }, source)
    : make("code.formula", {}, source);
  if (source && source.length <= LONGEST) typeset(shown, source, display);
  return shown;
}

/** @param {HTMLElement} shown @param {string} source @param {boolean} display */
async function typeset(shown, source, display) {
  try {
    const katex = await (loading ??= loaded());
    const tree = katex.__renderToDomTree(source, { displayMode: display, output: "mathml", strict: "ignore", maxExpand: 200, maxSize: 20 });
    const math = built(tree).querySelector?.("math");
    if (!math) return;
    shown.replaceChildren(math);
    shown.classList.add("typeset");
    shown.title = source;
  } catch {
    // The source stays.
  }
}

/** @returns {Promise<any>} */
function loaded() {
  return new Promise((given, failed) => {
    const script = make("script", { src: KATEX.href, onload: () => given(/** @type {any} */ (window).katex), onerror: failed });
    document.head.append(script);
  });
}

/**
 * @param {any} node of KaTeX's tree: an element, a text, a space or a group
 * @returns {any}
 */
function built(node) {
  if (typeof node.text === "string") return document.createTextNode(node.text);
  const known = ELEMENTS.has(node.type);
  const element = known ? document.createElementNS(MATHML, node.type) : document.createDocumentFragment();
  if (known) {
    for (const [name, value] of Object.entries(node.attributes || {})) {
      if (ATTRIBUTES.has(name)) element.setAttribute(name, String(value));
    }
  }
  if (typeof node.character === "string") element.append(node.character);
  // The source in TeX is beside the formula anyway.
  element.append(...(node.children || []).filter((/** @type {any} */ each) => each.type !== "annotation").map(built));
  return element;
}
