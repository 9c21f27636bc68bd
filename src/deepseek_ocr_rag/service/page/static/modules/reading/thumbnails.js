/** Thumbnails: show the current page and pages with problems, and lead to each. */

import { fill, make } from "../dom.js";
import { isAbort } from "../messages.js";
import { sizeOf } from "../pages/page_layout.js";
import { reasons, stateOf, toneOf } from "../pages/page_state.js";
import { t } from "../texts.js";
import { VirtualRows } from "./virtual_rows.js";

const WIDTH = 84;
const SIDE = 160;
const SETTLE_MS = 150;
const CAPTION = 34;

export class Thumbnails {
  /**
   * @param {import("./open_document.js").OpenDocument} opened
   * @param {(index: number) => void} onChoose
   */
  constructor(opened, onChoose) {
    this.opened = opened;
    this.onChoose = onChoose;
    this.current = 0;
    this.element = make("nav.thumbnails", { "aria-label": t("read.pages") });
    this.rows = new VirtualRows(this.element, { make: (index) => this.make(index), estimate: (index) => this.size(index).height + CAPTION });
  }

  /** @param {number} index */
  size(index) {
    const entry = this.opened.entries.get(this.opened.numbers[index]);
    const size = sizeOf(entry, { zoom: "page", turn: 0, width: WIDTH, height: WIDTH * 1.5 });
    return { width: size.width, height: Math.max(24, size.height) };
  }

  /** @param {number} index */
  make(index) {
    const page = this.opened.numbers[index];
    const entry = this.opened.entries.get(page);
    const state = stateOf(entry);
    const label = this.opened.label(page);
    const closing = new AbortController();
    const size = this.size(index);
    const paper = make("span.thumb-paper");
    paper.style.width = `${size.width}px`;
    paper.style.height = `${size.height}px`;
    const words = state === "fine" ? "" : t(`page.state.${state}`);
    const button = make(
      "button.thumb",
      { type: "button", "data-state": state, title: reasons(entry).join(" ") || undefined, "aria-label": `${t("page.name", { label })}${words && `, ${words}`}`, onclick: () => this.onChoose(index) },
      paper,
      make("span.thumb-label", {}, label, state !== "fine" && make(`span.dot.${toneOf(state)}`)),
    );
    if (index === this.current) button.setAttribute("aria-current", "page");
    let address = "";
    const load = async () => {
      try {
        address = URL.createObjectURL(await this.opened.picture(page, SIDE, closing.signal));
        if (closing.signal.aborted) URL.revokeObjectURL(address);
        else fill(paper, make("img", { src: address, alt: "", draggable: false, decoding: "async" }));
      } catch (error) {
        if (!isAbort(error)) paper.classList.add("no-picture");
      }
    };
    const timer = setTimeout(load, SETTLE_MS);
    const close = () => {
      clearTimeout(timer);
      closing.abort();
      if (address) URL.revokeObjectURL(address);
    };
    return { element: button, close };
  }

  /** @param {number} index the page that is read now */
  showCurrent(index) {
    if (index === this.current && this.rows.row(index)?.element.hasAttribute("aria-current")) return;
    this.rows.row(this.current)?.element.removeAttribute("aria-current");
    this.current = index;
    this.rows.row(index)?.element.setAttribute("aria-current", "page");
    const { scrollTop, clientHeight } = this.element;
    const top = this.rows.tops[index];
    if (clientHeight && (top < scrollTop || this.rows.tops[index + 1] > scrollTop + clientHeight)) this.rows.scrollTo(index, -clientHeight / 3);
  }

  close() {
    this.rows.close();
  }
}
