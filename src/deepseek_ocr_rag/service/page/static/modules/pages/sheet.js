/** The picture of a page with its blocks on it. */

import { fill, make } from "../dom.js";
import { isAbort } from "../messages.js";
import { t } from "../texts.js";
import { kindName } from "./block_text.js";
import { pictureSide, sizeOf } from "./page_layout.js";
import { LOW_CONFIDENCE } from "./page_state.js";

const SETTLE_MS = 120; // a page that is only scrolled past is not drawn
const LABEL_LENGTH = 90;

export class Sheet {
  /**
   * @param {import("../reading/open_document.js").OpenDocument} opened
   * @param {number} page
   * @param {import("./page_layout.js").Layout} layout
   */
  constructor(opened, page, layout) {
    this.opened = opened;
    this.page = page;
    this.closing = new AbortController();
    this.address = "";
    /** @type {(address: string) => void} */
    this.onPicture = () => {};
    const label = opened.label(page);
    const size = sizeOf(opened.entries.get(page), layout);
    this.side = pictureSide(size);
    this.picture = make("img", { alt: t("page.picture", { label }), draggable: false, decoding: "async", hidden: true });
    this.boxes = make("div.boxes", { role: "group", "aria-label": t("block.boxes", { label }) });
    this.marks = make("div.marks", { "aria-hidden": "true" });
    this.paper = make("div.paper", {}, this.picture, this.marks, this.boxes);
    this.element = make("div.sheet", {}, this.paper);
    this.place(size, layout.turn);
    this.timer = setTimeout(() => this.load(), SETTLE_MS);
  }

  /** @param {{width: number, height: number}} size @param {number} turn */
  place({ width, height }, turn) {
    const [across, down] = turn % 2 ? [height, width] : [width, height];
    this.element.style.width = `${across}px`;
    this.element.style.height = `${down}px`;
    this.paper.style.width = `${width}px`;
    this.paper.style.height = `${height}px`;
    this.paper.style.transform = turn ? `translate(-50%, -50%) rotate(${turn * 90}deg)` : "";
    this.paper.classList.toggle("turned", turn !== 0);
  }

  async load() {
    try {
      const blob = await this.opened.picture(this.page, this.side, this.closing.signal);
      if (this.closing.signal.aborted) return;
      this.address = URL.createObjectURL(blob);
      this.picture.src = this.address;
      await this.picture.decode();
      this.picture.hidden = false;
      this.onPicture(this.address);
    } catch (error) {
      if (isAbort(error) || this.closing.signal.aborted) return;
      this.paper.append(make("p.no-picture", {}, t("page.no_picture")));
    }
  }

  /** @param {any[]} blocks of the page */
  showBlocks(blocks) {
    const found = blocks.flatMap((block, index) => block.boxes.map((/** @type {number[]} */ box) => ({ block, index, box })));
    fill(this.boxes, ...found.map(({ block, index, box }, nth) => placed(boxButton(block, index, nth === 0), box)));
  }

  /** @param {{pale: number[][], dark: number[][]}[]} marks */
  showMarks(marks) {
    fill(this.marks, ...marks.flatMap(({ pale, dark }) => [...pale.map((box) => placed(make("div.mark.pale"), box)), ...dark.map((box) => placed(make("div.mark.dark"), box))]));
  }

  close() {
    clearTimeout(this.timer);
    this.closing.abort();
    if (this.address) URL.revokeObjectURL(this.address);
  }
}

/** @param {any} block @param {number} index @param {boolean} isFirst whether the Tab key reaches it */
function boxButton(block, index, isFirst) {
  const doubtful = block.confidence !== undefined && block.confidence !== null && block.confidence < LOW_CONFIDENCE;
  const text = block.text.replace(/\s+/g, " ").trim();
  const short = text.length > LABEL_LENGTH ? `${text.slice(0, LABEL_LENGTH)}…` : text;
  return make(`button.box${doubtful ? ".doubtful" : ""}`, {
    type: "button",
    tabIndex: isFirst ? 0 : -1,
    "data-block": index,
    "aria-label": short ? t("block.box", { kind: kindName(block.kind), text: short }) : kindName(block.kind),
  });
}

/**
 * Puts an element where a box is, in fractions of the page.
 * @param {HTMLElement} element
 * @param {number[]} box
 * @returns {HTMLElement}
 */
export function placed(element, [left, top, right, bottom]) {
  const share = (/** @type {number} */ value) => `${(value * 100).toFixed(3)}%`;
  element.style.left = share(left);
  element.style.top = share(top);
  element.style.width = share(right - left);
  element.style.height = share(bottom - top);
  return element;
}
