/** The shape of a check's result, so that results differ without colour too. */

const SVG = "http://www.w3.org/2000/svg";

/** @type {Record<string, string>} a tick in a circle, a circle half full, a cross in a square, a dash in a circle */
const SHAPES = {
  supported: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM8 12.3l2.8 2.8L16 9.5",
  partly: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 3v18",
  unsupported: "M4 4h16v16H4zM9 9l6 6M15 9l-6 6",
  absent: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM8 12h8",
};

/**
 * @param {string} status supported, partly, unsupported or absent
 * @returns {SVGElement}
 */
export function statusShape(status) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon shape");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SHAPES[status] ?? SHAPES.unsupported);
  svg.append(path);
  if (status === "partly") {
    const half = document.createElementNS(SVG, "path");
    half.setAttribute("d", "M12 3a9 9 0 0 0 0 18z");
    half.setAttribute("class", "half");
    svg.append(half);
  }
  return svg;
}
