/** All texts of the page in the person's language. */

import { ASKING_TEXTS } from "./asking/asking_texts.js";
import { CORRECTING_TEXTS } from "./correcting/correcting_texts.js";
import { READING_TEXTS } from "./reading/reading_texts.js";
import { SHELL_TEXTS } from "./shell_texts.js";

const LANGUAGE = "dsocr.language";

/** @type {Record<string, [string, string]>} English and Chinese */
const TEXTS = { ...SHELL_TEXTS, ...READING_TEXTS, ...ASKING_TEXTS, ...CORRECTING_TEXTS };

/** @type {"en" | "zh"} */
export const language = chosenLanguage();

/**
 * A text in the person's language.
 * @param {string} key
 * @param {Record<string, string | number>} [values] what stands for {name} in it
 * @returns {string}
 */
export function t(key, values = {}) {
  const text = TEXTS[key]?.[language === "zh" ? 1 : 0];
  if (text === undefined) throw new Error(`there is no text ${key}`);
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/**
 * A text for a number of things: key.one for 1, else key.
 * @param {string} key
 * @param {number} count
 */
export function counted(key, count) {
  return t(count === 1 && TEXTS[`${key}.one`] ? `${key}.one` : key, { count: count.toLocaleString(language) });
}

/** @param {string} key @returns {string} the text, or "" if there is none */
export function textIfAny(key) {
  return TEXTS[key] ? t(key) : "";
}

/** @param {"en" | "zh"} chosen the page starts again with it */
export function chooseLanguage(chosen) {
  localStorage.setItem(LANGUAGE, chosen);
  location.reload();
}

/** Fills the texts into index.html. */
export function translateShell() {
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  for (const each of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-text]"))) {
    each.textContent = t(each.dataset.text || "");
  }
  for (const each of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-label]"))) {
    each.setAttribute("aria-label", t(each.dataset.label || ""));
  }
}

/** @returns {"en" | "zh"} as chosen before, or else the browser's */
function chosenLanguage() {
  const chosen = localStorage.getItem(LANGUAGE);
  if (chosen === "en" || chosen === "zh") return chosen;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}
