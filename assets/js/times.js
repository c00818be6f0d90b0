// Times on the page: <time data-time=KIND datetime=…> says when in words that move on, and in three zones as a hint.
import { inNextFrame, onChange, writeText } from "./dom.js";
import { roughly } from "./durations.js";
import { inZones, ownZone, ownZoneName } from "./zones.js";

const CLOCK = { hour: "2-digit", minute: "2-digit" };
const DAY = { day: "numeric", month: "short" };

const format = (at, options) => at.toLocaleString("en-GB", { timeZone: ownZone(), ...options });
const clock = (at) => format(at, CLOCK);
const isToday = (at) => format(at, { dateStyle: "short" }) === format(new Date(), { dateStyle: "short" });
const secondsTo = (at) => (at - Date.now()) / 1000;

const relative = (at) => {
  const left = secondsTo(at);
  if (left > 0) return `in ${roughly(left)}`;
  return -left < 5 ? "just now" : `${roughly(-left)} ago`;
};

const WORDS = {
  now: clock,
  clock,
  day: (at) => format(at, { weekday: "short", ...DAY }),
  short: (at) => format(at, isToday(at) ? CLOCK : { ...DAY, ...CLOCK }),
  exact: (at) => format(at, { ...DAY, ...CLOCK, second: "2-digit" }),
  since: (at) => roughly(Math.max(0, -secondsTo(at))),
  text: null, // the server's own text stays
};

/** hints.js shows data-tip on hover and on focus; a time within a link is reached with the link. */
const addHint = (element, at) => {
  const hint = inZones(at, element.dataset.zone);
  if (element.dataset.tip !== hint) element.dataset.tip = hint;
  if (element.tabIndex < 0 && !element.closest("a,button,summary")) element.tabIndex = 0;
};

const update = (element) => {
  const at = new Date(element.dateTime), kind = element.dataset.time;
  if (isNaN(at)) return;
  const words = kind in WORDS ? WORDS[kind] : relative;
  if (words) writeText(element, words(at));
  if (kind !== "now") addHint(element, at);
};

const updateAll = () => {
  document.querySelectorAll("time[data-time]").forEach(update);
  const zone = ownZoneName();
  document.querySelectorAll("[data-own-zone]").forEach((element) => writeText(element, zone));
};

const soon = inNextFrame(updateAll);
setInterval(updateAll, 1000);
onChange(soon, "datetime", "data-zone");
soon();
