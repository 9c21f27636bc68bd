/** Sends files, a few at a time, with their progress. */

import { Problem, keyHeaders, needKey } from "../api.js";

const AT_ONCE = 2;

/**
 * @typedef {object} Sending a file on its way
 * @property {File} file
 * @property {string} id the same when it is sent again, so that it becomes one job
 * @property {Record<string, string>} options
 * @property {number} progress 0 to 1
 * @property {unknown} error why it did not arrive, or null
 * @property {() => void} cancel
 */

/** @type {(() => Promise<void>)[]} */
const waiting = [];
let running = 0;

/**
 * Makes a file ready to be sent.
 * @param {File} file
 * @param {Record<string, string>} options of the job: pages, password, resolution
 * @returns {Sending}
 */
export function newSending(file, options) {
  const id = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return { file, id, options, progress: 0, error: null, cancel: () => {} };
}

/**
 * Sends a file as soon as there is a free slot.
 * @param {Sending} sending
 * @param {() => void} onProgress
 * @returns {Promise<any>} the job
 * @throws {Problem}
 */
export function send(sending, onProgress) {
  sending.error = null;
  return new Promise((resolve, reject) => {
    let cancelled = false;
    sending.cancel = () => {
      cancelled = true;
      reject(new DOMException("cancelled", "AbortError"));
    };
    waiting.push(async () => {
      if (!cancelled) await exchange(sending, onProgress).then(resolve, reject);
    });
    startNext();
  });
}

function startNext() {
  if (running >= AT_ONCE) return;
  const next = waiting.shift();
  if (!next) return;
  running += 1;
  next().finally(() => {
    running -= 1;
    startNext();
  });
}

/** @param {Sending} sending @param {() => void} onProgress @returns {Promise<any>} */
async function exchange(sending, onProgress) {
  for (;;) {
    const shown = keyHeaders();
    const reply = await posted(sending, shown, onProgress);
    if (reply.status === 202) return JSON.parse(reply.responseText);
    if (reply.status !== 401) throw problemOf(reply);
    if (shown["X-Api-Key"] === keyHeaders()["X-Api-Key"]) await needKey();
  }
}

/**
 * fetch() does not say how much of a body has been sent.
 * @param {Sending} sending
 * @param {Record<string, string>} headers
 * @param {() => void} onProgress
 * @returns {Promise<XMLHttpRequest>}
 */
function posted(sending, headers, onProgress) {
  return new Promise((resolve, reject) => {
    const form = new FormData();
    for (const [name, value] of Object.entries(sending.options)) if (value) form.append(name, value);
    form.append("file", sending.file, sending.file.name.slice(0, 200) || "document");
    const sender = new XMLHttpRequest();
    sender.open("POST", "/v1/jobs");
    for (const [name, value] of Object.entries({ ...headers, "Idempotency-Key": sending.id })) sender.setRequestHeader(name, value);
    sender.upload.addEventListener("progress", (event) => {
      sending.progress = event.total ? event.loaded / event.total : 0;
      onProgress();
    });
    sender.addEventListener("load", () => resolve(sender));
    sender.addEventListener("error", () => reject(new Problem(0)));
    sender.addEventListener("abort", () => reject(new DOMException("cancelled", "AbortError")));
    sending.cancel = () => sender.abort();
    sender.send(form);
  });
}

/** @param {XMLHttpRequest} reply @returns {Problem} */
function problemOf(reply) {
  try {
    return new Problem(reply.status, JSON.parse(reply.responseText));
  } catch {
    return new Problem(reply.status);
  }
}
