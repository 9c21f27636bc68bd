/** Talks to the service: JSON, pictures, events, problems, and the key where one is needed. */

import { readEvents } from "./event_stream.js";

const KEY = "dsocr.key";

/** A problem that the service reported (RFC 9457), or a failed connection. */
export class Problem extends Error {
  /**
   * @param {number} status 0 if there was no reply
   * @param {{detail?: string, remedy?: string, error?: string, page?: number}} [members]
   * @param {number} [retryAfter] seconds
   */
  constructor(status, members = {}, retryAfter = 0) {
    super(members.detail || `status ${status}`);
    this.status = status;
    this.detail = members.detail || "";
    this.remedy = members.remedy || "";
    /** Class of the error in deepseek_ocr_rag.errors, or "". */
    this.error = members.error || "";
    this.retryAfter = retryAfter;
  }
}

/** @type {() => Promise<string>} asks the person for the key */
let askForKey = async () => {
  throw new Problem(401);
};
/** @type {Promise<string> | null} */
let asked = null;

/** @param {() => Promise<string>} ask shows a dialog; called once, however many requests wait */
export function onKeyNeeded(ask) {
  askForKey = ask;
}

/** @returns {Record<string, string>} the headers that show the key */
export function keyHeaders() {
  const key = sessionStorage.getItem(KEY);
  return key ? { "X-Api-Key": key } : {};
}

/** Asks for the key, and keeps it until the tab is closed. */
export async function needKey() {
  asked ??= askForKey().finally(() => (asked = null));
  sessionStorage.setItem(KEY, await asked);
}

/**
 * Sends a request; asks for the key if the service wants one.
 * @param {string} path
 * @param {RequestInit & {json?: unknown}} [options] json becomes the body
 * @returns {Promise<Response>} a reply with a status of success
 * @throws {Problem} or an AbortError
 */
export async function request(path, { json, ...options } = {}) {
  const headers = { ...(json === undefined ? {} : { "Content-Type": "application/json" }), ...options.headers };
  const body = json === undefined ? options.body : JSON.stringify(json);
  for (;;) {
    const shown = keyHeaders();
    let reply;
    try {
      reply = await fetch(path, { ...options, body, headers: { ...headers, ...shown } });
    } catch (error) {
      if (/** @type {Error} */ (error).name === "AbortError") throw error;
      throw new Problem(0);
    }
    if (reply.ok) return reply;
    if (reply.status !== 401) throw await problemOf(reply);
    // Another request may have brought the key while this one was under way.
    if (shown["X-Api-Key"] === keyHeaders()["X-Api-Key"]) await needKey();
  }
}

/**
 * @param {string} path
 * @param {RequestInit & {json?: unknown}} [options]
 * @returns {Promise<any>} the JSON of the reply
 */
export async function getJson(path, options) {
  return (await request(path, options)).json();
}

/**
 * Events as they come, until the service or a silent connection ends them.
 * @param {string} path
 * @param {RequestInit & {json?: unknown, lastId?: string}} [options] lastId: go on after this event
 * @returns {AsyncGenerator<{kind: string, id: string, data: any}>}
 */
export async function* events(path, { lastId, headers, ...options } = {}) {
  const reply = await request(path, {
    ...options,
    headers: { Accept: "text/event-stream", ...(lastId ? { "Last-Event-ID": lastId } : {}), ...headers },
  });
  try {
    yield* readEvents(/** @type {ReadableStream<Uint8Array>} */ (reply.body));
  } catch (error) {
    // A connection that breaks in the middle of a body is a TypeError.
    throw error instanceof TypeError ? new Problem(0) : error;
  }
}

/** @param {Response} reply @returns {Promise<Problem>} */
export async function problemOf(reply) {
  let members = {};
  try {
    members = await reply.json();
  } catch {
    // Perhaps a proxy's page; the status is enough.
  }
  return new Problem(reply.status, members, Number(reply.headers.get("Retry-After")) || 0);
}
