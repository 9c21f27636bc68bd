/** The list of documents: send some, watch them, open one, choose some to ask. */

import { fill, make } from "../dom.js";
import { t } from "../texts.js";

export class QueueView {
  /** @param {HTMLElement} place */
  constructor(place) {
    this.place = place;
    fill(place, make("h1", { id: "home-title" }, t("brand")));
  }

  /** @returns {{id: string, name: string}[]} the documents that are chosen, or all that were read if none is */
  chosen() {
    return [];
  }

  /** @param {() => void} listener called when other documents are chosen */
  onChosen(listener) {}

  show() {
    this.place.hidden = false;
  }

  hide() {
    this.place.hidden = true;
  }
}
