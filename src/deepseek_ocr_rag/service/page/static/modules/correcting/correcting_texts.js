/** Texts of correcting: English and Chinese. */

/** @type {Record<string, [string, string]>} */
export const CORRECTING_TEXTS = {};
