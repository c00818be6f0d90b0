import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage } from "./page.js";

// 12:00 UTC is 21:00 here (Tokyo), 13:00 in Berlin.
const at = (kind, datetime, more = "") => `<time data-time="${kind}" datetime="${datetime}" ${more}>…</time>`;
const open = (t, html, options) => openPage(t, html, { scripts: ["times"], ...options });

const shown = async (t, kind, datetime, zone = "") => {
  const page = await open(t, `<div class="app" data-zone="${zone}">${at(kind, datetime)}</div>`);
  return page.$("time").textContent;
};

for (const [seconds, words] of [
  [0, "just now"], [-4, "just now"], [-5, "5 s ago"], [-59, "59 s ago"], [-60, "1 min ago"], [-3599, "59 min ago"],
  [-3600, "1 h ago · 20:00"], [-3660, "1 h ago · 19:59"], [-86_399, "23 h ago · 3 Mar, 21:00"], [-86_400, "24 h ago · 3 Mar, 21:00"],
  [-90_060, "25 h ago · 3 Mar, 19:59"], [-172_799, "47 h ago · 2 Mar, 21:00"], [-172_800, "2 d ago · 2 Mar, 21:00"],
  [-216_001, "3 d ago · 2 Mar, 08:59"], [30, "in 30 s"], [7200, "in 2 h · 23:00"], [14_400, "in 4 h · 5 Mar, 01:00"],
]) {
  test(`${seconds} s from now is "${words}"`, async (t) => {
    const then = new Date(Date.parse("2026-03-04T12:00:00Z") + seconds * 1000);
    assert.equal(await shown(t, "ago", then.toISOString()), words);
  });
}

for (const [kind, zone, words] of [
  ["clock", "", "21:00"], ["clock", "Europe/Berlin", "13:00"], ["now", "Europe/Berlin", "13:00"], ["day", "", "Wed 4 Mar"],
  ["short", "Europe/Berlin", "13:00"], ["exact", "Europe/Berlin", "4 Mar, 13:00:00"],
  ["zoned", "Europe/Berlin", "4 Mar, 13:00:00 Europe/Berlin"], ["zoned", "", "4 Mar, 21:00:00 Asia/Tokyo"], ["since", "", "0 s"], ["text", "", "…"],
]) {
  test(`kind "${kind}" in zone "${zone}" is "${words}"`, async (t) => {
    assert.equal((await shown(t, kind, "2026-03-04T12:00:00Z", zone)).replace("Wed, ", "Wed "), words);
  });
}

for (const [zone, words] of [
  ["Asia/Tokyo", ""], ["Europe/Berlin", "21:00 your time"], ["Pacific/Kiritimati", "4 Mar, 21:00 your time"], ["", "21:00 your time"], ["Mars/Base", ""],
]) {
  test(`beside a time in zone "${zone}" stands "${words}"`, async (t) => {
    const page = await open(t, at("yours", "2026-03-04T12:00:00Z", `data-zone="${zone}"`));
    assert.equal(page.$("time").textContent, words);
  });
}

test("a page's own zone is the zone of all its times, and is named", async (t) => {
  const times = at("clock", "2026-03-04T12:00:00Z") + at("yours", "2026-03-04T12:00:00Z", 'data-zone="Europe/Berlin"');
  const page = await open(t, `<div class="app" data-zone="UTC" data-view-zone="Europe/Berlin">${times}</div><b data-own-zone>…</b>`);
  assert.deepEqual(page.all("time,b").map((each) => each.textContent), ["13:00", "12:00 your time", "Europe/Berlin"]);
  assert.deepEqual(page.$("time").dataset.tip.match(/\S+$/gm), ["Europe/Berlin", "UTC", "here"]);
});

test("a short time has its date when it is not today in the account's zone", async (t) => {
  assert.equal(await shown(t, "short", "2026-03-04T15:30:00Z"), "5 Mar, 00:30");
});

test("a short time of the same day in the account's zone is a clock", async (t) => {
  assert.equal(await shown(t, "short", "2026-03-04T15:30:00Z", "Europe/Berlin"), "16:30");
});

test("how long something goes on is never below zero", async (t) => {
  assert.equal(await shown(t, "since", "2026-03-04T12:00:30Z"), "0 s");
});

test("times move on each second", async (t) => {
  const page = await open(t, at("ago", "2026-03-04T12:00:00Z") + at("since", "2026-03-04T12:00:00Z"));
  page.tick(61_000);
  assert.deepEqual(page.all("time").map((time) => time.textContent), ["1 min ago", "1 min"]);
});

