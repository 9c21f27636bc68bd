/** Starts the page: creates its parts, and shows what the address names. */

import { currentPlace, onPlace } from "./address.js";
import { onKeyNeeded } from "./api.js";
import { mountAsking } from "./asking/asking.js";
import { startCorrecting } from "./correcting/correcting.js";
import { byId } from "./dom.js";
import { buildBar } from "./frame.js";
import { askForKey } from "./key_dialog.js";
import { QueueView } from "./queue/queue_view.js";
import { Reader } from "./reading/reader.js";
import { translateShell } from "./texts.js";

/**
 * @typedef {object} Context what the parts know of each other
 * @property {QueueView} queue
 * @property {Reader} reader
 */

translateShell();
buildBar();
onKeyNeeded(askForKey);
/** @type {Context} */
const context = { queue: new QueueView(byId("home")), reader: new Reader(byId("document")) };
mountAsking(byId("asking"), context);
startCorrecting(context);

/** @param {import("./address.js").Place} place */
function show(place) {
  const [shown, other] = place.job ? [context.reader, context.queue] : [context.queue, context.reader];
  other.hide();
  document.body.dataset.view = place.job ? "document" : "home";
  shown.show(place);
}

onPlace(show);
show(currentPlace());
