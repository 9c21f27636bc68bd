/** Corrections of a block's text. */

/** @param {import("../main.js").Context} context */
export function startCorrecting(context) {}
