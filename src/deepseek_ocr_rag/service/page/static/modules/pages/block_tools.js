/** What can be done with a block: the buttons that appear at the one that is marked. */

import { hashOf } from "../address.js";
import { copyText } from "../clipboard.js";
import { fill, make } from "../dom.js";
import { icon } from "../icons.js";
import { t } from "../texts.js";

/**
 * @typedef {import("../reading/reader.js").BlockPlace} BlockPlace
 * @typedef {import("../reading/reader.js").BlockAction} BlockAction
 */

export class BlockTools {
  /** @param {BlockAction[]} actions more of them may be added later */
  constructor(actions) {
    this.actions = actions;
    this.element = make("div.block-tools", { role: "toolbar", "aria-label": t("block.tools") });
  }

  /** @param {BlockPlace} place the block at which they appear */
  showAt(place) {
    // Not while a button of another block has the focus.
    if (this.element.contains(document.activeElement) || this.element.parentElement === place.element) return;
    const fitting = this.actions.filter((action) => action.applies?.(place) ?? true);
    fill(this.element, ...fitting.map((action) => button(action, place)));
    place.element.append(this.element);
  }
}

/** @param {BlockAction} action @param {BlockPlace} place */
function button({ name, label, symbol, run }, place) {
  return make(
    "button",
    { type: "button", "data-action": name, title: label, "aria-label": symbol ? label : undefined, onclick: () => run(place) },
    symbol ? icon(symbol) : label,
  );
}

/**
 * Copying: what every block can do.
 * @param {(page: number) => Promise<any[]>} tables of a page
 * @returns {BlockAction[]}
 */
export function copyActions(tables) {
  return [
    { name: "copy", label: t("block.copy"), symbol: "copy", applies: ({ block }) => !!block.text, run: ({ block }) => copyText(block.text) },
    {
      name: "csv",
      label: t("block.csv"),
      symbol: "table",
      applies: ({ block }) => !!block.html,
      run: async ({ page, index }) => {
        const found = (await tables(page.number)).find((table) => table.block === index);
        if (found) copyText(found.csv);
      },
    },
    {
      name: "link",
      label: t("block.link"),
      symbol: "link",
      run: ({ job, page, index }) => copyText(`${location.origin}/${hashOf({ job, page: page.number, block: index })}`),
    },
  ];
}
