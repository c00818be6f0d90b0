// Acts (pause, delete, save …) are sent only while the page is live. Reflex would queue one that is clicked while the
// connection is lost and send it when it is back, perhaps much later: such clicks and forms are refused instead.
import { around } from "./dom.js";
import { isLive } from "./connection.js";
import { say } from "./toasts.js";

// What works in the browser alone, or answers for itself (sign-in and sign-out).
const LOCAL_BUTTONS = "[data-act],[data-open],[data-close],[data-copy],[data-copy-from],[data-ed-go],[data-find-step],[data-local],form[data-door] *,form[action] *";
const LOCAL_FORMS = "[data-door],[action],[data-edit-port=sent]";
const NOT_SENT = "Not sent: the server cannot be reached. Repeat it when the page is live again.";
const UNSURE = "The connection was lost right after your last action. Check whether it was carried out.";

let sentAt = 0;

const guard = (event, target, local) => {
  if (!target || target.matches(local)) return;
  if (isLive()) { sentAt = Date.now(); return; }
  event.preventDefault();
  event.stopImmediatePropagation();
  say({ text: NOT_SENT, state: "late" });
};

addEventListener("click", (event) => guard(event, around(event, "button"), LOCAL_BUTTONS), true);
addEventListener("submit", (event) => guard(event, event.target, LOCAL_FORMS), true);
addEventListener("crontopus-lost", () => {
  if (sentAt >= window.crontopusHeard) say({ text: UNSURE, state: "failed" });
  sentAt = 0;
});
