/** All texts of the page: English and Chinese side by side. */

import { ASKING_TEXTS } from "./asking/asking_texts.js";
import { CORRECTING_TEXTS } from "./correcting/correcting_texts.js";

const LANGUAGE = "dsocr.language";

/** @type {Record<string, [string, string]>} */
const TEXTS = {
  brand: ["Documents", "文档"],
  skip: ["Skip to the content", "跳到正文"],
  close: ["Close", "关闭"],
  "problem.page": ["The page made a mistake.", "页面出错了。"],
  "problem.page.remedy": ["Reload it; what was read is kept.", "请重新加载；已读取的内容不会丢失。"],
  "problem.connection": ["The service does not answer.", "服务没有响应。"],
  "problem.connection.remedy": ["Check that it runs; the page goes on by itself when it is back.", "请检查服务是否在运行；恢复后页面会自动继续。"],
  "problem.status": ["The service answered with status {status}.", "服务返回状态 {status}。"],
  ...ASKING_TEXTS,
  ...CORRECTING_TEXTS,
};

/** @type {"en" | "zh"} */
export const language =
  /** @type {any} */ (localStorage.getItem(LANGUAGE)) ??
  (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");

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

/** @param {"en" | "zh"} chosen the page starts again with it */
export function chooseLanguage(chosen) {
  localStorage.setItem(LANGUAGE, chosen);
  location.reload();
}

/** Puts the texts into what stands in index.html. */
export function translateShell() {
  document.documentElement.lang = language;
  for (const each of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-text]"))) {
    each.textContent = t(each.dataset.text || "");
  }
  for (const each of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-label]"))) {
    each.setAttribute("aria-label", t(each.dataset.label || ""));
  }
}
