// Draws /openapi.json. Text is set as text, never as markup.
"use strict";

/** An element with attributes and children; texts become text. */
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** A sentence in which `code` is code. */
function prose(text) {
  const parts = text.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
  return element("p", {}, ...parts);
}

function resolve(api, schema) {
  const path = schema && schema.$ref;
  return path ? path.slice(2).split("/").reduce((at, key) => at[key], api) : schema || {};
}

/** A schema's kind in a few words. */
function kind(api, schema) {
  const found = resolve(api, schema);
  if (found.const !== undefined) return JSON.stringify(found.const);
  if (found.enum) return found.enum.join(" | ");
  if (found.anyOf) return found.anyOf.map((one) => kind(api, one)).join(" or ");
  if (found.type === "array") return "list of " + kind(api, found.items);
  const type = Array.isArray(found.type) ? found.type.join(" or ") : found.type || "any value";
  const least = found.minimum ?? found.minLength;
  const most = found.maximum ?? found.maxLength;
  const range = most !== undefined ? ` ${least ?? 0}–${most}` : least !== undefined ? ` from ${least}` : "";
  const usual = found.default !== undefined ? `, default ${found.default}` : "";
  return (found.format ? "time" + (type.includes("null") ? " or null" : "") : type) + range + usual;
}

/** Rows of an object's members, those of members that are objects below them. */
function members(api, schema, prefix, depth) {
  const found = resolve(api, schema);
  if (found.type === "array") return members(api, found.items, prefix + "[]", depth);
  if (found.anyOf) return found.anyOf.flatMap((one) => members(api, one, prefix, depth));
  const rows = [];
  for (const [name, member] of Object.entries(found.properties || {})) {
    const path = prefix ? `${prefix}.${name}` : name;
    const note = member.description || resolve(api, member).description;
    rows.push(row(path, (found.required || []).includes(name), kind(api, member), note));
    if (depth < 3) rows.push(...members(api, member, path, depth + 1));
  }
  return rows;
}

function row(name, required, type, note) {
  const first = element("td", {}, element("code", {}, name), required ? null : element("span", { class: "soft" }, " optional"));
  const second = element("td", {}, element("span", { class: "soft" }, type), note ? prose(note) : null);
  return element("tr", {}, first, second);
}

function table(title, rows) {
  if (!rows.length) return null;
  return element("section", {}, element("h4", {}, title), element("table", {}, element("tbody", {}, ...rows)));
}

/** The schema of what a call is sent or answers, without the envelope. */
function payload(api, content) {
  const schema = Object.values(content || {})[0]?.schema;
  return schema && schema.properties?.data ? schema.properties.data : schema;
}

function answers(api, operation) {
  return Object.entries(operation.responses).map(([status, response]) => {
    const codes = response["x-error-codes"];
    const type = Object.keys(response.content || {})[0];
    const what = codes ? codes.join(", ") : kindOfAnswer(api, response) + (type && type !== "application/json" ? ` (${type})` : "");
    return element("tr", {}, element("td", {}, element("code", {}, status)), element("td", {}, what));
  });
}

function kindOfAnswer(api, response) {
  const schema = payload(api, response.content);
  const name = (one) => (one && one.$ref ? one.$ref.split("/").pop() : null);
  if (!schema) return "nothing";
  if (schema.type === "array") return `list of ${name(schema.items)}`;
  return name(schema) || "the document";
}

function example(path, method, operation) {
  const lines = [`curl${method === "get" ? "" : ` -X ${method.toUpperCase()}`} '${location.origin}${path}'`];
  if (operation.security.length) lines.push(`  -H "x-api-key: $LOOPFOUR_API_KEY"`);
  if (operation.requestBody?.required) lines.push(`  -H 'content-type: application/json'`, `  -d @body.json`);
  return element("pre", {}, lines.join(" \\\n"));
}

function call(api, path, method, operation) {
  const scopes = operation.security.flatMap((one) => one.apiKey);
  const access = !operation.security.length ? "No key." : scopes.length ? `Scope \`${scopes[0]}\`` : "Any key";
  const rate = operation["x-rate-limit"] ? `, counts as \`${operation["x-rate-limit"]}\`.` : "";
  const parameters = (operation.parameters || []).map((one) =>
    row(one.name, one.required, `${one.in}, ${kind(api, one.schema)}`, one.description));
  const body = operation.requestBody;
  const good = Object.entries(operation.responses).find(([status, one]) => status < 300 && one.content);
  const address = element("p", {}, element("span", { class: `method ${method}` }, method), element("span", { class: "path" }, path));
  return element("article", { id: operation.operationId },
    element("h3", {}, operation.summary), address,
    operation.description ? prose(operation.description) : null,
    element("div", { class: "soft" }, prose(access + rate)),
    table("Parameters", parameters),
    body ? table(body.required ? "Body" : "Body, may be left out", members(api, payload(api, body.content), "", 0)) : null,
    table("Answers", answers(api, operation)),
    good ? table(`Data of ${good[0]}`, members(api, payload(api, good[1].content), "", 0)) : null,
    example(path, method, operation));
}

function draw(api) {
  const main = document.getElementById("main");
  const calls = document.getElementById("calls");
  main.replaceChildren(element("h1", {}, `${api.info.title} ${api.info.version}`), prose(api.info.description),
    prose(api.components.securitySchemes.apiKey.description),
    element("p", {}, element("a", { href: "/openapi.json" }, "openapi.json"), " is the same for programs."));
  for (const tag of api.tags) {
    main.append(element("h2", {}, tag.name), prose(tag.description));
    const list = element("div", {}, element("h4", {}, tag.name));
    for (const [path, methods] of Object.entries(api.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        if (operation.tags[0] !== tag.name) continue;
        main.append(call(api, path, method, operation));
        const link = element("a", { href: `#${operation.operationId}` },
          element("span", { class: `method ${method}` }, method), operation.summary);
        link.dataset.text = `${method} ${path} ${operation.summary}`.toLowerCase();
        list.append(link);
      }
    }
    calls.append(list);
  }
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

document.getElementById("find").addEventListener("input", (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  for (const link of document.querySelectorAll("#calls a")) link.hidden = !link.dataset.text.includes(wanted);
});

fetch("/openapi.json")
  .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(`status ${answer.status}`))))
  .then(draw)
  .catch((error) => document.getElementById("main").replaceChildren(prose(`The document cannot be read: ${error.message}`)));
