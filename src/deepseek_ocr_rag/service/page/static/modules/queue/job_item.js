/** One document in the list. */

import { hashOf } from "../address.js";
import { fill, make } from "../dom.js";
import { icon } from "../icons.js";
import { failureParts } from "../messages.js";
import { t } from "../texts.js";
import { facts, isActive, tone } from "./job_words.js";

/**
 * @typedef {object} ItemActions
 * @property {(job: any) => void} cancel
 * @property {(job: any) => void} remove
 * @property {(job: any, chosen: boolean) => void} choose
 */

/** The row of a job. Unchanged parts are kept, so that the focus stays. */
export class JobItem {
  /** @param {any} job @param {boolean} chosen @param {ItemActions} actions */
  constructor(job, chosen, actions) {
    this.job = job;
    const name = job.name;
    this.box = make("input", {
      type: "checkbox",
      checked: chosen,
      "aria-label": t("queue.choose", { name }),
      onchange: () => actions.choose(this.job, this.box.checked),
    });
    this.badge = make("span.badge");
    this.facts = make("span.facts");
    this.failed = make("span.badge.warn", { hidden: true });
    this.bar = make("progress", { "aria-label": t("job.progress", { name }) });
    this.error = make("div.item-error", { hidden: true });
    this.cancel = make("button.quiet", { type: "button", "aria-label": t("job.cancel.name", { name }), onclick: () => actions.cancel(this.job) }, t("job.cancel"));
    this.remove = make("button.quiet", { type: "button", title: t("job.remove"), "aria-label": t("job.remove.name", { name }), onclick: () => actions.remove(this.job) }, icon("close"));
    this.link = make("a.item-name", { href: hashOf({ job: job.id }) }, make("bdi", {}, name));
    this.element = make(
      "li.item",
      { "data-job": job.id },
      this.box,
      make("div.item-main", {}, this.link, make("div.item-facts", {}, this.badge, this.failed, this.facts), this.bar, this.error),
      make("div.item-buttons", {}, this.cancel, this.remove),
    );
    this.update(job);
  }

  /** @param {any} job as it is now */
  update(job) {
    this.job = job;
    this.element.dataset.status = job.status;
    this.badge.className = `badge ${tone(job)}`;
    this.badge.textContent = t(`job.${job.status}`);
    this.facts.textContent = facts(job).join(" · ");
    this.failed.hidden = !job.pages_failed;
    this.failed.textContent = t("job.pages_failed", { count: job.pages_failed });
    this.bar.hidden = job.status !== "running";
    if (job.pages_total) {
      this.bar.max = job.pages_total;
      this.bar.value = job.pages_done;
    } else this.bar.removeAttribute("value");
    this.box.disabled = !job.pages_done;
    this.cancel.hidden = !isActive(job);
    this.remove.hidden = isActive(job);
    const error = job.status === "failed" ? job.error : null; // a job that was read in part shows errors on its pages
    this.error.hidden = !error;
    if (error) fill(this.error, ...failureParts(error));
  }
}
