"use strict";
// Draws the OpenAPI document of this gateway. Text goes in as text, never as markup.

const SLOT = "portico.key";
const METHODS = ["get", "post", "patch", "put", "delete"];
let spec;

function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// Text with `code` and *emphasis*.
function prose(text) {
  const parts = (text || "").split(/(`[^`]+`|\*[^*\s][^*]*\*)/);
  return parts.map((part) => {
    if (part.length > 2 && part.startsWith("`")) return el("code", {}, part.slice(1, -1));
    if (part.length > 2 && part.startsWith("*") && part.endsWith("*")) return el("em", {}, part.slice(1, -1));
    return part;
  });
}

function resolve(schema) {
  let found = schema || {};
  for (let depth = 0; found.$ref && depth < 8; depth += 1) {
    found = found.$ref.slice(2).split("/").reduce((at, key) => (at || {})[key], spec) || {};
  }
  return found;
}

function typeOf(schema) {
  const name = schema && schema.$ref ? schema.$ref.split("/").pop() : "";
  const found = resolve(schema);
  if (found.enum) return found.enum.join(" | ");
  if (found.oneOf) return [...new Set(found.oneOf.filter((s) => s.type !== "null").map(typeOf))].join(" or ");
  const type = [].concat(found.type || []).filter((t) => t !== "null").join(" or ");
  if (type === "array") return "list of " + typeOf(found.items);
  if (name && (type === "object" || found.allOf)) return name;
  if (found.allOf) return "object";
  return (type || name || "any") + (found.format ? " (" + found.format + ")" : "");
}

// What a field is for: its own words, else those of what it refers to.
function describe(field) {
  const value = field.value || {};
  const inner = (value.oneOf || []).map((part) => part.description).find(Boolean);
  return field.description || value.description || inner || resolve(value).description || "";
}

// All properties of an object, those of its parts included.
function propertiesOf(schema, depth = 0) {
  const found = resolve(schema);
  if (depth > 6) return [];
  const own = Object.entries(found.properties || {}).map(([name, value]) => ({
    name, value, required: (found.required || []).includes(name),
  }));
  const parts = (found.allOf || []).flatMap((part) => propertiesOf(part, depth + 1));
  return parts.concat(own);
}

function example(schema, depth = 0) {
  const found = resolve(schema);
  if (schema && schema.example !== undefined) return schema.example;
  if (found.example !== undefined) return found.example;
  if (found.const !== undefined) return found.const;
  if (found.enum) return found.enum[0];
  if (depth > 6) return null;
  if (found.oneOf) return example(found.oneOf.find((s) => s.type !== "null"), depth + 1);
  const fields = propertiesOf(found);
  if (fields.length) {
    const needed = fields.filter((field) => field.required);
    return Object.fromEntries(needed.map((field) => [field.name, example(field.value, depth + 1)]));
  }
  const type = [].concat(found.type || [])[0];
  if (type === "array") return [example(found.items, depth + 1)];
  if (type === "integer" || type === "number") return 1;
  if (type === "boolean") return true;
  if (type === "object") return {};
  return found.format === "date-time" ? "2026-01-31T12:00:00Z" : "…";
}

// The fields of an object, or of all the objects a value may be; one that has several forms there gets them all.
function fieldsInside(schema) {
  const forms = (resolve(schema).oneOf || [schema]).filter((form) => form && form.type !== "null").map((form) => propertiesOf(form));
  const found = new Map();
  for (const field of forms.flat()) {
    const before = found.get(field.name);
    if (before) before.values.push(field.value);
    else found.set(field.name, { name: field.name, values: [field.value] });
  }
  return [...found.values()].map(({ name, values }) => ({
    name,
    value: values.length === 1 ? values[0] : { oneOf: values },
    required: forms.every((form) => form.some((field) => field.name === name && field.required)),
  }));
}

