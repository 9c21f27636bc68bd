/** Marks a block on both sides: the one under the pointer, or the one with the focus. */

/**
 * @param {HTMLElement} rows what contains all pages
 * @param {(page: number, index: number, text: HTMLElement | null) => void} onBlock another block is marked
 */
export function linkSides(rows, onBlock) {
  let marked = "";

  /** @param {Element | null} target */
  const mark = (target) => {
    const found = placeOf(target);
    const key = found ? `${found.page}/${found.index}` : "";
    // A page that was made again has lost its marks.
    if (key === marked && (!found || found.row.querySelector(".linked"))) return;
    marked = key;
    for (const each of rows.querySelectorAll(".linked")) each.classList.remove("linked");
    if (!found) return;
    const both = found.row.querySelectorAll(`[data-block="${found.index}"]`);
    for (const each of both) each.classList.add("linked");
    onBlock(found.page, found.index, found.row.querySelector(`.block[data-block="${found.index}"]`));
  };

  rows.addEventListener("pointerover", (event) => event.pointerType !== "touch" && mark(/** @type {Element} */ (event.target)));
  rows.addEventListener("pointerleave", () => mark(document.activeElement));
  rows.addEventListener("focusin", (event) => mark(/** @type {Element} */ (event.target)));
  rows.addEventListener("focusout", (event) => event.relatedTarget || mark(null));
  rows.addEventListener("click", (event) => {
    const target = /** @type {Element} */ (event.target);
    if (target.closest(".box")) goAcross(target);
  });
  rows.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (!target.matches(".box, .block") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (step(rows, target, event.key === "ArrowDown" ? 1 : -1)) event.preventDefault();
    } else if (event.key === "Enter" && target.matches(".block")) {
      event.preventDefault();
      goAcross(target);
    }
  });
}

/** @param {Element | null} target @returns {{row: Element, page: number, index: number} | null} */
function placeOf(target) {
  const block = target?.closest("[data-block]");
  const row = /** @type {HTMLElement | null} */ (block?.closest("[data-page]") ?? null);
  if (!block || !row) return null;
  return { row, page: Number(row.dataset.page), index: Number(/** @type {HTMLElement} */ (block).dataset.block) };
}

/** @param {Element} target a box or a text; the focus goes to its other side */
function goAcross(target) {
  const found = placeOf(target);
  const isBox = !!target.closest(".box");
  const other = /** @type {HTMLElement | null} */ (found?.row.querySelector(`.${isBox ? "block" : "box"}[data-block="${found.index}"]`) ?? null);
  if (other) focusOn(other);
}

/** @param {HTMLElement} rows @param {HTMLElement} from @param {1 | -1} by @returns {boolean} whether there was one */
function step(rows, from, by) {
  const kind = from.matches(".box") ? ".box" : ".block";
  const all = /** @type {HTMLElement[]} */ ([...rows.querySelectorAll(kind)]);
  const next = all[all.indexOf(from) + by];
  if (next) focusOn(next);
  return !!next;
}

/** @param {HTMLElement} element of several in a group, only the one last used is reached with the Tab key */
export function focusOn(element) {
  for (const each of element.parentElement?.children || []) /** @type {HTMLElement} */ (each).tabIndex = -1;
  element.tabIndex = 0;
  element.focus({ preventScroll: true });
  element.scrollIntoView({ block: "nearest" });
}
