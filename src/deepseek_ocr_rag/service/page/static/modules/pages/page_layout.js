/** How large a page is shown. */

const POINT = 96 / 72; // CSS pixels
const A4 = [595, 842];
const STEPS = [0.25, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 4];
const SIDES = [640, 960, 1280, 1920, 2560, 4096];

/**
 * @typedef {object} Layout
 * @property {"width" | "page" | number} zoom a number: 1 is as on paper
 * @property {number} turn quarters clockwise
 * @property {number} width of the column of the pages, in CSS pixels
 * @property {number} height of the window
 */

/**
 * The size of a page on the screen before it is turned, and its scale.
 * @param {any} entry of the page; undefined before it was read
 * @param {Layout} layout
 * @returns {{width: number, height: number, scale: number}}
 */
export function sizeOf(entry, layout) {
  const [width, height] = entry?.width > 0 && entry?.height > 0 ? [entry.width * POINT, entry.height * POINT] : [A4[0] * POINT, A4[1] * POINT];
  const [across, down] = layout.turn % 2 ? [height, width] : [width, height];
  const fitWidth = layout.width / across;
  let scale = typeof layout.zoom === "number" ? layout.zoom : fitWidth;
  if (layout.zoom === "page") scale = Math.min(fitWidth, layout.height / down);
  // A page can have any shape; its picture is at least a line wide and high, and at most some windows high.
  scale = Math.max(scale, 24 / Math.min(across, down));
  return { width: width * scale, height: Math.min(height * scale, 20_000), scale };
}

/** @param {number} scale @param {1 | -1} direction @returns {number} the next step of the zoom */
export function nextStep(scale, direction) {
  const steps = direction > 0 ? STEPS.filter((step) => step > scale * 1.02) : STEPS.filter((step) => step < scale / 1.02);
  return (direction > 0 ? steps[0] : steps.at(-1)) ?? scale;
}

/** @param {{width: number, height: number}} size @returns {number} the longer side of the picture to ask for */
export function pictureSide({ width, height }) {
  const needed = Math.max(width, height) * devicePixelRatio;
  return SIDES.find((side) => side >= needed * 0.95) ?? 4096;
}
