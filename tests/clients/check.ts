// Issues a code for a number and checks the lines of stdin, with the types that openapi-typescript makes.
//
// Called with a number; $SMSOTP_SOCKET is the daemon's socket.

import { request } from "node:http";
import { createInterface } from "node:readline";

import createClient from "openapi-fetch";

import type { components, paths } from "./smsotpd";

/** What fetch() does, over the daemon's socket. */
async function overSocket(asked: Request): Promise<Response> {
    const body = Buffer.from(await asked.arrayBuffer());
    const { pathname, search } = new URL(asked.url);
    return new Promise((resolve, reject) => {
        const options = {
            socketPath: process.env.SMSOTP_SOCKET,
            method: asked.method,
            path: pathname + search,
            headers: Object.fromEntries(asked.headers),
        };
        const sent = request(options, (answer) => {
            const pieces: Buffer[] = [];
            answer.on("data", (piece: Buffer) => pieces.push(piece));
            answer.on("end", () => {
                const headers = new Headers({ "content-type": answer.headers["content-type"] ?? "" });
                resolve(new Response(Buffer.concat(pieces), { status: answer.statusCode, headers }));
            });
        });
        sent.on("error", reject);
        sent.end(body);
    });
}

function told(problem: components["schemas"]["Problem"]): never {
    throw new Error(`${problem.status} ${problem.code}: ${problem.detail}`);
}

async function main(phone: string): Promise<void> {
    const api = createClient<paths>({ baseUrl: "http://localhost", fetch: overSocket });
    const issued = await api.POST("/v1/verifications", { body: { to: phone } });
    if (issued.error) told(issued.error);
    const status: components["schemas"]["Verification"]["status"] = issued.data.status;
    if (status !== "pending") throw new Error(status);
    for await (const line of createInterface({ input: process.stdin })) {
        const params = { path: { id: issued.data.id } };
        const checked = await api.POST("/v1/verifications/{id}/check", { params, body: { code: line.trim() } });
        if (checked.error) told(checked.error);
        const { approved, attempts_left, status } = checked.data;
        console.log(`${approved ? "approved" : "not approved"}: ${status}, ${attempts_left} left`);
    }
}

const [, , phone] = process.argv;
if (phone === undefined) throw new Error("call it with a number");
main(phone).catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
});
