/** The bar at the top: colours, language, and the button of the panel for questions. */

import { byId, make } from "./dom.js";
import { icon } from "./icons.js";
import { chooseLanguage, language, t } from "./texts.js";

const THEME = "dsocr.theme";
const THEMES = ["auto", "light", "dark"];

/** Fills the bar. */
export function buildBar() {
  applyTheme(theme());
  const themeButton = make("button.quiet", { type: "button", id: "theme" }, icon("theme"));
  const name = () => {
    themeButton.title = t(`theme.${theme()}`);
    themeButton.setAttribute("aria-label", themeButton.title);
  };
  themeButton.addEventListener("click", () => {
    applyTheme(THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);
    name();
  });
  name();
  const other = language === "zh" ? "en" : "zh";
  byId("bar-end").append(
    make("button.quiet", { type: "button", id: "language", lang: other, onclick: () => chooseLanguage(other) }, t("language.other")),
    themeButton,
    make("button", { type: "button", id: "toggle-asking", "aria-controls": "asking", "aria-expanded": "false", onclick: () => showAsking(byId("asking").hidden) }, icon("ask"), make("span", {}, t("asking.toggle"))),
  );
  byId("asking").addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape" && !event.defaultPrevented) showAsking(false);
  });
}

/** @param {boolean} shown whether the panel for questions is open */
export function showAsking(shown) {
  byId("asking").hidden = !shown;
  byId("toggle-asking").setAttribute("aria-expanded", String(shown));
  if (shown) byId("asking").querySelector("textarea")?.focus();
  else byId("toggle-asking").focus();
}

/** @returns {string} */
function theme() {
  const kept = localStorage.getItem(THEME) || "";
  return THEMES.includes(kept) ? kept : "auto";
}

/** @param {string} chosen */
function applyTheme(chosen) {
  localStorage.setItem(THEME, chosen);
  document.documentElement.dataset.theme = chosen;
}
