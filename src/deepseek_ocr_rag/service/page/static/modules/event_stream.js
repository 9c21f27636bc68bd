/** Reads server-sent events from a reply's body (HTML standard, 9.2.6). */

/** The service sends a heartbeat every 15 seconds; a connection that is silent for longer is dead.
*/
const SILENCE_MS = 45_000;

/**
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<{kind: string, id: string, data: any}>} data is parsed JSON
 */
export async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  const stop = () => reader.cancel().catch(() => {});
  let rest = "";
  let silence = 0;
  try {
    for (;;) {
      silence = setTimeout(stop, SILENCE_MS);
      const { value, done } = await reader.read();
      clearTimeout(silence);
      if (done) return;
      const parts = (rest + value).split("\n\n");
      rest = /** @type {string} */ (parts.pop());
      for (const part of parts) {
        const event = parsed(part);
        if (event) yield event;
      }
    }
  } finally {
    clearTimeout(silence);
    stop();
  }
}

/** @param {string} part @returns {{kind: string, id: string, data: any} | null} null for a comment */
function parsed(part) {
  let kind = "message";
  let id = "";
  let data = "";
  for (const line of part.split("\n")) {
    const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line) || [];
    if (name === "event") kind = value;
    else if (name === "id") id = value;
    else if (name === "data") data += value;
  }
  return data ? { kind, id, data: JSON.parse(data) } : null;
}
