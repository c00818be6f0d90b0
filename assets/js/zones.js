// Times in the view's one zone: the page's (a job's), else the account's, else the browser's; and the zone names that an
// input offers.

export const CLOCK = { hour: "2-digit", minute: "2-digit" };
export const DAY = { day: "numeric", month: "short" };
const EVERYTHING = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" };
const usable = new Map();

/** Whether this browser knows the zone: its list may be older than the server's. */
export const isUsable = (zone) => {
  if (!usable.has(zone)) {
    try { Intl.DateTimeFormat("en-GB", { timeZone: zone }); usable.set(zone, true); } catch { usable.set(zone, false); }
  }
  return usable.get(zone);
};

const zoneOf = (zone) => (zone && isUsable(zone) ? zone : undefined);
const dataset = () => document.querySelector(".app")?.dataset ?? {};

/** The account's zone; undefined, which Intl takes for the browser's, where it has none or one unknown here. */
export const ownZone = () => zoneOf(dataset().zone);

/** The zone of all times of the page. */
const viewZone = () => zoneOf(dataset().viewZone) ?? ownZone();

export const viewZoneName = () => viewZone() || Intl.DateTimeFormat().resolvedOptions().timeZone;

export const format = (at, options, timeZone = viewZone()) => at.toLocaleString("en-GB", { timeZone, ...options });
export const clock = (at) => format(at, CLOCK);
export const clockWithSeconds = (at) => format(at, { ...CLOCK, second: "2-digit" });
const isToday = (at) => format(at, { dateStyle: "short" }) === format(new Date(), { dateStyle: "short" });
/** To the minute, with the date when it is not today. */
export const shortTime = (at) => format(at, isToday(at) ? CLOCK : { ...DAY, ...CLOCK });

/** The time in the page's and the account's zone, the browser's, UTC and `zone`: one line each, none twice. */
export const inZones = (at, zone) => {
  const lines = new Map([viewZone(), ownZone()].filter(Boolean).map((each) => [each, each]));
  lines.set(undefined, "here");
  lines.set("UTC", "UTC");
  if (zone && isUsable(zone)) lines.set(zone, zone);
  return [...lines].map(([timeZone, name]) => `${at.toLocaleString("en-GB", { timeZone, ...EVERYTHING })} ${name}`).join("\n");
};

// From the browser's own data: the page need not carry six hundred names.
addEventListener("focusin", (event) => {
  const list = document.getElementById(event.target.dataset?.zones ?? "");
  if (!list || list.firstChild || !Intl.supportedValuesOf) return;
  list.append(...["UTC", ...Intl.supportedValuesOf("timeZone")].map((zone) => new Option("", zone)));
});
