// Lanes of the 24-hour chart: a tooltip for the run under the pointer or focus; a click or Enter opens it. Arrow keys
// move between the runs of the focused lane, up and down between lanes.
import { go } from "./addresses.js";
import { around, byId, make, withModifier } from "./dom.js";
import { dayOf, runsOf } from "./lane-runs.js";

const DAY_MINUTES = 1440, NEAR_MINUTES = 8;
let chosen = null; // { lane, place } of the run that keys have reached

const hideTip = () => { const tip = byId("tip"); if (tip) tip.style.display = "none"; };

const showTip = (words, x, y) => {
  const tip = byId("tip") || document.body.appendChild(make("div", { id: "tip" }));
  tip.textContent = words;
  const left = Math.max(8, Math.min(x + 12, innerWidth - 340)), top = Math.min(y + 14, innerHeight - 40);
  Object.assign(tip.style, { display: "block", left: `${left}px`, top: `${top}px` });
};

const leave = () => { chosen = null; hideTip(); };

const open = (run) => { leave(); go(`/runs/${run.id}`); };

/** Minutes since the chart was drawn (timeline.js). */
const drift = (lane) => parseFloat(dayOf(lane).style.getPropertyValue("--drift") || "0") / 100 * DAY_MINUTES;

/** The run at or near the pointer; the newest of overlapping ones. */
const runAt = (event) => {
  const lane = around(event, ".lane");
  if (!lane) return null;
  const box = lane.getBoundingClientRect(), minute = (event.clientX - box.left) / box.width * DAY_MINUTES + drift(lane);
  let best = null, least = NEAR_MINUTES;
  for (const run of runsOf(lane)) {
    const far = Math.max(run.left - minute, minute - run.left - run.wide, 0);
    if (far < NEAR_MINUTES && far <= least) { best = run; least = far; }
  }
  return best;
};

const choose = (lane, place) => {
  const run = runsOf(lane)[place];
  if (!run) return;
  chosen = { lane, place };
  const box = lane.getBoundingClientRect(), middle = run.left + run.wide / 2 - drift(lane);
  showTip(run.words, box.left + middle / DAY_MINUTES * box.width, box.top + 10);
  const status = byId("told");
  if (status) status.textContent = run.words;
};

const neighbour = (lane, step) => {
  const lanes = [...dayOf(lane).querySelectorAll(".lane")];
  return lanes[lanes.indexOf(lane) + step];
};

/** Effects of keys on a lane, given its runs and the current index. */
const KEYS = {
  ArrowLeft: (lane, runs, place) => choose(lane, Math.max(0, place - 1)),
  ArrowRight: (lane, runs, place) => choose(lane, Math.min(runs.length - 1, place + 1)),
  Home: (lane) => choose(lane, 0),
  End: (lane, runs) => choose(lane, runs.length - 1),
  ArrowUp: (lane) => neighbour(lane, -1)?.focus(),
  ArrowDown: (lane) => neighbour(lane, 1)?.focus(),
  Enter: (lane, runs, place) => { if (runs[place]) open(runs[place]); },
  Escape: leave,
};

addEventListener("mousemove", (event) => {
  const run = runAt(event);
  if (run) showTip(run.words, event.clientX, event.clientY); else if (!chosen) hideTip();
});
addEventListener("click", (event) => {
  const run = runAt(event);
  if (run) open(run);
});
addEventListener("focusin", (event) => {
  leave();
  if (event.target.matches(".lane:focus-visible")) choose(event.target, runsOf(event.target).length - 1);
});
addEventListener("focusout", leave);
addEventListener("keydown", (event) => {
  const lane = event.target, act = KEYS[event.key];
  if (!act || !lane.matches?.(".lane") || withModifier(event)) return;
  event.preventDefault();
  const runs = runsOf(lane);
  act(lane, runs, chosen?.lane === lane ? Math.min(chosen.place, runs.length - 1) : runs.length);
});
