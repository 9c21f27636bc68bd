/** Builds elements out of parts. A text is always text: nothing here takes HTML. */

/**
 * @typedef {Node | string | number | null | undefined | false} Part
 */

/**
 * Makes an element.
 * @param {string} tag such as "button" or "p.note.small"
 * @param {Record<string, any>} [properties] "on…" listens, "data-…", "aria-…" and "role" are
 *   attributes, all else are properties of the element; undefined is left out
 * @param {...Part} parts what it contains
 * @returns {any}
 */
export function make(tag, properties = {}, ...parts) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (/^(aria|data)-|^(role|for|scope|colspan|rowspan)$/.test(key)) element.setAttribute(key, String(value));
    else element[key] = value;
  }
  element.append(...kept(parts));
  return element;
}

/**
 * Puts parts in place of all that an element contains.
 * @param {Element} element
 * @param {...Part} parts
 */
export function fill(element, ...parts) {
  element.replaceChildren(...kept(parts));
}

/** @param {Part[]} parts @returns {(Node | string)[]} */
function kept(parts) {
  return parts
    .filter((part) => part !== null && part !== undefined && part !== false)
    .map((part) => (part instanceof Node ? part : String(part)));
}

/**
 * The element with an id from index.html.
 * @param {string} id
 * @returns {any}
 */
export function byId(id) {
  return document.getElementById(id);
}
