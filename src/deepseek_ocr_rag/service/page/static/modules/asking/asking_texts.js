/** Texts of asking: English and Chinese. */

/** @type {Record<string, [string, string]>} */
export const ASKING_TEXTS = {
  asking: ["Questions", "提问"],
};
