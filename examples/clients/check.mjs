#!/usr/bin/env node
// Issues a code for a number, reads the code that the person typed from stdin, and checks it: `check.mjs +41791234567`.
// Prints `approved` or `not approved`, and ends with 0 or 1. Needs Node 18, and no package.
import { randomUUID } from "node:crypto";
import { request } from "node:http";
import { createInterface } from "node:readline/promises";

const socketPath = process.env.SMSOTP_SOCKET || "/run/smsotpd/smsotpd.sock";

/** The answer to a request; a refusal is an error with the daemon's sentence. */
function post(path, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const options = { socketPath, path, method: "POST", headers: { Host: "localhost", "Content-Type": "application/json", ...headers } };
    const sent = request(options, async (response) => {
      let text = "";
      for await (const piece of response) text += piece;
      const answer = JSON.parse(text);
      if (response.statusCode < 400) resolve(answer);
      else reject(new Error(`${answer.code}: ${answer.detail}`));
    });
    sent.on("error", reject);
    sent.end(JSON.stringify(body));
  });
}

try {
  // With the same key, a request that is repeated after a lost answer sends nothing again.
  const issued = await post("/v1/verifications", { to: process.argv[2] }, { "Idempotency-Key": randomUUID() });
  const input = createInterface({ input: process.stdin });
  const { value: code = "" } = await input[Symbol.asyncIterator]().next();
  input.close();
  const checked = await post(`/v1/verifications/${issued.id}/check`, { code: code.trim() });
  console.log(checked.approved ? "approved" : "not approved");
  process.exitCode = checked.approved ? 0 : 1;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
