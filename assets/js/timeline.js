// Moves the 24-hour chart on from the time it was drawn for, without the server. Examples stand still.
import { inNextFrame, onChange } from "./dom.js";

const DAY_MS = 86_400_000;

/** --drift is in percent of a day. */
const move = (day) => {
  const now = new Date(), drawn = new Date(day.dataset.drawn);
  if (isNaN(drawn)) return;
  day.style.setProperty("--drift", `${((now - drawn) / DAY_MS * 100).toFixed(4)}%`);
  const time = day.querySelector("time[data-time=now]");
  if (time) time.dateTime = now.toISOString();
};

const moveAll = () => document.querySelectorAll(".timeline[data-drawn]:not([data-still] *)").forEach(move);

const soon = inNextFrame(moveAll);
setInterval(moveAll, 2000);
addEventListener("visibilitychange", moveAll);
onChange(soon, "data-drawn");
soon();
