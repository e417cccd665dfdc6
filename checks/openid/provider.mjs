// The certified OpenID provider, on the loopback interface, with one client and a few people. Whoever signs in says who
// they are and nothing else; the provider's own pages for developers ask.
//
// node provider.mjs PORT CLIENT_SECRET REDIRECT_URI
import Provider from "oidc-provider";

const [port, secret, redirect] = process.argv.slice(2);
const people = {
  ada: { email: "ada@example.com", email_verified: true, groups: ["finance", "everybody"] },
  bob: { email: "bob@example.com", email_verified: true, groups: ["everybody"] },
  carol: { email: "carol@example.com", email_verified: true, groups: ["everybody"] },
  eve: { email: "carol@example.com", email_verified: false, groups: ["everybody"] },
};

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: "loopfour", client_secret: secret, redirect_uris: [redirect] }],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["groups"] },
  // PKCE is asked for, so that a sign-in without it fails.
  pkce: { required: () => true },
  findAccount: (_, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
});
provider.on("server_error", (_, error) => console.error(error));
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
