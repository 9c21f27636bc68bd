/** The list of documents: send, watch, open, and choose them for questions. */

import { goTo } from "../address.js";
import { Problem, getJson, request } from "../api.js";
import { fill, make } from "../dom.js";
import { showAsking } from "../frame.js";
import { isAbort, note, problemParts, showProblem } from "../messages.js";
import { t } from "../texts.js";
import { dropZone } from "./drop_zone.js";
import { JobItem } from "./job_item.js";
import { isActive } from "./job_words.js";
import { SendingItem } from "./sending_item.js";
import { confirmed } from "./sure_dialog.js";
import { newSending, send } from "./uploads.js";

const BUSY_MS = 1000;
const IDLE_MS = 10000;
const AT_ONCE = 50;

export class QueueView {
  /** @param {HTMLElement} place */
  constructor(place) {
    this.place = place;
    /** @type {Map<string, JobItem>} */
    this.items = new Map();
    /** @type {Map<string, string>} names of what is chosen, by id */
    this.picked = new Map();
    /** @type {(() => void)[]} */
    this.listeners = [];
    this.wanted = AT_ONCE;
    this.timer = 0;
    this.sendingList = make("ul.items", { hidden: true });
    this.list = make("ul.items", { id: "jobs" });
    this.none = make("p.faint", { hidden: true }, t("queue.none"));
    this.trouble = make("div", { id: "queue-trouble", role: "status" });
    this.more = make("button", { type: "button", hidden: true, onclick: () => this.showMore() }, t("queue.more"));
    this.pickedBar = make("div.picked", { hidden: true });
    fill(
      place,
      make("h1.unseen", { id: "home-title" }, t("brand")),
      dropZone((files, options) => this.take(files, options)),
      make("div.queue", {}, make("div.queue-head", {}, make("h2", { id: "queue-title" }, t("queue.title")), this.pickedBar), this.trouble, this.sendingList, this.list, this.none, this.more),
    );
    document.addEventListener("visibilitychange", () => this.restart());
  }

  /** @returns {{id: string, name: string}[]} the documents that are chosen for questions */
  chosen() {
    return [...this.picked].map(([id, name]) => ({ id, name }));
  }

  /** @param {() => void} listener called when other documents are chosen */
  onChosen(listener) {
    this.listeners.push(listener);
  }

  show() {
    this.place.hidden = false;
    document.title = t("brand");
    this.restart();
  }

  hide() {
    this.place.hidden = true;
    this.restart();
  }

  /** Asks for the list now, and regularly while it is visible. */
  restart() {
    clearTimeout(this.timer);
    if (!this.place.hidden && !document.hidden) this.refresh();
  }

  async refresh() {
    clearTimeout(this.timer);
    let wait = BUSY_MS;
    try {
      const jobs = await this.fetched();
      fill(this.trouble);
      this.showJobs(jobs);
      wait = jobs.some(isActive) ? BUSY_MS : IDLE_MS;
    } catch (error) {
      fill(this.trouble, make("div.note.bad", {}, problemParts(error)));
      if (!(error instanceof Problem)) throw error;
    }
    clearTimeout(this.timer);
    if (!this.place.hidden && !document.hidden) this.timer = setTimeout(() => this.refresh(), wait);
  }

  /** @returns {Promise<any[]>} the newest jobs, as many as are wanted */
  async fetched() {
    const jobs = [];
    let cursor = "";
    do {
      const reply = await getJson(`/v1/jobs?limit=${AT_ONCE}${cursor && `&after=${encodeURIComponent(cursor)}`}`);
      jobs.push(...reply.jobs);
      cursor = reply.next_cursor || "";
    } while (cursor && jobs.length < this.wanted);
    this.more.hidden = !cursor;
    return jobs;
  }

  showMore() {
    this.wanted += AT_ONCE;
    this.refresh();
  }

  /** @param {any[]} jobs */
  showJobs(jobs) {
    const ids = new Set(jobs.map((job) => job.id));
    for (const [id, item] of this.items) {
      if (ids.has(id)) continue;
      item.element.remove();
      this.items.delete(id);
      if (this.picked.delete(id)) this.tell();
    }
    jobs.forEach((job, index) => {
      let item = this.items.get(job.id);
      if (item) item.update(job);
      else {
        item = new JobItem(job, this.picked.has(job.id), { cancel: (each) => this.cancel(each), remove: (each) => this.remove(each), choose: (each, chosen) => this.choose(each, chosen) });
        this.items.set(job.id, item);
      }
      if (this.list.children[index] !== item.element) this.list.insertBefore(item.element, this.list.children[index] || null);
    });
    this.none.hidden = jobs.length > 0;
  }

  /** @param {any} job @param {boolean} chosen */
  choose(job, chosen) {
    if (chosen) this.picked.set(job.id, job.name);
    else this.picked.delete(job.id);
    this.tell();
  }

  tell() {
    const count = this.picked.size;
    this.pickedBar.hidden = !count;
    fill(this.pickedBar, make("span", {}, t("queue.chosen", { count })), make("button", { type: "button", onclick: () => showAsking(true) }, t("queue.chosen.ask")));
    for (const listener of this.listeners) listener();
  }

  /** @param {any} job */
  async cancel(job) {
    try {
      await request(`/v1/jobs/${job.id}`, { method: "DELETE" });
      note(t("job.was_cancelled", { name: job.name }));
    } catch (error) {
      showProblem(error, job.name);
    }
    this.refresh();
  }

  /** @param {any} job */
  async remove(job) {
    if (!(await confirmed(t("job.remove.sure", { name: job.name }), t("job.remove"), t("job.keep")))) return;
    try {
      await request(`/v1/jobs/${job.id}?remove=true`, { method: "DELETE" });
      note(t("job.removed", { name: job.name }));
    } catch (error) {
      showProblem(error, job.name);
    }
    await this.refresh();
    this.place.querySelector("button")?.focus();
  }

  /**
   * Sends files; a single one is opened.
   * @param {File[]} files
   * @param {Record<string, string>} options
   */
  take(files, options) {
    for (const file of files) {
      if (file.size) this.send(file, options, files.length === 1);
      else note(t("drop.empty", { name: file.name }));
    }
  }

  /** @param {File} file @param {Record<string, string>} options @param {boolean} open */
  send(file, options, open) {
    const sending = newSending(file, options);
    const forget = () => {
      sending.cancel();
      item.element.remove();
      this.sendingList.hidden = !this.sendingList.children.length;
    };
    const attempt = async () => {
      try {
        const job = await send(sending, () => item.update());
        forget();
        if (open && !this.place.hidden) goTo({ job: job.id });
        else this.refresh();
      } catch (error) {
        if (isAbort(error)) return;
        sending.error = error;
        item.update();
      }
    };
    const item = new SendingItem(sending, { forget, again: attempt });
    this.sendingList.append(item.element);
    this.sendingList.hidden = false;
    if (this.place.hidden) goTo({});
    attempt();
  }
}
