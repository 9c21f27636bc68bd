/** One answer: its text as it is written, then each sentence with the result of its check. */

import { fill, make } from "../dom.js";
import { icon } from "../icons.js";
import { problemParts, sentence as asSentence } from "../messages.js";
import { language, t } from "../texts.js";
import { evidenceList, showOnPages } from "./evidence.js";
import { statusShape } from "./status_shape.js";
import { inWords } from "./table_rows.js";

export class AnswerView {
  /** @param {import("../reading/reader.js").Reader} reader @param {() => void} again asks once more */
  constructor(reader, again) {
    this.reader = reader;
    this.again = again;
    this.body = make("div.answer-body", { "aria-busy": "true" });
    this.element = make("div.answer", {}, this.body);
    this.streamed = make("p.streamed");
    this.status = make("p.faint.small.writing", {}, t("asking.searching"));
    fill(this.body, this.status, this.streamed);
    /** @type {HTMLElement | null} the sentence whose evidence is shown */
    this.open = null;
  }

  /** @param {string} text the next piece */
  add(text) {
    this.status.textContent = t("asking.writing");
    this.streamed.append(text);
  }

  /** @param {unknown} error */
  fail(error) {
    this.done();
    fill(this.body, make("div.note.bad", {}, problemParts(error)), this.againButton());
  }

  stop() {
    this.done();
    this.status.textContent = t("asking.stopped");
    this.body.append(this.againButton());
  }

  done() {
    this.body.removeAttribute("aria-busy");
  }

  againButton() {
    return make("button", { type: "button", onclick: this.again }, t("asking.again"));
  }

  /** @param {any} answer the whole answer, checked @returns {string} what to tell a screen reader */
  finish(answer) {
    this.done();
    /** @type {Map<number, any>} */
    this.answer = answer.answer;
    this.citations = new Map(answer.citations.map((/** @type {any} */ each) => [each.number, each]));
    const shown = answer.sentences.filter((/** @type {any} */ each) => each.status !== "unsupported");
    const refused = answer.sentences.filter((/** @type {any} */ each) => each.status === "unsupported");
    const said = shown.filter((/** @type {any} */ each) => each.status !== "absent" || answer.found);
    const summary = answer.found ? t("asking.checked", { supported: count(answer, "supported"), all: answer.sentences.length }) : notFound(answer).heading;
    fill(
      this.body,
      !answer.found && absentNotice(answer),
      answer.found && answer.quoted && make("p.faint.small", {}, t(answer.llm ? "asking.quotes_instead" : "asking.quotes")),
      answer.found && !answer.quoted && make("p.faint.small", {}, summary),
      said.length > 0 && make("ul.sentences", {}, ...said.map((/** @type {any} */ each) => this.sentence(each))),
      refused.length > 0 && this.refusedList(refused),
      answer.warnings.length > 0 && make("div.note.warn.small", { role: "note", "aria-label": t("asking.warnings") }, ...answer.warnings.map((/** @type {string} */ each) => make("p", {}, asSentence(each)))),
    );
    return summary;
  }

  /** @param {any} sentence */
  sentence(sentence) {
    const numbers = new Set([...sentence.citations, ...sentence.parts.flatMap((/** @type {any} */ part) => part.citations)]);
    const cited = [...numbers].flatMap((number) => this.citations?.get(number) ?? []);
    const evidence = make("div.sentence-evidence", { hidden: true });
    const pages = [...new Set(cited.map((each) => each.page))];
    const label = make(
      "span.sentence-label",
      {},
      t(`asking.status.${sentence.status}`),
      pages.length > 0 && make("span.pages-cited", {}, pages.map((page) => t("asking.page_short", { page })).join(", ")),
    );
    const content = [statusShape(sentence.status), make("span.sentence-text", {}, inWords(sentence.text, this.answer)), label];
    const item = make(`li.sentence.${sentence.status}`);
    if (cited.length) {
      const button = make("button.sentence-button", { type: "button", "aria-expanded": "false", onclick: () => this.choose(item, button, evidence, cited) }, ...content);
      item.append(button);
    } else item.append(make("div.sentence-button", {}, ...content));
    if (sentence.status === "partly") item.append(make("p.reason", {}, t("asking.reason", { reason: asSentence(sentence.problem) })), ...sentence.parts.map((/** @type {any} */ part) => make("p.reason", {}, t("asking.part", { text: part.text }))));
    fill(evidence, evidenceList(cited, this.reader));
    item.append(evidence);
    return item;
  }

  /**
   * Shows where a sentence comes from, in the panel and on the pages; a second time hides it.
   * @param {HTMLElement} item
   * @param {HTMLElement} button
   * @param {HTMLElement} evidence
   * @param {any[]} cited
   */
  choose(item, button, evidence, cited) {
    const opens = evidence.hidden;
    this.dispatchChoice();
    if (!opens) return;
    evidence.hidden = false;
    button.setAttribute("aria-expanded", "true");
    item.classList.add("chosen");
    item.scrollIntoView({ block: "nearest" });
    showOnPages(this.reader, cited);
  }

  /** Only one sentence of the whole conversation is chosen at a time. */
  dispatchChoice() {
    const panel = this.element.closest("#asking") ?? this.element;
    for (const each of panel.querySelectorAll(".sentence.chosen")) {
      each.classList.remove("chosen");
      each.querySelector(".sentence-button")?.setAttribute("aria-expanded", "false");
      /** @type {HTMLElement} */ (each.querySelector(".sentence-evidence")).hidden = true;
    }
    this.reader.clearMarks();
  }

  /** @param {any[]} refused */
  refusedList(refused) {
    return make(
      "section.refused",
      {},
      make("h4", {}, t("asking.refused")),
      make(
        "ul.sentences",
        {},
        ...refused.map((each) =>
          make(
            "li.sentence.unsupported",
            {},
            make("div.sentence-button", {}, statusShape("unsupported"), make("span.sentence-text", {}, each.text), make("span.sentence-label", {}, t("asking.status.unsupported"))),
            make("p.reason", {}, t("asking.reason", { reason: asSentence(each.problem) })),
          ),
        ),
      ),
    );
  }
}

/** @param {any} answer @param {string} status */
function count(answer, status) {
  return answer.sentences.filter((/** @type {any} */ each) => each.status === status).length;
}

/**
 * Claims absence only where it was established, and says by what.
 * @param {any} answer without an answer @returns {{heading: string, text: string}}
 */
function notFound(answer) {
  if (answer.nearest) return { heading: t("asking.other_words"), text: t("asking.nearest") };
  if (answer.sentences.some((/** @type {any} */ each) => each.status === "absent")) return { heading: t("asking.absent"), text: t("asking.absent.text") };
  if (answer.sentences.length) return { heading: t("asking.nothing_found"), text: t("asking.all_refused") };
  // The service names the words that no page has, in English.
  const heading = t(answer.absent ? "asking.absent" : "asking.nothing_found");
  return { heading, text: language === "zh" ? t("asking.no_words") : answer.answer.trim() };
}

/** @param {any} answer without an answer @returns {HTMLElement} as large as an answer */
function absentNotice(answer) {
  const { heading, text } = notFound(answer);
  return make("div.absent", {}, icon("close"), make("div", {}, make("h4", {}, heading), make("p", {}, text)));
}
