/** How well a page was read: seen at a glance, with the reason. */

import { sentence } from "../messages.js";
import { t } from "../texts.js";

/** Below it, what was read should be compared with the picture. */
export const LOW_CONFIDENCE = 0.85;

/** In the order in which they matter. */
export const ISSUES = ["error", "repetition", "length", "doubtful", "blank"];

const TONES = /** @type {Record<string, string>} */ ({ error: "bad", repetition: "warn", length: "warn", doubtful: "warn", blank: "calm", waits: "calm" });

/**
 * @param {any} entry of the page, or undefined if it was not read yet
 * @returns {string} one of ISSUES, "waits" or "fine"
 */
export function stateOf(entry) {
  if (!entry) return "waits";
  if (ISSUES.includes(entry.finish_reason)) return entry.finish_reason;
  return entry.confidence !== null && entry.confidence < LOW_CONFIDENCE ? "doubtful" : "fine";
}

/** @param {string} state @returns {string} the colour of its badge */
export function toneOf(state) {
  return TONES[state] || "";
}

/** @param {any} entry @returns {string[]} why the page is not fine, and its warnings */
export function reasons(entry) {
  const state = stateOf(entry);
  const found = [];
  if (state === "error") found.push(entry.error ? sentence(entry.error) : t("page.why.error"));
  else if (state === "doubtful") found.push(t("page.why.doubtful", { percent: percent(entry.confidence) }));
  else if (state !== "fine" && state !== "waits") found.push(t(`page.why.${state}`));
  return [...found, ...(entry?.warnings || []).map(sentence)];
}

/** @param {number} share 0 to 1; rounded down */
export function percent(share) {
  return Math.floor(share * 100);
}
