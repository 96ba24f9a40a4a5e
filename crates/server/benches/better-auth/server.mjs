// Better Auth on SQLite, as its documentation sets it up: node server.mjs DIRECTORY SESSIONS
// Creates one account and so many sessions of it in DIRECTORY, writes their cookies to
// DIRECTORY/cookies, and prints its address. Ends with its standard input.
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createHmac } from "node:crypto";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import Database from "better-sqlite3";

const [directory, sessions] = process.argv.slice(2);
const database = new Database(`${directory}/better-auth.db`);
database.pragma("journal_mode = WAL");
const secret = "a secret of a benchmark, with more than 32 characters";
const auth = betterAuth({
  baseURL: "http://127.0.0.1",
  secret,
  database,
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  // Node's fetch is not a browser: it sends no Origin.
  advanced: { disableCSRFCheck: true, disableOriginCheck: true },
});
await (await getMigrations(auth.options)).runMigrations();
const body = { email: "u0@example.com", name: "Ann", password: process.env.BENCH_PASSWORD };
const { user } = await auth.api.signUpEmail({ body });
const { internalAdapter, authCookies } = await auth.$context;
const cookies = [];
for (let at = 0; at < Number(sessions); at++) {
  const { token } = await internalAdapter.createSession(user.id);
  const signature = createHmac("sha256", secret).update(token).digest("base64");
  cookies.push(`${authCookies.sessionToken.name}=${encodeURIComponent(`${token}.${signature}`)}`);
}
writeFileSync(`${directory}/cookies`, cookies.join("\n"));
const server = createServer(toNodeHandler(auth));
server.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
process.stdin.resume().on("end", () => process.exit());
