// The page: asks for the state of the daemon whenever an event says that something happened, and every few seconds.
"use strict";

const $ = (id) => document.getElementById(id);
const SOON = 250;
const AGAIN = 2000;
const LATER = 5000;
const EVENTS = 12;

const COLOURS = {
  approved: "good", sent: "good", delivered: "good", ready: "good",
  exhausted: "bad", undelivered: "bad", failed: "bad", absent: "bad", blocked: "bad",
  expired: "over", cancelled: "over", paused: "over",
};

let may = [];
let searched = "";
let due = 0;
let asked = 0;
let away = false;

const clock = new Intl.DateTimeFormat([], { timeStyle: "medium" });
const calendar = new Intl.DateTimeFormat([], { dateStyle: "short", timeStyle: "medium" });

function time(text) {
  const at = new Date(text);
  const today = at.toDateString() === new Date().toDateString();
  return (today ? clock : calendar).format(at);
}

function span(seconds) {
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const [size, unit] = parts.find(([size]) => seconds >= size) ?? [1, "s"];
  return `${Math.floor(seconds / size)} ${unit}`;
}

/** A signal, and the class that draws as many bars as a telephone would. */
function signal(dbm) {
  if (dbm === undefined) return ["–", "number"];
  return [`${dbm} dBm`, `number bars${[-105, -95, -85, -75].filter((least) => dbm >= least).length}`];
}

/** Says what came of a search or a deed; what was said already is not said again. */
function tell(text) {
  if ($("told").textContent !== text) $("told").textContent = text;
}

async function call(path, method = "GET") {
  const reply = await fetch(path, { method }).catch(() => {
    throw new Error("smsotp web has ended: start it again, and open the link that it prints");
  });
  // Only the guard answers without JSON.
  const answer = await reply.json().catch(() => ({ detail: "this needs the link that smsotp web printed last" }));
  if (!reply.ok) throw new Error(answer.detail);
  return answer;
}

/** Rows that stay the same elements as long as their things are there, so that the focus stays where it is. */
function fill(name, things, key, cells, deeds) {
  const body = $(name).tBodies[0];
  const wanted = new Set(things.map(key));
  // First, so that no row that stays is moved: a row that is moved loses the focus.
  [...body.rows].filter((row) => !wanted.has(row.dataset.key)).forEach((row) => row.remove());
  const old = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  const labels = [...$(name).tHead.rows[0].cells].map((cell) => cell.textContent);
  things.forEach((thing, n) => {
    const id = key(thing);
    const row = old.get(id) ?? document.createElement("tr");
    row.dataset.key = id;
    row.setAttribute("role", "row");
    cells(thing).forEach(([text, kind], i) => {
      const cell = row.cells[i] ?? cellOf(row);
      cell.dataset.label = labels[i];
      cell.className = kind ?? "";
      if (cell.textContent !== String(text)) cell.textContent = text;
    });
    if (deeds) act(row, labels.length - 1, deeds(thing));
    if (body.rows[n] !== row) body.insertBefore(row, body.rows[n] ?? null);
  });
  if (things.length === 0) {
    const row = body.insertRow();
    row.className = "none";
    row.dataset.key = "";
    row.setAttribute("role", "row");
    const cell = cellOf(row);
    cell.colSpan = labels.length;
    cell.textContent = "none";
  }
}

function cellOf(row) {
  const cell = row.insertCell();
  cell.setAttribute("role", "cell");
  return cell;
}

/** The buttons of a row, made anew only when they are others. */
function act(row, place, deeds) {
  const cell = row.cells[place] ?? cellOf(row);
  const names = deeds.map((deed) => deed.name).join();
  if (cell.dataset.deeds === names) return;
  cell.dataset.deeds = names;
  cell.dataset.label = "";
  cell.replaceChildren(...deeds.map((deed) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = deed.name;
    button.setAttribute("aria-label", `${deed.name} ${deed.of}`);
    button.addEventListener("click", () => ask(deed));
    return button;
  }));
}

/** Asks whether it is meant, and does it. */
function ask(deed) {
  $("question").textContent = `${deed.name} ${deed.of}?`;
  $("yes").textContent = deed.name;
  const dialog = $("ask");
  dialog.returnValue = "";
  dialog.addEventListener("close", async () => {
    if (dialog.returnValue !== "yes") return;
    try {
      const after = await call(deed.path, "POST");
      tell(`${deed.of}: ${deed.done(after)}`);
    } catch (error) {
      tell(`${deed.of}: ${error.message}`);
    }
    await refresh();
  }, { once: true });
  dialog.showModal();
}

