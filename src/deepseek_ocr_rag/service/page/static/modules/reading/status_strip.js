/** The state of the document: progress, and how many pages have problems. */

import { fill, make } from "../dom.js";
import { failureParts, problemParts } from "../messages.js";
import { ISSUES, stateOf, toneOf } from "../pages/page_state.js";
import { facts, isActive, tone } from "../queue/job_words.js";
import { counted, t } from "../texts.js";

export class StatusStrip {
  /**
   * @param {{cancel: () => void, goToIssue: (state: string) => void}} actions
   */
  constructor(actions) {
    this.actions = actions;
    this.badge = make("span.badge", { role: "status" });
    this.facts = make("span.facts");
    this.bar = make("progress");
    this.cancel = make("button", { type: "button", id: "cancel-reading", onclick: actions.cancel }, t("job.cancel"));
    this.issues = make("div.issues");
    this.lost = make("span.badge.warn", { role: "status", hidden: true }, t("status.lost"));
    this.trouble = make("div.strip-trouble");
    this.element = make("div.strip", {}, make("div.strip-line", {}, this.badge, this.facts, this.bar, this.lost, this.issues, this.cancel), this.trouble);
  }

  /** @param {import("./open_document.js").OpenDocument} opened */
  show(opened) {
    const { job } = opened;
    const active = isActive(job);
    this.badge.className = `badge ${tone(job)}`;
    this.badge.textContent = t(`job.${job.status}`);
    this.facts.textContent = facts(job).join(" · ");
    this.bar.hidden = job.status !== "running";
    this.bar.setAttribute("aria-label", t("job.progress", { name: job.name }));
    if (job.pages_total) {
      this.bar.max = job.pages_total;
      this.bar.value = job.pages_done;
    } else this.bar.removeAttribute("value");
    this.cancel.hidden = !active;
    this.lost.hidden = !opened.lost;
    this.showIssues(opened);
    const error = job.status === "failed" ? job.error : null; // otherwise the pages show their errors
    fill(this.trouble, error && make("div.note.bad", {}, ...failureParts(error)));
  }

  /** @param {unknown} problem why nothing more can be shown */
  showProblem(problem) {
    fill(this.trouble, make("div.note.bad", { role: "alert" }, problemParts(problem)));
  }

  /** @param {import("./open_document.js").OpenDocument} opened */
  showIssues(opened) {
    const counts = new Map(ISSUES.map((state) => [state, 0]));
    for (const entry of opened.entries.values()) {
      const state = stateOf(entry);
      counts.set(state, (counts.get(state) ?? 0) + 1);
    }
    const key = JSON.stringify([...counts]);
    if (key === this.issues.dataset.key) return; // unchanged: redrawing would lose the focus
    this.issues.dataset.key = key;
    const found = ISSUES.filter((state) => counts.get(state));
    fill(
      this.issues,
      ...found.map((state) =>
        make(`button.issue.${toneOf(state)}`, { type: "button", "data-state": state, title: t("issues.go"), onclick: () => this.actions.goToIssue(state) }, make(`span.dot.${toneOf(state)}`), counted(`issues.${state}`, counts.get(state) ?? 0)),
      ),
    );
  }
}
