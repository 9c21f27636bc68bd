/** The choice of the language model: those that the service offers, or none. */

import { getJson } from "../api.js";
import { fill, make } from "../dom.js";
import { isAbort, withCode } from "../messages.js";
import { t } from "../texts.js";

const MODEL = "dsocr.model";
const NONE = "none";

export class ModelChoice {
  constructor() {
    this.select = make("select", { id: "model", onchange: () => localStorage.setItem(MODEL, this.select.value) });
    this.problem = make("p.faint.small", { hidden: true });
    this.element = make("div.model", {}, make("label", { htmlFor: "model" }, t("asking.model")), this.select, this.problem);
    this.show([NONE], NONE);
    this.isKnown = false;
  }

  /** @returns {string | null} the model that is chosen; null for the service's own choice */
  get value() {
    return this.isKnown ? this.select.value : null;
  }

  /** Fetches the list of models. */
  async load() {
    try {
      const { models, default: own, problem } = await getJson("/v1/language-models");
      const kept = localStorage.getItem(MODEL) || "";
      this.show(models, models.includes(kept) ? kept : own);
      this.problem.hidden = !problem || models.length > 1;
      fill(this.problem, ...withCode(problem || ""));
      this.isKnown = true;
    } catch (error) {
      // The next question will report the error; until then the service's own model is shown.
      if (!isAbort(error)) this.isKnown = false;
    }
  }

  /** @param {string[]} models @param {string} chosen */
  show(models, chosen) {
    fill(this.select, ...models.map((name) => make("option", { value: name, selected: name === chosen }, name === NONE ? t("asking.model.none") : name.replace(/^ollama\//, "").replace(/:latest$/, ""))));
    this.select.disabled = models.length < 2;
  }
}