test("a time that changes or comes is written with the next frame", async (t) => {
  const page = await open(t, at("clock", "2026-03-04T12:00:00Z"));
  page.$("time").dateTime = "2026-03-04T13:00:00Z";
  page.document.body.insertAdjacentHTML("beforeend", at("clock", "2026-03-04T14:00:00Z"));
  await page.draw();
  assert.deepEqual(page.all("time").map((time) => time.textContent), ["22:00", "23:00"]);
});

test("however much changes, times are written once a frame", async (t) => {
  const page = await open(t, at("clock", "2026-03-04T12:00:00Z"));
  page.$("time").dateTime = "2026-03-04T13:00:00Z";
  await new Promise(setImmediate);
  page.$("time").dateTime = "2026-03-04T14:00:00Z";
  await new Promise(setImmediate);
  assert.equal(page.frames.length, 1);
});

test("a time that cannot be read, or has no text, disturbs no other", async (t) => {
  const page = await open(t, `${at("clock", "soon")}<time data-time="clock" datetime="2026-03-04T12:00:00Z"></time>${at("clock", "2026-03-04T12:00:00Z")}`);
  assert.deepEqual(page.all("time").map((time) => time.textContent), ["…", "", "21:00"]);
});

test("the hint has the account's zone, the browser's, UTC and the time's own", async (t) => {
  const page = await open(t, `<div class="app" data-zone="Europe/Berlin">${at("ago", "2026-03-04T12:00:00Z", 'data-zone="Asia/Kolkata"')}</div>`);
  assert.deepEqual(page.$("time").dataset.tip.split("\n").map((line) => line.replace(/^.*(\d\d:\d\d:\d\d)/, "$1")), [
    "13:00:00 Europe/Berlin", "21:00:00 here", "12:00:00 UTC", "17:30:00 Asia/Kolkata",
  ]);
  assert.match(page.$("time").dataset.tip, /^Wed,? 4 Mar/);
});

test("the hint names no zone twice", async (t) => {
  const page = await open(t, `<div class="app" data-zone="UTC">${at("ago", "2026-03-04T12:00:00Z", 'data-zone="UTC"')}</div>`);
  assert.deepEqual(page.$("time").dataset.tip.match(/\S+$/gm), ["UTC", "here"]);
});

test("without a zone of the account the browser's counts", async (t) => {
  const page = await open(t, `<div class="app">${at("ago", "2026-03-04T12:00:00Z")}</div><b data-own-zone>…</b>`);
  assert.deepEqual(page.$("time").dataset.tip.match(/\S+$/gm), ["here", "UTC"]);
  assert.equal(page.$("b").textContent, "Asia/Tokyo");
});

test("a zone that this browser does not know counts as none", async (t) => {
  const page = await open(t, `<div class="app" data-zone="Mars/Base">${at("clock", "2026-03-04T12:00:00Z", 'data-zone="Moon/Sea"')}</div>`);
  assert.equal(page.$("time").textContent, "21:00");
  assert.deepEqual(page.$("time").dataset.tip.match(/\S+$/gm), ["here", "UTC"]);
});

test("the account's zone is named where the page wants it", async (t) => {
  const page = await open(t, `<div class="app" data-zone="Europe/Berlin"><b data-own-zone>…</b></div>`);
  assert.equal(page.$("b").textContent, "Europe/Berlin");
});

test("times are reached with the Tab key, those in links and buttons with these, those in tables not", async (t) => {
  const time = at("clock", "2026-03-04T12:00:00Z");
  const page = await open(t, `${time}<a href="/">${time}</a><button>${time}</button><table><tr><td>${time}</td></tr></table>`);
  assert.deepEqual(page.all("time").map((each) => each.tabIndex), [0, -1, -1, -1]);
});

test("the moment now has no hint", async (t) => {
  const page = await open(t, at("now", "2026-03-04T12:00:00Z"));
  assert.equal(page.$("time").dataset.tip, undefined);
});

test("an input of zones is offered all that the browser knows, once", async (t) => {
  const page = await open(t, `<input data-zones="zones"><input id="other"><datalist id="zones"></datalist>`);
  page.$("#other").focus();
  assert.equal(page.all("option").length, 0);
  page.$("[data-zones]").focus();
  const names = page.all("option").map((option) => option.value);
  assert.equal(names[0], "UTC");
  assert.ok(names.includes("Europe/Berlin"));
  page.$("#other").focus();
  page.$("[data-zones]").focus();
  assert.equal(page.all("option").length, names.length);
});
