"use strict";
// Follows one device until it is connected: fetches its state and each new code with the reader's own key.

const device = location.pathname.split("/")[3];
const at = (id) => document.getElementById(id);
const SLOT = "portico.key";
let timer;

// A key in the fragment never reaches a server; it is moved out of the address at once.
const given = new URLSearchParams(location.hash.slice(1)).get("key");
if (given) {
  sessionStorage.setItem(SLOT, given);
  history.replaceState(null, "", location.pathname + location.search);
}

async function call(method, path) {
  const headers = { Accept: "application/json" };
  const key = sessionStorage.getItem(SLOT);
  if (key) headers.Authorization = "Bearer " + key;
  const response = await fetch("/v1/devices/" + encodeURIComponent(device) + path, { method, headers });
  return { status: response.status, body: await response.json().catch(() => ({})) };
}

function show({ image = null, text = "", state = "", hint = "", ask = false, connect = false, done = false }) {
  at("code").hidden = !image;
  if (image && at("code").src !== image) at("code").src = image;
  at("placeholder").hidden = Boolean(image);
  at("placeholder").textContent = text;
  at("state").textContent = state.replaceAll("_", " ");
  at("hint").textContent = hint;
  at("ask").hidden = !ask;
  at("connect").hidden = !connect;
  document.querySelector(".frame").classList.toggle("done", done);
}

function again(seconds) {
  clearTimeout(timer);
  timer = setTimeout(refresh, seconds * 1000);
}

async function refresh() {
  try {
    const found = await call("GET", "");
    if (found.status === 401 || found.status === 403) {
      show({ text: "A key is needed", ask: true, hint: sessionStorage.getItem(SLOT) ? found.body.detail : "" });
      return;
    }
    if (found.status !== 200) {
      show({ text: found.body.title || "No answer", hint: found.body.detail });
      return again(10);
    }
    const { state, name, reason, jid } = found.body;
    document.title = name + " · Portico";
    if (state === "connected") {
      show({ text: "✓", state, hint: name + " is linked" + (jid ? " as +" + jid.split("@")[0] : "") + ".", done: true });
      return again(30);
    }
    if (["created", "disconnected", "logged_out"].includes(state)) {
      show({ text: "No session", state, hint: reason ? reason.text : "", connect: true });
      return again(5);
    }
    if (state === "passkey_required") {
      show({ text: "Confirm the passkey on the phone", state, hint: reason ? reason.text : "" });
      return again(2);
    }
    const code = await call("GET", "/qr?format=json");
    if (code.status === 200) {
      show({ image: code.body.png, state, hint: "A new code comes by itself when this one runs out." });
    } else {
      show({ text: "Waiting for the code…", state, hint: code.status === 429 ? "" : code.body.detail });
    }
    again(2);
  } catch {
    show({ text: "No connection to the gateway", hint: "Trying again…" });
    again(5);
  }
}

at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(SLOT, at("key").value.trim());
  at("key").value = "";
  refresh();
});
at("connect").addEventListener("click", async () => {
  at("connect").hidden = true;
  const answer = await call("POST", "/connect");
  if (answer.status >= 400) show({ text: answer.body.title || "It did not work", hint: answer.body.detail, connect: true });
  again(answer.status >= 400 ? 5 : 0.5);
});
refresh();
