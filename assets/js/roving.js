// Strips and charts are one Tab stop; arrow keys move between their cells.
import { around, withModifier } from "./dom.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

addEventListener("keydown", (event) => {
  const group = around(event, "[data-rove]"), step = STEPS[event.key];
  if (!group || !step || withModifier(event)) return;
  event.preventDefault();
  const cells = [...group.children], here = cells.indexOf(event.target);
  const from = here >= 0 ? here : step < 0 ? cells.length : -1;
  cells[Math.max(0, Math.min(cells.length - 1, from + step))]?.focus();
});
