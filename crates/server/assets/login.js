"use strict";
const SESSION = "/api/v1/session";
const part = (id) => document.getElementById(id);

async function call(method, headers, body) {
  const answer = await fetch(SESSION, { method, headers, body, credentials: "same-origin" });
  const text = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(text.error?.message ?? `the server answered ${answer.status}`);
  return text.data;
}

function show(who) {
  part("use").hidden = true;
  part("in").hidden = !who;
  part("out").hidden = Boolean(who);
  part("state").textContent = who
    ? `You are signed in as ${who.holder.name}, in the company ${who.company.name}.`
    : "You are not signed in.";
}

async function attempt(work) {
  try {
    show(await work());
  } catch (error) {
    show(null);
    part("state").textContent = `That did not work: ${error.message}.`;
  }
}

part("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const key = part("key").value.trim();
  part("key").value = "";
  attempt(() => call("POST", { "x-api-key": key }));
});

part("leave").addEventListener("click", () => attempt(async () => (await call("DELETE", {}), null)));

const token = new URLSearchParams(location.hash.slice(1)).get("token");
// What opens links in mails to look at them runs scripts too, and would use the link up: only a person clicks.
part("use").addEventListener("click", () =>
  attempt(() => call("POST", { "content-type": "application/json" }, JSON.stringify({ token }))));

if (token) {
  // Out of the address bar and the history before anything else.
  history.replaceState(null, "", location.pathname);
  part("state").textContent = "Your link signs you in, once.";
  part("use").hidden = false;
  part("use").focus();
} else {
  call("GET", {}).then(show, () => show(null));
}
part("openid").hidden = !document.querySelector('meta[name="openid"]');
