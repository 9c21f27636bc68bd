/** One file in the list that is on its way to the service. */

import { fill, make } from "../dom.js";
import { problemParts } from "../messages.js";
import { t } from "../texts.js";

export class SendingItem {
  /**
   * @param {import("./uploads.js").Sending} sending
   * @param {{again: () => void, forget: () => void}} actions
   */
  constructor(sending, actions) {
    this.sending = sending;
    const name = sending.file.name;
    this.badge = make("span.badge");
    this.bar = make("progress", { max: 1, "aria-label": t("job.progress", { name }) });
    this.error = make("div.item-error", { hidden: true });
    this.again = make("button", { type: "button", onclick: actions.again }, t("job.retry"));
    this.forget = make("button.quiet", { type: "button", "aria-label": t("job.cancel.name", { name }), onclick: actions.forget }, t("job.cancel"));
    this.element = make(
      "li.item.sending",
      {},
      make("span.item-gap"),
      make("div.item-main", {}, make("span.item-name", {}, make("bdi", {}, name)), make("div.item-facts", {}, this.badge), this.bar, this.error),
      make("div.item-buttons", {}, this.again, this.forget),
    );
    this.update();
  }

  update() {
    const { error, progress } = this.sending;
    this.badge.textContent = error ? t("job.unsent") : t("job.uploading");
    this.badge.className = `badge ${error ? "bad" : "busy"}`;
    this.bar.hidden = !!error;
    this.bar.value = progress;
    this.again.hidden = !error;
    this.error.hidden = !error;
    if (error) fill(this.error, problemParts(error));
  }
}
