import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage, place } from "./page.js";

const ID = "0192f0c4-1f2b-7a3c-8d4e-fbff3e5f6a7b", SHORT = Buffer.from(ID.replaceAll("-", ""), "hex").toString("base64url");
const OTHER = "00000000-0000-7000-8000-000000000002", OTHER_SHORT = Buffer.from(OTHER.replaceAll("-", ""), "hex").toString("base64url");
const GOING = "00000000-0000-7000-8000-000000000003";

// Drawn for 12:00 UTC (21:00 here), which is minute 720 of 1440; a lane is 1440 px wide, from x = 100.
const HTML = `<div class="timeline" data-drawn="2026-03-04T12:00:00Z">
  <div class="lane" id="first" tabindex="0" data-key="a/b" data-name="backup" data-hosts="db1\n" data-runs="600,10,success,0,62.5,${SHORT}\n660,5,failed,1,4,${OTHER_SHORT}"></div>
  <div class="lane" id="second" tabindex="0" data-key="a/c" data-name="idle" data-hosts="" data-runs=""></div>
  <i class="going" data-key="a/b" data-run="${GOING}" data-since="2026-03-04T11:50:00Z" data-label="backup · running on db1"></i>
  <i class="going" data-key="x/y" data-run="other" data-since="2026-03-04T11:50:00Z" data-label="other"></i>
  <div id="told"></div></div><p id="out" tabindex="0">out</p>`;
const WORDS = ["backup · success on db1 · 1 min 2 s · started 19:00:00", "backup · failed on no host · 4.0 s · started 20:00:00",
  "backup · running on db1 since 20:50:00"];

const open = async (t, { router = false } = {}) => {
  const page = await openPage(t, HTML, { scripts: ["lanes"] });
  for (const lane of page.all(".lane")) place(lane, { left: 100, top: 50, width: 1440, height: 27 });
  if (router) page.window.__reactRouterDataRouter = { navigate: (path) => page.location.visits.push(`router ${path}`) };
  page.tip = () => page.$("#tip")?.style.display === "block" ? page.$("#tip").textContent : null;
  page.hover = (minute, target = "#first") => { page.point(page.$(target), "mousemove", { clientX: 100 + minute, clientY: 60 }); return page.tip(); };
  page.keys = (...keys) => { for (const key of keys) page.press(page.document.activeElement, key); return page.tip(); };
  return page;
};

for (const [minute, words] of [
  [600, WORDS[0]], [610, WORDS[0]], [593, WORDS[0]], [592, null], [617, WORDS[0]], [618, null], [662, WORDS[1]],
  [710, WORDS[2]], [720, WORDS[2]], [727, WORDS[2]], [728, null],
]) {
  test(`the pointer at minute ${minute} shows ${JSON.stringify(words)}`, async (t) => {
    assert.equal((await open(t)).hover(minute), words);
  });
}

test("of runs that are as near the newest is shown, else the nearest", async (t) => {
  const page = await open(t);
  page.$("#first").dataset.runs = `600,10,success,0,1,${SHORT}\n600,10,failed,0,1,${OTHER_SHORT}\n614,10,late,0,1,${OTHER_SHORT}`;
  assert.match(page.hover(605), /failed/);
  assert.match(page.hover(611), /failed/);
  assert.match(page.hover(613), /late/);
});

test("how far the day has moved on counts", async (t) => {
  const page = await open(t);
  page.$(".timeline").style.setProperty("--drift", "1%"); // 14.4 minutes
  assert.equal(page.hover(590), WORDS[0]);
  assert.equal(page.hover(604), null);
});

test("when a run began is told in the account's zone", async (t) => {
  const page = await open(t);
  page.document.body.className = "app";
  page.document.body.dataset.zone = "Europe/Berlin";
  assert.match(page.hover(605), /started 11:00:00$/);
  assert.match(page.hover(715), /since 12:50:00$/);
});

test("the tip goes with the pointer, and stays within the window", async (t) => {
  const page = await open(t); // 1024 × 768
  const at = (clientX, clientY) => {
    place(page.$("#first"), { left: clientX - 600, top: 0, width: 1440, height: 27 });
    page.point(page.$("#first"), "mousemove", { clientX, clientY });
    return [page.$("#tip").style.left, page.$("#tip").style.top];
  };
  assert.deepEqual(at(300, 100), ["312px", "114px"]);
  assert.deepEqual(at(1000, 760), ["684px", "728px"]);
  assert.deepEqual(at(-10, 100), ["8px", "114px"]);
  assert.equal(page.hover(0, "#out"), null);
  assert.equal(page.all("#tip").length, 1);
});

