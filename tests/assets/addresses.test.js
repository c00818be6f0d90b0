import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage } from "./page.js";

const SITE = "https://console.example";

const open = async (t, url) => {
  const page = await openPage(t, "", { scripts: ["addresses"], url: SITE + url });
  page.within = page.window.crontopusWithin;
  return page;
};

for (const [next, url] of [
  ["/jobs?x=1#top", `${SITE}/jobs?x=1#top`], ["jobs", `${SITE}/jobs`], [`${SITE}/runs`, `${SITE}/runs`], ["", `${SITE}/`],
  ["//evil.example/x", `${SITE}/`], ["/\\evil.example", `${SITE}/`], ["/\t/evil.example", `${SITE}/`], ["\\\\evil.example", `${SITE}/`],
  ["https://evil.example", `${SITE}/`], ["http://console.example/", `${SITE}/`],
  ["javascript:alert(1)", `${SITE}/`], ["data:text/html,x", `${SITE}/`], ["https://", `${SITE}/`], ["//user@evil.example", `${SITE}/`],
]) {
  test(`${JSON.stringify(next)} leads to ${url}`, async (t) => {
    assert.equal((await open(t, "/")).within(next), url);
  });
}
