/** Where files are dropped, pasted or chosen. */

import { make } from "../dom.js";
import { icon } from "../icons.js";
import { t } from "../texts.js";

const RESOLUTIONS = ["tiny", "small", "base", "large", "gundam"];

/**
 * Files may be dropped and pasted anywhere on the page.
 * @param {(files: File[], options: Record<string, string>) => void} take
 * @returns {HTMLElement} the zone
 */
export function dropZone(take) {
  const chooser = make("input", { type: "file", id: "files", multiple: true, hidden: true });
  chooser.addEventListener("change", () => {
    given([...chooser.files]);
    chooser.value = "";
  });
  const { element: options, values } = jobOptions();
  const zone = make(
    "div.drop-zone",
    {},
    make("div.drop-main", {}, icon("upload"), make("p.drop-title", {}, t("drop.title")), make("p.faint", {}, t("drop.what")), make("button.primary", { type: "button", id: "choose-files", onclick: () => chooser.click() }, t("drop.choose"))),
    chooser,
    options,
  );

  /** @param {File[]} files */
  function given(files) {
    if (files.length) take(files, values());
  }

  let depth = 0; // "dragenter" and "dragleave" fire for every element that is crossed
  const mark = (/** @type {number} */ change) => {
    depth = Math.max(0, depth + change);
    document.body.classList.toggle("dragging", depth > 0);
  };
  addEventListener("dragenter", (event) => hasFiles(event) && mark(1));
  addEventListener("dragleave", (event) => hasFiles(event) && mark(-1));
  addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    mark(-depth);
    given([...(event.dataTransfer?.files || [])]);
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files || [])];
    if (files.length) event.preventDefault();
    given(files);
  });
  return zone;
}

/** @param {DragEvent} event */
function hasFiles(event) {
  return !!event.dataTransfer?.types.includes("Files");
}

/** @returns {{element: HTMLElement, values: () => Record<string, string>}} how documents are read */
function jobOptions() {
  const pages = make("input", { id: "option-pages", autocomplete: "off", "aria-describedby": "option-pages-what", spellcheck: false });
  const password = make("input", { id: "option-password", type: "password", autocomplete: "off" });
  const resolution = make("select", { id: "option-resolution" }, make("option", { value: "" }, t("drop.resolution.default")), ...RESOLUTIONS.map((name) => make("option", { value: name }, name)));
  const field = (/** @type {any} */ input, /** @type {string} */ label, /** @type {any} */ more = null) => make("div.field", {}, make("label", { for: input.id }, label), input, more);
  const element = make(
    "details.drop-options",
    {},
    make("summary", {}, t("drop.options")),
    make("div.fields", {}, field(pages, t("drop.pages"), make("span.faint", { id: "option-pages-what" }, t("drop.pages.what"))), field(password, t("drop.password")), field(resolution, t("drop.resolution"))),
  );
  return { element, values: () => ({ pages: pages.value.trim(), password: password.value, resolution: resolution.value }) };
}