test("a click opens the run, whose id is whole", async (t) => {
  const page = await open(t);
  page.click(page.$("#first"), { clientX: 705 });
  page.click(page.$("#first"), { clientX: 815 });
  page.click(page.$("#first"), { clientX: 400 });
  page.click(page.$("#out"), { clientX: 705 });
  assert.deepEqual(page.location.visits, [`/runs/${ID}`, `/runs/${GOING}`]);
});

test("React Router opens it where it is there, and the tip goes", async (t) => {
  const page = await open(t, { router: true });
  page.hover(605);
  page.click(page.$("#first"), { clientX: 705 });
  assert.deepEqual(page.location.visits, [`router /runs/${ID}`]);
  assert.equal(page.tip(), null);
});

test("the focus begins at the newest run, and a screen reader hears it", async (t) => {
  const page = await open(t);
  page.$("#first").focus();
  assert.equal(page.tip(), WORDS[2]);
  assert.equal(page.$("#told").textContent, WORDS[2]);
  assert.equal(page.$("#tip").style.left, "684px"); // its middle, minute 715, lies right of the window
  assert.equal(page.$("#tip").style.top, "74px");
});

test("the focus that a click gave shows nothing; then keys begin behind the newest", async (t) => {
  const page = await open(t), lane = page.$("#first");
  lane.matches = (selector) => !selector.includes("focus-visible");
  lane.focus();
  assert.equal(page.tip(), null);
  assert.equal(page.keys("ArrowLeft"), WORDS[2]);
});

test("keys go from run to run and stop at the ends", async (t) => {
  const page = await open(t);
  page.$("#first").focus();
  assert.equal(page.keys("ArrowLeft"), WORDS[1]);
  assert.equal(page.keys("ArrowLeft", "ArrowLeft", "ArrowLeft"), WORDS[0]);
  assert.equal(page.keys("ArrowRight"), WORDS[1]);
  assert.equal(page.keys("End"), WORDS[2]);
  assert.equal(page.keys("ArrowRight"), WORDS[2]);
  assert.equal(page.keys("Home"), WORDS[0]);
});

test("Enter opens the run that was reached", async (t) => {
  const page = await open(t);
  page.$("#first").focus();
  page.keys("ArrowLeft", "Enter");
  assert.deepEqual(page.location.visits, [`/runs/${OTHER}`]);
});

test("up and down go to the next lane, and one without runs shows and opens nothing", async (t) => {
  const page = await open(t);
  page.$("#first").focus();
  page.keys("ArrowUp");
  assert.equal(page.document.activeElement.id, "first");
  assert.equal(page.keys("ArrowDown"), null);
  assert.equal(page.document.activeElement.id, "second");
  page.keys("Enter", "ArrowLeft", "End", "ArrowDown");
  assert.deepEqual([page.document.activeElement.id, page.location.visits, page.tip()], ["second", [], null]);
  page.keys("ArrowUp");
  assert.equal(page.document.activeElement.id, "first");
});

test("runs that went since leave the newest", async (t) => {
  const page = await open(t);
  page.$("#first").focus();
  page.$(".going").remove();
  page.keys("Enter");
  assert.deepEqual(page.location.visits, [`/runs/${OTHER}`]);
});

test("Escape, leaving the lane and another focus hide the tip; the pointer elsewhere does not", async (t) => {
  const page = await open(t), shown = () => { page.$("#out").focus(); page.$("#first").focus(); return page.tip() !== null; };
  assert.ok(shown());
  page.hover(0, "#out");
  assert.equal(page.tip(), WORDS[2]);
  assert.equal(page.keys("Escape"), null);
  assert.ok(shown());
  page.$("#first").blur();
  assert.equal(page.tip(), null);
  assert.ok(shown());
  page.$("#out").focus();
  assert.equal(page.tip(), null);
});

test("keys of the lane do nothing else; others, and those with a modifier, are the browser's", async (t) => {
  const page = await open(t), lane = page.$("#first");
  lane.focus();
  assert.equal(page.press(lane, "ArrowLeft"), false);
  assert.equal(page.press(lane, "x"), true);
  assert.equal(page.press(lane, "ArrowLeft", { ctrlKey: true }), true);
  assert.equal(page.press(page.$("#out"), "ArrowLeft"), true);
  assert.equal(page.press(page.document, "ArrowLeft"), true);
  assert.equal(page.tip(), WORDS[1]);
});
