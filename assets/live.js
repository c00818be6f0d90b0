// What keeps a page honest and its day moving, without asking the server: the link's pulse, the timeline. No framework.
(() => {
  const root = document.documentElement;

  // The server speaks at least every two seconds. Silence, however it came (server stopped, cable out, laptop asleep),
  // is said by the mark; theme.py's early script notes when the server was heard last.
  const SILENCE = 4000;
  const clock = (at) => at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const pulse = () => {
    const heard = window.crontopusHeard;
    if (!heard) return;
    const lost = !navigator.onLine || Date.now() - heard > SILENCE;
    if (lost === (root.dataset.link === "lost")) return;
    if (lost) {
      document.querySelectorAll("[data-heard]").forEach((e) => { e.firstChild.nodeValue = clock(new Date(heard)); });
      root.dataset.link = "lost";
    } else delete root.dataset.link;
  };
  setInterval(pulse, 500);
  for (const kind of ["offline", "online", "focus", "pageshow"]) addEventListener(kind, pulse);
  addEventListener("crontopus-heard", pulse);

  // The day moves on from the moment it was drawn for: --drift is percent of a day. An example's stands still.
  const drift = () => document.querySelectorAll(".timeline[data-drawn]:not([data-still] *)").forEach((e) => {
    const now = new Date(), at = new Date(e.dataset.drawn);
    if (isNaN(at)) return;
    e.style.setProperty("--drift", `${((now - at) / 864000).toFixed(4)}%`);
    const time = e.querySelector("time[data-time=now]");
    if (time) time.dateTime = now.toISOString();
  });
  setInterval(drift, 2000);
  addEventListener("visibilitychange", () => { pulse(); drift(); });
  const begin = () => {
    let waiting = false;
    const soon = () => { if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; drift(); }); } };
    new MutationObserver(soon).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-drawn"] });
    soon();
  };
  document.readyState === "loading" ? addEventListener("DOMContentLoaded", begin) : begin();

  // A lane's runs, newest last: where (minutes of the drawn day), how long, what to say, which.
  const hex = (short) => [...atob(short.replace(/-/g, "+").replace(/_/g, "/"))].map((c) => c.charCodeAt(0).toString(16).padStart(2, "0")).join("").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  const span = (s) => s < 10 ? `${s.toFixed(1)} s` : s < 60 ? `${Math.round(s)} s` : s < 3600 ? `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s` : `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
  const settled = (lane) => lane.dataset.runs ? lane.dataset.runs.split("\n").map((row) => {
    const [left, wide, status, host, seconds, id] = row.split(",");
    const where = lane.dataset.hosts.split("\n")[+host] || "no host";
    return { left: +left, wide: +wide, id, words: `${lane.dataset.name} · ${status} on ${where} · took ${span(+seconds)}` };
  }) : [];
  const day = (lane) => lane.closest(".timeline");
  const moment = (lane, minutes) => clock(new Date(new Date(day(lane).dataset.drawn).getTime() + (minutes - 720) * 60000));
  const going = (lane) => [...day(lane).querySelectorAll(".going")].filter((e) => e.dataset.key === lane.dataset.key).map((e) => {
    const begun = new Date(e.dataset.since), left = 720 + (begun - new Date(day(lane).dataset.drawn)) / 60000;
    return { left, wide: (Date.now() - begun) / 60000, run: e.dataset.run, words: `${e.dataset.label} since ${clock(begun)}` };
  });
  const runs = (lane) => [...settled(lane), ...going(lane)];
  const words = (lane, run) => run.run ? run.words : `${run.words} · began ${moment(lane, run.left)}`;
  const open = (run) => {
    const router = window.__reactRouterDataRouter, to = `/runs/${run.run || hex(run.id)}`;
    leave();
    router ? router.navigate(to) : location.assign(to);
  };
  const drifted = (lane) => parseFloat(day(lane).style.getPropertyValue("--drift") || "0") * 14.4;

  const tip = () => document.getElementById("tip") || Object.assign(document.body.appendChild(document.createElement("div")), { id: "tip" });
  const hide = () => { const t = document.getElementById("tip"); if (t) t.style.display = "none"; };
  const show = (text, x, y) => {
    const box = tip();
    box.textContent = text;
    Object.assign(box.style, { display: "block", left: `${Math.max(8, Math.min(x + 12, innerWidth - 340))}px`, top: `${Math.min(y + 14, innerHeight - 40)}px` });
  };
  const hit = (e) => {
    const lane = e.target.closest && e.target.closest(".lane");
    if (!lane) return null;
    const box = lane.getBoundingClientRect(), x = (e.clientX - box.left) / box.width * 1440 + drifted(lane);
    let best = null;
    for (const run of runs(lane)) {
      const far = Math.max(run.left - x, x - run.left - run.wide, 0);
      if (far < 8 && (!best || far <= best.far)) best = { far, run };
    }
    return best && { lane, run: best.run };
  };
  addEventListener("mousemove", (e) => { const found = hit(e); if (found) show(words(found.lane, found.run), e.clientX, e.clientY); else if (!at) hide(); });
  addEventListener("click", (e) => { const found = hit(e); if (found) open(found.run); });

  // Keys: the arrows go from run to run of the lane that has the focus, up and down to the next lane.
  let at = null;
  const choose = (lane, place) => {
    const all = runs(lane), run = all[place];
    if (!run) return;
    at = { lane, place };
    const box = lane.getBoundingClientRect(), x = box.left + (run.left + run.wide / 2 - drifted(lane)) / 1440 * box.width;
    show(words(lane, run), x, box.top + 10);
    const told = document.getElementById("told");
    if (told) told.textContent = words(lane, run);
  };
  const leave = () => { at = null; hide(); };
  addEventListener("focusin", (e) => { leave(); if (e.target.matches && e.target.matches(".lane:focus-visible")) choose(e.target, runs(e.target).length - 1); });
  addEventListener("focusout", leave);
  addEventListener("keydown", (e) => {
    const lane = e.target.matches && e.target.matches(".lane") ? e.target : null;
    if (!lane || e.ctrlKey || e.metaKey || e.altKey) return;
    const all = runs(lane), place = at && at.lane === lane ? Math.min(at.place, all.length - 1) : all.length;
    const lanes = [...day(lane).querySelectorAll(".lane")], next = lanes[lanes.indexOf(lane) + (e.key === "ArrowDown" ? 1 : -1)];
    if (e.key === "ArrowLeft") choose(lane, Math.max(0, place - 1));
    else if (e.key === "ArrowRight") choose(lane, Math.min(all.length - 1, place + 1));
    else if (e.key === "Home") choose(lane, 0);
    else if (e.key === "End") choose(lane, all.length - 1);
    else if (e.key === "ArrowUp" || e.key === "ArrowDown") { if (next) next.focus(); }
    else if (e.key === "Enter") { if (all[place]) open(all[place]); }
    else if (e.key === "Escape") leave();
    else return;
    e.preventDefault();
  });
})();