function deedsOfCode(v) {
  if (v.status !== "pending" || !may.includes("issue")) return [];
  const of = `the code to ${v.to}`;
  const path = `verifications/${encodeURIComponent(v.id)}`;
  const resend = { name: "Resend", of, path: `${path}/resend`, done: () => "sent again" };
  const cancel = { name: "Cancel", of, path: `${path}/cancel`, done: (after) => after.status };
  return v.mode === "inbound" ? [cancel] : [resend, cancel];
}

function deedsOfMessage(m) {
  if (m.status !== "queued" || !may.includes("send")) return [];
  const path = `messages/${encodeURIComponent(m.id)}/cancel`;
  return [{ name: "Cancel", of: `the message to ${m.to}`, path, done: (after) => after.status }];
}

const status = (word) => [word, COLOURS[word] ?? "busy"];

function show({ status: s, modems, verifications, messages }) {
  may = s.may;
  $("daemon").textContent = `${s.version}, up ${span(s.uptime_s)}`;
  for (const name of ["otp", "text", "delayed", "sending"]) $(name).textContent = s.queue[name];
  const warnings = [s.disk_full && "The disk is full: new work is refused until there is room.", s.clock];
  $("warning").textContent = warnings.filter(Boolean).join(" ");
  $("warning").hidden = !$("warning").textContent;
  fill("modems", modems, (m) => m.name, (m) => [
    [m.name], status(m.state), signal(m.signal_dbm), [m.operator ?? m.registration],
    [m.queue, "number"], [m.sent_total, "number"], [m.failed_total, "number"], [m.last_error ?? ""],
  ]);
  fill("codes", verifications, (v) => v.id, (v) => [
    [time(v.created_at), "number"], status(v.status), [v.to, "number"], [v.service], status(v.message.status), [v.id, "id"],
  ], deedsOfCode);
  fill("messages", messages, (m) => m.id, (m) => [
    [time(m.created_at), "number"], status(m.status), [m.to, "number"], [m.kind === "otp" ? "code" : "text"],
    [m.modem ?? ""], [m.error ?? ""], [m.id, "id"],
  ], deedsOfMessage);
}

/** Shows how things stand; of answers that overtake each other, the newest question counts. */
async function refresh() {
  const mine = ++asked;
  const focused = document.activeElement;
  try {
    const state = await call(`state?to=${encodeURIComponent(searched)}`);
    if (mine !== asked) return false;
    if (away) tell("");
    away = false;
    show(state);
    // What had the focus may be over.
    if (focused && !focused.isConnected) $("messages-title").focus();
    return state;
  } catch (error) {
    if (mine !== asked) return false;
    away = true;
    tell(error.message);
    return false;
  }
}

function soon() {
  if (due) return;
  due = setTimeout(() => {
    due = 0;
    refresh();
  }, SOON);
}

async function search(text) {
  searched = text.trim();
  $("all").hidden = !searched;
  const state = await refresh();
  if (state && searched) {
    const counted = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;
    tell(`${counted(state.verifications.length, "code")} and ${counted(state.messages.length, "message")} to this number`);
  } else if (state) {
    tell("");
  }
}

function happened(event) {
  const thing = event.verification ?? event.message ?? event.inbox ?? {};
  const about = [thing.id ?? event.modem?.name, thing.to ?? thing.from ?? event.audit?.to, event.audit?.detail];
  const item = document.createElement("li");
  const at = event.at ? time(event.at) : "";
  item.textContent = [at, event.type, ...about].filter(Boolean).join(" ");
  $("events").prepend(item);
  while ($("events").children.length > EVENTS) $("events").lastChild.remove();
}

function follow() {
  const events = new EventSource("events");
  events.onopen = () => {
    $("link").textContent = "live";
    soon();
  };
  events.onmessage = (message) => {
    happened(JSON.parse(message.data));
    soon();
  };
  events.onerror = () => {
    $("link").textContent = "the daemon is away; trying again …";
    // The browser tries again by itself after an end, and not after a refusal.
    if (events.readyState === EventSource.CLOSED) setTimeout(follow, AGAIN);
  };
}

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  search($("to").value);
});
$("all").addEventListener("click", () => {
  $("to").value = "";
  $("to").focus();
  search("");
});

refresh();
follow();
setInterval(soon, LATER);
