// The runs of a lane: ended ones from data-runs, which ui/kit/day_chart.py writes, then running ones. `left` and `wide`
// are minutes of the drawn day, whose middle is the time it was drawn for.
import { precisely } from "./durations.js";
import { clockWithSeconds } from "./zones.js";

const HALF_DAY = 720, MINUTE_MS = 60_000;

export const dayOf = (lane) => lane.closest(".timeline");
const drawnAt = (lane) => new Date(dayOf(lane).dataset.drawn).getTime();

/** A run's id from its bytes in URL-safe base64. */
export const uuid = (short) => {
  const bytes = [...atob(short.replace(/-/g, "+").replace(/_/g, "/"))];
  const digits = bytes.map((byte) => byte.charCodeAt(0).toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
};

const ended = (lane) => {
  if (!lane.dataset.runs) return [];
  const hosts = lane.dataset.hosts.split("\n");
  return lane.dataset.runs.split("\n").map((row) => {
    const [left, wide, status, host, seconds, id] = row.split(",");
    const began = clockWithSeconds(new Date(drawnAt(lane) + (left - HALF_DAY) * MINUTE_MS));
    const words = `${lane.dataset.name} · ${status} on ${hosts[host] || "no host"} · ${precisely(+seconds)} · started ${began}`;
    return { left: +left, wide: +wide, id: uuid(id), words };
  });
};

const goingOn = (lane) => [...dayOf(lane).querySelectorAll(".going")].filter((bar) => bar.dataset.key === lane.dataset.key).map((bar) => {
  const since = new Date(bar.dataset.since);
  return {
    left: HALF_DAY + (since - drawnAt(lane)) / MINUTE_MS,
    wide: (Date.now() - since) / MINUTE_MS,
    id: bar.dataset.run,
    words: `${bar.dataset.label} since ${clockWithSeconds(since)}`,
  };
});

/** Newest last. */
export const runsOf = (lane) => [...ended(lane), ...goingOn(lane)];
