// What a person does on the page of `smsotp web`, in a headless Chromium: looks, searches, and cancels by keyboard.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chromium } from "playwright-core";

const { SMSOTP, CHROMIUM, SCREENSHOTS } = process.env;
const link = process.argv[2];
const origin = new URL(link).origin;
const PHONE = "+41791234567";
const OTHER = "+41797654321";

/** Runs a command of `smsotp`, and gives what it answers. */
function smsotp(...command) {
  return JSON.parse(execFileSync(SMSOTP, ["--json", ...command], { encoding: "utf8" }));
}

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    // No name but this machine's leads anywhere.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
  ],
});
const page = await browser.newPage({ viewport: { width: 1100, height: 820 }, colorScheme: "light", locale: "en-GB" });
page.setDefaultTimeout(20_000);
const asked = [];
const faults = [];
page.context().on("request", (request) => asked.push(request.url()));
page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
page.on("pageerror", (error) => faults.push(String(error)));

const rows = (table) => page.locator(`#${table} tbody tr:not(.none)`);
const row = (table, ...texts) => texts.reduce((found, text) => found.filter({ hasText: text }), rows(table)).first();
const focused = () => page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent);

async function eventually(what, is) {
  const end = Date.now() + 20_000;
  while (!(await is())) {
    assert.ok(Date.now() < end, `not so: ${what}\n${await page.locator("body").innerText()}`);
    await page.waitForTimeout(50);
  }
}

// Modems, live.
await page.goto(link);
await page.locator("#link", { hasText: "live" }).waitFor();
for (const modem of ["stick1", "stick2"]) await row("modems", modem, "ready").waitFor();
smsotp("issue", "+41791112233", "--wait");
smsotp("send", "+41791112244", "The door is open.", "--wait");
await row("messages", "sent").waitFor();
smsotp("modem", "stick1", "pause");
await row("modems", "stick1", "paused").waitFor();
assert.equal(await row("modems", "stick2", "ready").count(), 1);
smsotp("modem", "stick2", "pause");
const code = smsotp("issue", "+41791112255");
const text = smsotp("send", PHONE, "The first one.");
const other = smsotp("send", OTHER, "The other one.");
for (const { id } of [text, other]) await row("messages", id, "queued").waitFor();
await row("codes", code.id, "pending").waitFor();
assert.equal(await page.locator("#text").innerText(), "2");
await page.locator("#events li", { hasText: "message.queued" }).first().waitFor();

// Both colour schemes, with enough contrast for every word (WCAG 2.2, 1.4.3).
const backs = [];
for (const colorScheme of ["light", "dark"]) {
  await page.emulateMedia({ colorScheme });
  const { back, least } = await page.evaluate(() => {
    const luminance = (colour) => {
      const channels = colour.match(/[\d.]+/g).slice(0, 3).map((c) => c / 255);
      const [r, g, b] = channels.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const back = getComputedStyle(document.body).backgroundColor;
    const contrasts = [...document.querySelectorAll("h1, h2, p, th, td, dt, dd, li, label, button, input")].map((element) => {
      const [low, high] = [luminance(getComputedStyle(element).color), luminance(back)].sort((a, b) => a - b);
      return (high + 0.05) / (low + 0.05);
    });
    return { back, least: Math.min(...contrasts) };
  });
  backs.push(back);
  assert.ok(least >= 4.5, `${colorScheme}: a contrast of ${least}`);
  if (SCREENSHOTS) await page.screenshot({ path: `${SCREENSHOTS}/web-${colorScheme}.png` });
}
assert.notEqual(backs[0], backs[1]);

// A telephone, and the narrowest one.
for (const width of [375, 320]) {
  await page.setViewportSize({ width, height: 800 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= width, `${wide} px on a screen of ${width}`);
  if (SCREENSHOTS && width === 375) await page.screenshot({ path: `${SCREENSHOTS}/web-phone.png` });
}
await page.setViewportSize({ width: 1100, height: 820 });

// Search and cancel, by keyboard alone.
await page.getByLabel("Number").focus();
await page.keyboard.type("+41 79 123 45 67");
await page.keyboard.press("Enter");
await page.locator("#told", { hasText: "0 codes and 1 message to this number" }).waitFor();
assert.equal(await rows("messages").count(), 1);
const wanted = ["Search", "Show all", "Cancel the message to +4179*****67"];
for (const name of wanted) {
  await page.keyboard.press("Tab");
  assert.equal(await focused(), name);
}
await page.keyboard.press("Enter");
await page.getByRole("dialog", { name: "Cancel the message to +4179*****67?" }).waitFor();
await page.keyboard.press("Escape");
await eventually("the focus is back", async () => (await focused()) === wanted[2]);
assert.equal(smsotp("message", text.id).status, "queued", "nothing was confirmed");
await page.keyboard.press("Enter");
await page.getByRole("dialog").waitFor();
assert.equal(await focused(), "Cancel");
await page.keyboard.press("Enter");
await page.locator("#told", { hasText: "the message to +4179*****67: cancelled" }).waitFor();
await row("messages", text.id, "cancelled").waitFor();
assert.equal(smsotp("message", text.id).status, "cancelled");
await eventually("the focus is somewhere", async () => (await focused()) === "Last messages");

// The focus stays on a button while rows come and go above it.
await page.getByRole("button", { name: "Show all" }).click();
await page.getByRole("button", { name: "Cancel the message to +4179*****21" }).focus();
const third = smsotp("send", "+41791112266", "The third one.");
await row("messages", third.id, "queued").waitFor();
assert.equal(await focused(), "Cancel the message to +4179*****21");
await page.getByLabel("Number").evaluate((field, number) => { field.value = number; }, OTHER);
await page.locator("#search").evaluate((form) => form.requestSubmit());
await page.locator("#told", { hasText: "0 codes and 1 message to this number" }).waitFor();
assert.equal(await focused(), "Cancel the message to +4179*****21");

// All again; a code is cancelled with its message.
await page.getByRole("button", { name: "Show all" }).click();
await row("messages", other.id, "queued").waitFor();
await page.getByRole("button", { name: "Cancel the code to +4179*****55" }).click();
await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
await row("codes", code.id, "cancelled").waitFor();

// What is not understood is told.
await page.getByLabel("Number").fill("none");
await page.getByRole("button", { name: "Search" }).click();
await eventually("a sentence", async () => /number/.test(await page.locator("#told").innerText()));
faults.splice(0, faults.length, ...faults.filter((fault) => !fault.includes("422")));

// Who may only look has no buttons.
assert.notEqual(await page.locator("td button").count(), 0);
await page.route("**/state?*", async (route) => {
  const response = await route.fetch();
  const state = await response.json();
  await route.fulfill({ response, json: { ...state, status: { ...state.status, may: ["read"] } } });
});
await page.reload();
await row("messages", other.id, "queued").waitFor();
assert.equal(await page.locator("td button").count(), 0);

const html = await page.content();
for (const whole of [PHONE, OTHER, "1112233", "1112255", "490154203237518"]) assert.ok(!html.includes(whole), whole);
assert.deepEqual(faults, []);
assert.deepEqual(asked.filter((url) => !url.startsWith(`${origin}/`) && !url.startsWith("data:")), []);
await browser.close();
