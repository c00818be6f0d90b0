// The live mark: the server sends something at least every two seconds. Silence, whatever its cause (server stopped,
// cable out, laptop asleep), is shown. The script in the page's head (ui/theme.py) notes the time of the last message.
import { writeText } from "./dom.js";
import { clockWithSeconds } from "./zones.js";

const SILENCE_MS = 4000, OPEN = 1;

const isSilent = (heard) => !navigator.onLine || Date.now() - heard > SILENCE_MS;

/** Whether what is sent now reaches the server now: the websocket is open and the server was heard lately. */
export const isLive = () => window.crontopusSocket?.readyState === OPEN && !isSilent(window.crontopusHeard);

const update = () => {
  const heard = window.crontopusHeard, root = document.documentElement;
  if (!heard) return;
  const lost = isSilent(heard);
  if (lost === (root.dataset.link === "lost")) return;
  if (!lost) { delete root.dataset.link; return; }
  document.querySelectorAll("[data-heard]").forEach((element) => writeText(element, clockWithSeconds(new Date(heard))));
  root.dataset.link = "lost";
  dispatchEvent(new Event("crontopus-lost"));
};

setInterval(update, 500);
for (const kind of ["offline", "online", "focus", "pageshow", "visibilitychange", "crontopus-heard"]) addEventListener(kind, update);
