// An OpenID provider that lies: it signs everybody in as Ada at once, and its token is wrong in the way that was asked for
// by `POST /lie/<how>`. `none` is no lie: it shows that all else is right.
//
// node liar.mjs PORT CLIENT_SECRET
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { SignJWT, UnsecuredJWT, exportJWK, generateKeyPair } from "jose";

const [port, secret] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const key = await generateKeyPair("RS256");
const other = await generateKeyPair("RS256");
const jwk = { ...(await exportJWK(key.publicKey)), kid: "one", alg: "RS256", use: "sig" };
const codes = new Map();
let lie = "none";

const now = () => Math.floor(Date.now() / 1000);
const signed = (claims, by = key.privateKey, kid = "one") =>
  new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid }).sign(by);

const lies = {
  none: (claims) => signed(claims),
  "wrong issuer": (claims) => signed({ ...claims, iss: "http://127.0.0.1:1" }),
  "issuer with a slash": (claims) => signed({ ...claims, iss: `${issuer}/` }),
  "wrong audience": (claims) => signed({ ...claims, aud: "another" }),
  "another audience beside": (claims) => signed({ ...claims, aud: ["loopfour", "another"], azp: "another" }),
  "no audience": ({ aud, ...claims }) => signed(claims),
  "wrong nonce": (claims) => signed({ ...claims, nonce: randomUUID() }),
  "no nonce": ({ nonce, ...claims }) => signed(claims),
  "alg none": (claims) => new UnsecuredJWT(claims).encode(),
  "signed with the client's secret": (claims) =>
    new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode(secret)),
  "signed with the public key": async (claims) =>
    new SignJWT(claims).setProtectedHeader({ alg: "HS256", kid: "one" }).sign(new TextEncoder().encode(JSON.stringify(jwk))),
  "signed by another key": (claims) => signed(claims, other.privateKey),
  "signed by an unknown key": (claims) => signed(claims, other.privateKey, "two"),
  "signature cut off": async (claims) => (await signed(claims)).replace(/[^.]*$/, ""),
  "claims changed": async (claims) => {
    const [head, , signature] = (await signed(claims)).split(".");
    const body = Buffer.from(JSON.stringify({ ...claims, sub: "root" })).toString("base64url");
    return `${head}.${body}.${signature}`;
  },
  expired: (claims) => signed({ ...claims, iat: now() - 7200, exp: now() - 3600 }),
  "no expiry": ({ exp, ...claims }) => signed(claims),
  "no subject": ({ sub, ...claims }) => signed(claims),
  "no token": () => undefined,
  "not a token": () => "what is this",
  "another person's information": (claims) => signed(claims),
  "another access token's": (claims) => signed({ ...claims, at_hash: "AAAAAAAAAAAAAAAAAAAAAA" }),
};

async function answer(request, body) {
  const url = new URL(request.url, issuer);
  switch (url.pathname) {
    case "/.well-known/openid-configuration":
      return {
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/keys`,
        userinfo_endpoint: `${issuer}/me`,
        response_types_supported: ["code"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["RS256", "HS256", "none"],
      };
    case "/keys":
      return { keys: [jwk] };
    case "/authorize": {
      const code = randomUUID();
      codes.set(code, url.searchParams.get("nonce"));
      const back = new URL(url.searchParams.get("redirect_uri"));
      back.searchParams.set("code", code);
      back.searchParams.set("state", url.searchParams.get("state"));
      return back;
    }
    case "/token": {
      const nonce = codes.get(new URLSearchParams(body).get("code"));
      const claims = { iss: issuer, sub: "ada", aud: "loopfour", nonce, iat: now(), exp: now() + 300 };
      const more = { email: "ada@example.com", email_verified: true, groups: ["finance"] };
      const id_token = await lies[lie]({ ...claims, ...more });
      return { access_token: "opaque", token_type: "Bearer", expires_in: 300, id_token };
    }
    case "/me":
      return lie === "another person's information" ? { sub: "root" } : { sub: "ada" };
    case "/lies":
      return Object.keys(lies);
    default:
      lie = decodeURIComponent(url.pathname.replace("/lie/", ""));
      return { lie };
  }
}

createServer(async (request, response) => {
  let body = "";
  for await (const part of request) body += part;
  const answered = await answer(request, body);
  if (answered instanceof URL) {
    response.writeHead(302, { location: answered.href }).end();
  } else {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answered));
  }
}).listen(Number(port), "127.0.0.1", () => console.log("listening"));
