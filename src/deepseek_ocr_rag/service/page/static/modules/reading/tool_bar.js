/** The tools of the reader: page, zoom, rotation, view, downloads. */

import { saveFile } from "../clipboard.js";
import { fill, make } from "../dom.js";
import { icon } from "../icons.js";
import { note } from "../messages.js";
import { t } from "../texts.js";

const ZOOMS = ["width", "page", "0.5", "0.75", "1", "1.5", "2", "3", "4"];
const VIEWS = ["both", "page", "text"];
const FORMATS = /** @type {[string, string][]} */ ([["markdown", "md"], ["json", "json"], ["zip", "zip"]]);

/**
 * @typedef {object} ToolActions
 * @property {(by: number) => void} step goes some pages on
 * @property {(label: string) => void} goto
 * @property {(zoom: string) => void} zoom "width", "page" or a number
 * @property {(direction: 1 | -1) => void} zoomStep
 * @property {() => void} turn
 * @property {(view: string) => void} view
 * @property {() => void} thumbnails shows or hides them
 * @property {() => void} keys shows the list of keys
 */

/** @param {string} name @param {string} label @param {() => void} onclick @param {Record<string, any>} [more] */
function tool(name, label, onclick, more = {}) {
  return make("button.quiet", { type: "button", title: label, "aria-label": label, onclick, ...more }, icon(name));
}

export class ToolBar {
  /** @param {ToolActions} actions @param {HTMLElement} find the search */
  constructor(actions, find) {
    this.page = make("input", { id: "goto", type: "text", size: 4, autocomplete: "off", "aria-label": t("read.page"), spellcheck: false });
    this.page.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => event.key === "Enter" && actions.goto(this.page.value));
    this.page.addEventListener("focus", () => this.page.select());
    this.total = make("span.faint");
    this.zoom = make("select", { id: "zoom", "aria-label": t("read.zoom"), onchange: () => actions.zoom(this.zoom.value) });
    this.thumbnails = tool("pages", t("read.thumbnails"), actions.thumbnails, { "aria-pressed": "false" });
    this.views = VIEWS.map((view) => make("button", { type: "button", "data-view": view, "aria-pressed": "false", onclick: () => actions.view(view) }, t(`read.view.${view}`)));
    this.downloads = downloadMenu();
    this.element = make(
      "div.tools",
      { role: "toolbar", "aria-label": t("read.tools") },
      make("div.tool-group", {}, this.thumbnails, tool("up", t("read.previous"), () => actions.step(-1)), this.page, this.total, tool("down", t("read.next"), () => actions.step(1))),
      make("div.tool-group.sizes", {}, tool("minus", t("read.zoom_out"), () => actions.zoomStep(-1)), this.zoom, tool("plus", t("read.zoom_in"), () => actions.zoomStep(1)), tool("turn", t("read.rotate"), actions.turn)),
      make("div.segments", { role: "group", "aria-label": t("read.view") }, ...this.views),
      find,
      make("div.tool-group.last", {}, this.downloads.element, tool("keyboard", t("read.keys"), actions.keys, { id: "show-keys" })),
    );
  }

  /** @param {string} label @param {string} total of the page that is seen */
  showPage(label, total) {
    if (document.activeElement !== this.page) this.page.value = label;
    this.total.textContent = t("read.of", { total });
  }

  /** @param {{zoom: string | number, view: string}} layout */
  showLayout({ zoom, view }) {
    const value = String(zoom);
    const listed = ZOOMS.includes(value) ? ZOOMS : [...ZOOMS, value];
    fill(this.zoom, ...listed.map((each) => make("option", { value: each, selected: each === value }, zoomName(each))));
    for (const button of this.views) button.setAttribute("aria-pressed", String(button.dataset.view === view));
  }

  /** @param {boolean} shown */
  showThumbnails(shown) {
    this.thumbnails.setAttribute("aria-pressed", String(shown));
  }

  /** @param {any} job that is read */
  showJob(job) {
    this.downloads.showJob(job);
  }
}

/** @param {string} zoom */
function zoomName(zoom) {
  return zoom === "width" || zoom === "page" ? t(`read.fit_${zoom}`) : `${Math.round(Number(zoom) * 100)} %`;
}

/** @returns {{element: HTMLElement, showJob: (job: any) => void}} */
function downloadMenu() {
  /** @type {any} */
  let shown = null;
  const save = (/** @type {string} */ format, /** @type {string} */ ending) => {
    element.open = false;
    if (["succeeded", "partial"].includes(shown?.status)) saveFile(`${shown.links.result}?format=${format}`, `${shown.name.replace(/[\\/:*?"<>|]/g, "_")}.${ending}`);
    else note(t("read.download.later"));
  };
  const buttons = FORMATS.map(([format, ending]) => make("button.quiet", { type: "button", "data-format": format, onclick: () => save(format, ending) }, t(`read.download.${format}`)));
  const element = make("details.menu", {}, make("summary", { title: t("read.download"), "aria-label": t("read.download") }, icon("download")), make("div.menu-list", {}, ...buttons));
  element.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Escape" || !element.open) return;
    element.open = false;
    element.querySelector("summary").focus();
    event.stopPropagation();
  });
  element.addEventListener("focusout", (/** @type {FocusEvent} */ event) => {
    if (event.relatedTarget && !element.contains(/** @type {Node} */ (event.relatedTarget))) element.open = false;
  });
  return { element, showJob: (job) => (shown = job) };
}
