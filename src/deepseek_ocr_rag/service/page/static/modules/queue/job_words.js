/** What a job is doing, in words. */

import { counted, language, t } from "../texts.js";

/** @param {any} job @returns {boolean} whether it waits or is being read */
export function isActive(job) {
  return job.status === "queued" || job.status === "running";
}

/** @param {any} job @returns {string} how its badge is coloured */
export function tone(job) {
  return { succeeded: "good", partial: "warn", failed: "bad", running: "busy" }[/** @type {string} */ (job.status)] || "";
}

/** @param {any} job @returns {string[]} its place in the queue, pages and time left */
export function facts(job) {
  const found = [];
  if (job.status === "queued" && job.queue_position) {
    found.push(job.queue_position === 1 ? t("job.next") : t("job.position", { position: number(job.queue_position) }));
  }
  if (job.pages_total && job.pages_done < job.pages_total) {
    found.push(t("job.pages_of", { done: number(job.pages_done), total: number(job.pages_total) }));
  } else if (job.pages_done) found.push(counted("job.pages", job.pages_done));
  if (isActive(job) && job.eta_s !== null) found.push(timeLeft(job.eta_s));
  return found;
}

/** @param {number} seconds @returns {string} */
export function timeLeft(seconds) {
  if (seconds < 10) return t("left.soon");
  if (seconds < 55) return counted("left.seconds", Math.round(seconds / 10) * 10);
  if (seconds < 55 * 60) return counted("left.minutes", Math.max(1, Math.round(seconds / 60)));
  return counted("left.hours", Math.max(1, Math.round(seconds / 3600)));
}

/** @param {number} value */
function number(value) {
  return value.toLocaleString(language);
}
