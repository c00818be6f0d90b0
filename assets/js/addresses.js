// Addresses of this site: the present one, the one to open after sign-in, and changing pages.
import { forget, remember, remembered } from "./dom.js";

const HASH = "crontopus-hash";

/** Changes pages by React Router, without a reload; until it is loaded, by the browser. */
export const go = (path) => {
  const router = window.__reactRouterDataRouter;
  if (router) router.navigate(path); else location.assign(path);
};

/** Loads the page as a new visitor: with a new Reflex client token. */
export const leaveTo = (path) => {
  forget("sessionStorage", "token");
  location.assign(path);
};

export const here = () => (location.pathname.replace(/\/+$/, "") || "/") + location.search;

/** The URL if it is of this origin, else the first page. Parsed as the browser does: it drops tabs and reads \ as /. */
export const within = (next) => {
  const first = new URL(location.origin);
  try {
    const url = new URL(next, location.origin);
    return url.origin === location.origin ? url : first;
  } catch { return first; }
};

const rememberedHash = (path) => {
  try {
    const [page, hash] = JSON.parse(remembered("sessionStorage", HASH) || "[]");
    return page === path ? hash : "";
  } catch { return ""; }
};

/** Where `?next=` leads, with the part after # that it had: that never reaches the server, so the browser stores it. */
export const destination = () => {
  const url = within(new URLSearchParams(location.search).get("next") || "/");
  url.hash ||= rememberedHash(url.pathname + url.search);
  return url.href;
};

if (location.hash) remember("sessionStorage", HASH, JSON.stringify([here(), location.hash]));
window.crontopusWithin = (next) => within(next).href;
