/** Questions over the documents, in the panel at the side. */

/**
 * @param {HTMLElement} place the panel
 * @param {import("../main.js").Context} context
 */
export function mountAsking(place, context) {}
