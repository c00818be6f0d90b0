// The tab's title and icon: `(3) nightly-backup · Crontopus` with the number of open incidents; the icon changes its
// colour and its shape while there are some.
import { onChange } from "./dom.js";

const LOOK_MS = 1000, SITE = "Crontopus", ICONS = { calm: "/favicon.svg", open: "/favicon-open.svg" };

/** The page's heading without its muted first part, such as the folder of a job. */
const nameOf = (heading) => {
  const copy = heading.cloneNode(true);
  copy.querySelectorAll(".muted").forEach((part) => part.remove());
  return copy.textContent.trim();
};

const update = () => {
  const app = document.querySelector(".app"), heading = app?.querySelector("h1");
  if (!heading) return;
  const count = Number(app.dataset.incidents) || 0, name = nameOf(heading);
  const title = `${count ? `(${count}) ` : ""}${name ? `${name} · ` : ""}${SITE}`;
  if (document.title !== title) document.title = title;
  const icon = document.querySelector("link[rel=icon]"), href = count ? ICONS.open : ICONS.calm;
  if (icon && icon.getAttribute("href") !== href) icon.setAttribute("href", href);
};

setInterval(update, LOOK_MS);
onChange(update, "data-incidents");
update();