// The fields of a body, each followed by its own as `content.text`, one level deep.
function bodyFields(schema) {
  return propertiesOf(schema).flatMap((field) => [
    field, ...fieldsInside(field.value).map((inner) => ({ ...inner, name: field.name + "." + inner.name })),
  ]);
}

function rows(fields) {
  if (!fields.length) return null;
  return el("table", {}, ...fields.map((field) => el("tr", {},
    el("td", {}, field.name, field.required ? el("span", { class: "required", title: "required" }, " *") : ""),
    el("td", {}, el("span", { class: "type" }, typeOf(field.value)), el("br"), ...prose(describe(field))))));
}

function jsonOf(content) {
  const entry = Object.entries(content || {}).find(([type]) => type.endsWith("json"));
  return entry ? entry[1].schema : null;
}

// The shell variable for a parameter of a path: `DEVICE` for the id in /v1/devices/{id}, `MESSAGE` for {message}.
function variableOf(path, name) {
  const before = path.slice(0, path.indexOf("{" + name + "}")).split("/").filter(Boolean).pop() || name;
  const noun = name === "id" ? before.replace(/ies$/, "y").replace(/s$/, "") : name;
  const variable = noun.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_");
  return variable === "KEY" ? "KEY_ID" : variable; // A variable KEY likely holds the key itself.
}

function curlOf(method, path, operation, body) {
  // Not in braces: curl takes them for a list.
  const url = location.origin + path.replaceAll(/\{([^}]+)\}/g, (_, name) => "$" + variableOf(path, name));
  const lines = ["curl" + (method === "get" ? "" : " -X " + method.toUpperCase()) + ' "' + url + '"'];
  const open = (operation.security || [{ key: 1 }]).every((s) => Object.keys(s).length === 0);
  if (!open) lines.push('-H "Authorization: Bearer $PORTICO_KEY"');
  const repeatable = (operation.parameters || []).some((p) => p.in === "header" && p.name.toLowerCase() === "idempotency-key");
  if (repeatable) lines.push('-H "Idempotency-Key: $(date +%s)"');
  if (body !== null) {
    lines.push("-H 'Content-Type: application/json'");
    lines.push("-d '" + JSON.stringify(body).replaceAll("'", "'\\''") + "'");
  }
  return lines.join(" \\\n  ");
}

function copyable(text) {
  const button = el("button", { type: "button", onclick: async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  } }, "Copy");
  return el("div", { class: "copy" }, el("pre", {}, el("code", {}, text)), navigator.clipboard ? button : null);
}

function tryIt(method, path, operation, body) {
  const fields = (operation.parameters || []).filter((p) => p.in !== "header").map((p) => ({ p, input: el("input", { autocomplete: "off" }) }));
  const text = body === null ? null : el("textarea", { spellcheck: "false" });
  if (text) text.value = JSON.stringify(body, null, 2);
  const out = el("pre", { hidden: true });
  const send = async () => {
    let url = path;
    const query = new URLSearchParams();
    for (const { p, input } of fields) {
      if (p.in === "path") url = url.replace("{" + p.name + "}", encodeURIComponent(input.value.trim()));
      else if (input.value.trim()) query.set(p.name, input.value.trim());
    }
    const headers = { Accept: "application/json" };
    const key = sessionStorage.getItem(SLOT);
    if (key) headers.Authorization = "Bearer " + key;
    if (text) headers["Content-Type"] = "application/json";
    out.hidden = false;
    out.textContent = "…";
    try {
      const response = await fetch(url + (query.size ? "?" + query : ""), { method: method.toUpperCase(), headers, body: text ? text.value : undefined });
      const answer = await response.text();
      let shown = answer;
      try { shown = JSON.stringify(JSON.parse(answer), null, 2); } catch { /* not JSON: as it came */ }
      out.textContent = response.status + " " + response.statusText + "\n" + shown.slice(0, 20000);
    } catch (error) {
      out.textContent = String(error);
    }
  };
  return el("details", {}, el("summary", {}, "Try it"), el("div", { class: "try" },
    ...fields.map(({ p, input }) => el("label", {}, p.name, input)),
    text ? el("label", {}, "Body", text) : null,
    el("button", { type: "button", onclick: send }, "Send"), out));
}

