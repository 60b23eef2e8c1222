#!/usr/bin/env node
// Follows the events from an id on, 0 for all that are kept: `events.mjs [ID]`. Prints a line of JSON for each.
// Needs Node 18, and no package.
import { request } from "node:http";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";

const socketPath = process.env.SMSOTP_SOCKET || "/run/smsotpd/smsotpd.sock";
let since = process.argv[2] ?? "";

/** Reads one connection to its end (HTML standard, section 9.2: server-sent events). */
async function follow() {
  const path = "/v1/events" + (since ? `?since=${since}` : "");
  const response = await new Promise((resolve, reject) => {
    request({ socketPath, path, headers: { Host: "localhost", Accept: "text/event-stream" } }, resolve).on("error", reject).end();
  });
  if (response.statusCode !== 200) {
    console.error("the daemon refused: has this user's client the right `read`?");
    process.exit(1);
  }
  for await (const line of createInterface({ input: response })) {
    if (line.startsWith("id:")) since = line.slice(3).trim();
    else if (line.startsWith("data:") && line.length > 6) console.log(line.slice(5).trim());
  }
}

for (;;) {
  await follow().catch((error) => console.error(`${error.message}; tries again`));
  // The daemon restarts.
  await setTimeout(1000);
}
