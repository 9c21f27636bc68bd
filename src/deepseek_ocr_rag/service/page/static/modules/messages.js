/** Shows messages: short notes that disappear, and problems that stay. */

import { Problem } from "./api.js";
import { byId, make } from "./dom.js";
import { icon } from "./icons.js";
import { language, t, textIfAny } from "./texts.js";

const NOTE_SECONDS = 4;

/**
 * Shows a note for a few seconds; screen readers read it out.
 * @param {string} text
 */
export function note(text) {
  const shown = make("p.message", {}, text);
  byId("messages").append(shown);
  setTimeout(() => shown.remove(), NOTE_SECONDS * 1000);
}

/**
 * Shows what went wrong and what to do, until it is closed.
 * @param {unknown} error
 * @param {string} [subject] such as a file's name
 */
export function showProblem(error, subject = "") {
  if (isAbort(error)) return;
  const close = make("button.quiet", { type: "button", title: t("close"), "aria-label": t("close"), onclick: () => shown.remove() }, icon("close"));
  const shown = make("div.message.problem", {}, problemParts(error, subject), close);
  byId("messages").append(shown);
}

/**
 * A problem in plain words with its remedy, to be put anywhere.
 * @param {unknown} error
 * @param {string} [subject]
 * @returns {HTMLElement}
 */
export function problemParts(error, subject = "") {
  const { what, remedy } = inWords(error);
  return make("div.problem-text", {}, make("p", {}, subject && make("strong", {}, `${subject}: `), ...withCode(what)), remedy && make("p.remedy", {}, ...withCode(remedy)));
}

/**
 * Why a document could not be read, and what to do.
 * @param {{type: string, message: string, remedy: string | null}} error of a job
 * @returns {HTMLElement[]}
 */
export function failureParts(error) {
  // What the service says is more exact, but English.
  const own = language === "zh" && textIfAny(`error.${error.type}`);
  const message = sentence(error.message);
  const remedy = textIfAny(`error.${error.type}.remedy`) || error.remedy || "";
  const texts = own ? [own, `${message} ${remedy}`] : [message, remedy];
  return texts.filter(Boolean).map((text, index) => make(index ? "p.remedy" : "p", {}, ...withCode(text)));
}

/** @param {string} text @returns {(string | HTMLElement)[]} its parts; what is between backticks is code */
export function withCode(text) {
  const parts = text.split("`");
  if (parts.length % 2 === 0) return [text];
  return parts.map((part, index) => (index % 2 ? make("code", {}, part) : part));
}

/** @param {unknown} error whether the page itself broke off a request */
export function isAbort(error) {
  return error instanceof Error && error.name === "AbortError";
}

/** @param {unknown} error @returns {{what: string, remedy: string}} */
export function inWords(error) {
  if (!(error instanceof Problem)) {
    console.error(error);
    return { what: t("problem.page"), remedy: t("problem.page.remedy") };
  }
  if (error.status === 0) return { what: t("problem.connection"), remedy: t("problem.connection.remedy") };
  const own = textIfAny(`problem.${error.status}`) || t("problem.status", { status: error.status });
  const ownRemedy = textIfAny(`problem.${error.status}.remedy`);
  // The service's own words are exact, but English.
  if (language === "zh") {
    return { what: own, remedy: [ownRemedy, error.detail && sentence(error.detail), error.remedy].filter(Boolean).join(" ") };
  }
  return { what: error.detail ? sentence(error.detail) : own, remedy: error.remedy || ownRemedy };
}

/** @param {string} text */
export function sentence(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?。！？]$/.test(first) ? first : `${first}.`;
}
