/** Icons: drawn lines, hidden from screen readers, in the colour of the text. */

/** @type {Record<string, string>} paths on a grid of 24 */
const PATHS = {
  ask: "M4 5h16v11H10l-4 4v-4H4z",
  back: "M15 5l-7 7 7 7",
  check: "M5 12.5l4.5 4.5L19 7.5",
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h10v11H9zM5 15V4h10",
  down: "M6 9l6 6 6-6",
  download: "M12 4v11m-5-4.5l5 4.5 5-4.5M5 20h14",
  edit: "M4 20l1-4L16 5l3 3L8 19z",
  keyboard: "M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M7 14h10",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
  minus: "M6 12h12",
  pages: "M4 4h6v7H4zM4 14h6v6H4zM13 5h7M13 8h5M13 15h7M13 18h5",
  plus: "M12 6v12M6 12h12",
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5L20 20",
  table: "M4 5h16v14H4zM4 10h16M4 14.5h16M10 5v14",
  theme: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
  turn: "M19 12a7 7 0 1 1-2.2-5.1M19 4v4h-4",
  undo: "M4 4v5h5M4.5 9a8 8 0 1 1-.6 5",
  up: "M6 15l6-6 6 6",
  upload: "M12 16V5m-5 4.5L12 4.5l5 5M5 20h14",
};

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} name
 * @returns {SVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
