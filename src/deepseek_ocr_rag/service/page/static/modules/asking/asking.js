/** Questions over the documents, in the panel at the side. */

import { events } from "../api.js";
import { fill, make } from "../dom.js";
import { showAsking } from "../frame.js";
import { icon } from "../icons.js";
import { isAbort } from "../messages.js";
import { Problem } from "../api.js";
import { t } from "../texts.js";
import { AnswerView } from "./answer_view.js";
import { ModelChoice } from "./model_choice.js";

const MOST_TURNS = 10;
const LONGEST_ANSWER = 20_000;
const LONGEST_QUESTION = 4000;

/**
 * @typedef {{question: string, answer: string, query: string}} Turn
 */

/**
 * @param {HTMLElement} place the panel
 * @param {import("../main.js").Context} context
 */
export function mountAsking(place, context) {
  new Asking(place, context);
}

class Asking {
  /** @param {HTMLElement} place @param {import("../main.js").Context} context */
  constructor(place, { queue, reader }) {
    this.place = place;
    this.queue = queue;
    this.reader = reader;
    /** @type {Turn[]} the conversation so far */
    this.turns = [];
    /** @type {string} the documents that it is about */
    this.about = "";
    /** @type {AbortController | null} ends the answer that is being written */
    this.running = null;
    this.models = new ModelChoice();
    this.build();
    queue.onChosen(() => this.showScope());
    reader.onDocument(() => this.showScope());
    // Not before the panel is used: the list may ask for the key.
    place.addEventListener("focusin", () => this.models.load(), { once: true });
    this.showScope();
  }

  build() {
    this.scope = make("p.scope");
    this.again = make("button.quiet", { type: "button", title: t("asking.new"), "aria-label": t("asking.new"), disabled: true, onclick: () => this.restart() }, icon("plus"));
    this.log = make("div.conversation", { role: "region", "aria-label": t("asking.conversation"), tabIndex: 0 });
    this.told = make("p.unseen", { role: "status" });
    this.question = make("textarea", { id: "question", rows: 2, maxLength: LONGEST_QUESTION, placeholder: t("asking.placeholder"), onkeydown: (/** @type {KeyboardEvent} */ event) => this.typed(event) });
    this.send = make("button.primary", { type: "submit" }, t("asking.send"));
    this.stop = make("button", { type: "button", hidden: true, onclick: () => this.running?.abort() }, t("asking.stop"));
    const form = make("form.ask-form", {}, make("label.unseen", { htmlFor: "question" }, t("asking.question")), this.question, make("div.ask-buttons", {}, this.models.element, this.stop, this.send));
    form.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.ask(this.question.value.trim());
    });
    fill(
      this.place,
      make("div.ask-head", {}, make("h2", {}, t("asking.title")), this.again, make("button.quiet", { type: "button", title: t("asking.close"), "aria-label": t("asking.close"), onclick: () => showAsking(false) }, icon("close"))),
      this.scope,
      this.log,
      this.told,
      form,
    );
  }

  /** @returns {{id: string, name: string}[]} the documents that a question is about */
  documents() {
    const { job, name } = this.reader;
    return job ? [{ id: job, name }] : this.queue.chosen();
  }

  showScope() {
    const documents = this.documents();
    const text = documents.length === 1 ? t("asking.about", { name: documents[0].name || "…" }) : t("asking.about_several", { count: documents.length });
    this.scope.textContent = documents.length ? text : t("asking.no_documents");
    this.scope.title = documents.map((each) => each.name).join("\n");
    this.send.disabled = !documents.length || this.running !== null;
  }

  /** @param {KeyboardEvent} event */
  typed(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.ask(this.question.value.trim());
  }

  restart() {
    this.running?.abort();
    this.turns = [];
    this.reader.clearMarks();
    fill(this.log);
    this.again.disabled = true;
    this.question.placeholder = t("asking.placeholder");
    this.question.focus();
  }

  /** @param {string} question */
  async ask(question) {
    const jobs = this.documents().map((each) => each.id);
    if (!question || !jobs.length || this.running) return;
    const moved = this.about !== jobs.join();
    if (moved) this.turns = [];
    this.about = jobs.join();
    this.question.value = "";
    const view = new AnswerView(this.reader, () => this.ask(question));
    const understood = make("p.faint.small", { hidden: true });
    const turn = make("article.turn", { "aria-label": question }, moved && make("p.faint.small", {}, this.scope.textContent), make("h3.asked", {}, question), understood, view.element);
    this.log.append(turn);
    turn.scrollIntoView({ block: "start" });
    await this.follow(view, { question, jobs, model: this.models.value, history: this.turns.slice(-MOST_TURNS) }, understood);
    this.question.placeholder = t("asking.placeholder.next");
    this.again.disabled = false;
  }

  /**
   * @param {AnswerView} view
   * @param {{question: string, jobs: string[], model: string | null, history: Turn[]}} json
   * @param {HTMLElement} understood
   */
  async follow(view, json, understood) {
    const running = new AbortController();
    this.run(running);
    try {
      let answer = null;
      for await (const { kind, data } of events("/v1/ask", { method: "POST", json, signal: running.signal })) {
        if (kind === "text") view.add(data.text);
        else if (kind === "problem") throw new Problem(data.status, data);
        else if (kind === "answer") answer = data;
      }
      if (!answer) throw new Problem(0);
      this.told.textContent = view.finish(answer);
      understood.hidden = answer.query === json.question;
      understood.textContent = t("asking.understood", { query: answer.query });
      this.turns.push({ question: json.question, answer: answer.answer.slice(0, LONGEST_ANSWER), query: answer.query });
    } catch (error) {
      if (isAbort(error)) view.stop();
      else view.fail(error);
    } finally {
      this.run(null);
    }
  }

  /** @param {AbortController | null} running */
  run(running) {
    this.running = running;
    this.stop.hidden = !running;
    this.send.hidden = !!running;
    this.showScope();
  }
}
