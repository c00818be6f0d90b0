// Hints: shows data-tip of the element under the pointer or with the focus.
import { around, byId, make } from "./dom.js";

const MARGIN = 6, EDGE = 8;
let holder = null;

const box = () => byId("hint") || document.body.appendChild(make("div", { id: "hint", role: "tooltip" }));

const hide = () => {
  if (!holder) return;
  holder.removeAttribute("aria-describedby");
  holder = null;
  box().hidden = true;
};

/** Below the element, above it if there is no room, and inside the window. */
const place = (hint, target) => {
  const at = target.getBoundingClientRect(), own = hint.getBoundingClientRect();
  const below = at.bottom + MARGIN + own.height < innerHeight;
  hint.style.top = `${below ? at.bottom + MARGIN : at.top - own.height - MARGIN}px`;
  hint.style.left = `${Math.max(EDGE, Math.min(at.left, innerWidth - own.width - EDGE))}px`;
};

const show = (target, described) => {
  hide();
  const hint = box();
  holder = described;
  hint.textContent = target.dataset.tip;
  hint.hidden = false;
  described.setAttribute("aria-describedby", "hint");
  place(hint, target);
};

addEventListener("pointerover", (event) => {
  const target = around(event, "[data-tip]");
  if (target?.dataset.tip) show(target, target);
  else if (holder !== document.activeElement) hide();
});
addEventListener("focusin", (event) => {
  const element = event.target;
  const target = around(event, "[data-tip]") || (element.matches("a") && element.querySelector("[data-tip]"));
  if (target && target.dataset.tip && element.matches(":focus-visible")) show(target, element); else hide();
});
addEventListener("focusout", hide);
addEventListener("scroll", hide, true);
addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
