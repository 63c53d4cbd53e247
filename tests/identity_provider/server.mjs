// npm's oidc-provider as a hospital's identity provider: node server.mjs MODULES PORT FOLDER, with client.json in FOLDER.
// Whoever types a name is that person, with the address NAME@example.org. Its key is FOLDER/key.json, a new one where there is none.
import { generateKeyPairSync } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const [modules, port, folder] = process.argv.slice(2);
const entry = pathToFileURL(`${modules}/oidc-provider/lib/index.js`);
const { Provider } = await import(entry);
const issuer = `http://127.0.0.1:${port}`;
if (!existsSync(`${folder}/key.json`)) {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const made = { ...privateKey.export({ format: "jwk" }), kid: `key-${Date.now()}`, use: "sig", alg: "RS256" };
  writeFileSync(`${folder}/key.json`, JSON.stringify(made));
}
const [client, key] = ["client", "key"].map((name) => JSON.parse(readFileSync(`${folder}/${name}.json`)));

const provider = new Provider(issuer, {
  clients: [client],
  jwks: { keys: [key] },
  cookies: { keys: ["only-for-tests"] },
  pkce: { required: () => true },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  features: { devInteractions: { enabled: false }, claimsParameter: { enabled: true } },
  interactions: { url: (_, interaction) => `/login/${interaction.uid}` },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.org`, email_verified: id !== "unverified", name: id }),
  }),
  // The hospital agreed for everybody.
  loadExistingGrant: async (context) => {
    const grant = new context.oidc.provider.Grant({
      clientId: context.oidc.client.clientId,
      accountId: context.oidc.session.accountId,
    });
    grant.addOIDCScope("openid email profile");
    grant.addOIDCClaims(["email", "email_verified", "name"]);
    await grant.save();
    return grant;
  },
});

const PAGE = `<!doctype html><title>The hospital</title><h1>The hospital</h1>
<form method="post"><input name="name" aria-label="Name"><button>Log in</button></form>`;

createServer(async (request, response) => {
  if (!request.url.startsWith("/login/")) return provider.callback()(request, response);
  if (request.method !== "POST") return response.setHeader("Content-Type", "text/html").end(PAGE);
  let body = "";
  for await (const chunk of request) body += chunk;
  const name = new URLSearchParams(body).get("name");
  const result = name ? { login: { accountId: name } } : { error: "access_denied" };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}).listen(Number(port), "127.0.0.1", () => console.log(`listening as ${issuer}`));
