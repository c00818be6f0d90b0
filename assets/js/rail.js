// On a phone the rail is a scrolling bar: the current page's link is scrolled into view.
import { inNextFrame, onChange } from "./dom.js";

let shown = "";

const scrollToPresent = () => {
  const link = document.querySelector(".rail a.on");
  if (!link || link.href === shown) return;
  shown = link.href;
  const rail = link.closest(".rail");
  rail.scrollLeft = link.offsetLeft - (rail.clientWidth - link.offsetWidth) / 2;
};

const soon = inNextFrame(scrollToPresent);
onChange(soon);
soon();
