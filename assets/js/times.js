// Times on the page: <time data-time=KIND datetime=…> shows a text kept current, and the time in three zones as a hint.
import { inNextFrame, onChange, writeText } from "./dom.js";
import { roughly } from "./durations.js";
import { CLOCK, DAY, clock, format, inZones, isUsable, ownZone, shortTime, viewZoneName } from "./zones.js";

const HOUR = 3600, EXACT = { ...DAY, ...CLOCK, second: "2-digit" };

const secondsTo = (at) => (at - Date.now()) / 1000;

/** Beyond an hour in whole hours or days, and with the time itself. */
const relative = (at) => {
  const left = secondsTo(at), far = Math.abs(left) >= HOUR, whole = far ? Math.abs(left) - (Math.abs(left) % HOUR) : Math.abs(left);
  const words = left > 0 ? `in ${roughly(whole)}` : -left < 5 ? "just now" : `${roughly(whole)} ago`;
  return far ? `${words} · ${shortTime(at)}` : words;
};

/** The viewer's time beside that of `zone`: empty if both clocks agree, with the date if that differs. */
const yours = (at, zone) => {
  const here = (options) => format(at, options, ownZone());
  const there = (options) => format(at, options, zone && isUsable(zone) ? zone : undefined);
  const sameDay = here(DAY) === there(DAY);
  if (zone && sameDay && here(CLOCK) === there(CLOCK)) return "";
  return `${sameDay ? "" : `${here(DAY)}, `}${here(CLOCK)} your time`;
};

const WORDS = {
  now: clock,
  clock,
  day: (at) => format(at, { weekday: "short", ...DAY }),
  short: shortTime,
  exact: (at) => format(at, EXACT),
  zoned: (at) => `${format(at, EXACT)} ${viewZoneName()}`,
  since: (at) => roughly(Math.max(0, -secondsTo(at))),
  yours,
  text: null, // the server's own text stays
};

/** hints.js shows data-tip on hover and focus. A time in a link is reached through it; in a table it is no Tab stop. */
const addHint = (element, at) => {
  const hint = inZones(at, element.dataset.zone);
  if (element.dataset.tip !== hint) element.dataset.tip = hint;
  if (element.tabIndex < 0 && !element.closest("a,button,summary,td")) element.tabIndex = 0;
};

const update = (element) => {
  const at = new Date(element.dateTime), kind = element.dataset.time;
  if (isNaN(at)) return;
  const words = kind in WORDS ? WORDS[kind] : relative;
  if (words) writeText(element, words(at, element.dataset.zone));
  if (kind !== "now") addHint(element, at);
};

const updateAll = () => {
  document.querySelectorAll("time[data-time]").forEach(update);
  const zone = viewZoneName();
  document.querySelectorAll("[data-own-zone]").forEach((element) => writeText(element, zone));
};

const soon = inNextFrame(updateAll);
setInterval(updateAll, 1000);
onChange(soon, "datetime", "data-zone", "data-view-zone");
soon();