function detailsOf(method, path, operation) {
  const schema = operation.requestBody ? jsonOf(operation.requestBody.content) : null;
  const body = schema ? example(schema) : null;
  const parameters = (operation.parameters || []).map((p) => ({
    name: p.name + (p.in === "header" ? " (header)" : ""), value: p.schema || {}, required: p.required, description: p.description,
  }));
  const responses = Object.entries(operation.responses).filter(([status]) => status !== "default");
  return el("div", {},
    el("p", {}, ...prose(operation.description)),
    parameters.length ? el("h4", {}, "Parameters") : null, rows(parameters),
    schema ? el("h4", {}, "Body") : null, schema ? rows(bodyFields(schema)) : null,
    el("h4", {}, "Command"), copyable(curlOf(method, path, operation, body)),
    el("h4", {}, "Answers"),
    ...responses.map(([status, response]) => {
      const given = jsonOf(response.content);
      return el("div", {}, el("p", {}, el("code", {}, status), " ", ...prose(response.description)), given ? rows(propertiesOf(given)) : null);
    }),
    el("p", { class: "small" }, "Anything else is a problem: ", el("a", { href: "/docs/problems" }, "see the codes"), "."),
    tryIt(method, path, operation, body));
}

function operationOf(method, path, operation) {
  const node = el("details", { class: "operation", id: operation.operationId },
    el("summary", {}, el("span", { class: "method " + method }, method.toUpperCase()), el("span", { class: "path" }, path), el("span", { class: "summary" }, operation.summary || "")));
  node.dataset.text = [method, path, operation.summary, operation.description].join(" ").toLowerCase();
  const fill = () => { if (node.open && node.childElementCount === 1) node.append(detailsOf(method, path, operation)); };
  node.addEventListener("toggle", fill);
  return node;
}

function openTarget() {
  const node = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (node && node.tagName === "DETAILS") { node.open = true; node.scrollIntoView(); }
}

function draw() {
  document.getElementById("introduction").replaceChildren(...prose(spec.info.description));
  const groups = document.getElementById("groups");
  const contents = document.getElementById("contents");
  for (const tag of spec.tags) {
    const all = Object.entries(spec.paths).flatMap(([path, item]) => METHODS.filter((m) => item[m] && item[m].tags.includes(tag.name)).map((m) => [m, path, item[m]]));
    if (!all.length) continue;
    const section = el("section", {}, el("h2", { id: "group-" + tag.name }, tag.name), el("p", {}, ...prose(tag.description)), ...all.map((one) => operationOf(...one)));
    groups.append(section);
    contents.append(el("h2", {}, tag.name), ...all.map(([, , operation]) => el("a", { href: "#" + operation.operationId }, operation.summary)));
  }
  const filter = document.getElementById("filter");
  filter.addEventListener("input", () => {
    const wanted = filter.value.trim().toLowerCase();
    for (const node of document.querySelectorAll(".operation")) {
      node.hidden = !node.dataset.text.includes(wanted);
      const link = contents.querySelector("a[href='#" + node.id + "']");
      if (link) link.hidden = node.hidden;
    }
  });
  addEventListener("hashchange", openTarget);
  openTarget();
}

const key = document.getElementById("key");
key.value = sessionStorage.getItem(SLOT) || "";
key.addEventListener("input", () => sessionStorage.setItem(SLOT, key.value.trim()));
fetch("/v1/openapi.json").then((response) => response.json()).then((found) => { spec = found; draw(); }, () => {
  document.getElementById("introduction").textContent = "The description can't be loaded; is the gateway running?";
});
