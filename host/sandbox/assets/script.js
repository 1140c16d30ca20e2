"use strict";
// Drives the sandbox by its own admin API. Everything shown comes from people who write: it is set as text, never as markup.

const phones = new Map();
const presets = {
  "refuse the next messages with 463": { at: "send", do: { refuse: 463 } },
  "lose a message on its way to the client": { at: "deliver", do: "drop", of: "message" },
  "deliver a message 5 s late": { at: "deliver", do: { delay_ms: 5000 }, of: "message" },
  "deliver a message twice": { at: "deliver", do: "duplicate", of: "message" },
  "swap a message with the next": { at: "deliver", do: "swap", of: "message" },
  "lose a receipt": { at: "deliver", do: "drop", of: "receipt" },
  "answer requests 5 s late": { at: "request", do: { delay_ms: 5000 } },
  "refuse requests with 500": { at: "request", do: { refuse: 500 } },
  "ban at the next login for an hour": { at: "login", do: { fail: { reason: 402, code: 101, expire_s: 3600 } } },
  "media: 403 on download": { at: "media_get", do: { refuse: 403 } },
  "media: 404 on download": { at: "media_get", do: { refuse: 404 } },
  "media: 410 on download": { at: "media_get", do: { refuse: 410 } },
};

const problem = document.getElementById("problem");

async function call(method, path, body) {
  const text = typeof body === "string" || body === undefined ? body : JSON.stringify(body);
  const answer = await fetch(path, { method, body: text });
  const read = answer.status === 204 ? null : await answer.json();
  problem.hidden = answer.ok;
  if (!answer.ok) {
    problem.textContent = read.detail;
    throw new Error(read.detail);
  }
  return read;
}

// A refusal is shown where all problems are; nothing more is to be done about it.
function quietly(action) {
  return (event) => {
    event?.preventDefault?.();
    Promise.resolve(action(event)).catch((error) => console.warn(error.message));
  };
}

class PhoneCard {
  constructor(report) {
    this.number = report.number;
    this.messages = new Map();
    this.node = document.getElementById("phone").content.firstElementChild.cloneNode(true);
    this.node.dataset.number = report.number;
    document.getElementById("phones").append(this.node);
    this.listen();
    this.show(report);
    this.events = new EventSource(`/phones/${this.number}/events?after=0`);
    this.events.onmessage = (message) => this.notice(JSON.parse(message.data));
  }

  find(selector) { return this.node.querySelector(selector); }
  path(rest) { return `/phones/${this.number}/${rest}`; }
  chat() { return this.find(".chats select").value; }

  listen() {
    this.find(".scan").onsubmit = quietly(async (event) => {
      const form = event.target;
      await call("POST", this.path("scan-qr"), form.qr.value.trim());
      form.reset();
      await this.refresh();
    });
    this.find(".write").onsubmit = quietly(async (event) => {
      const form = event.target;
      const text = form.text.value.trim();
      if (!text || !this.chat()) return;
      const to = this.chat();
      const { id } = await call("POST", this.path("messages"), { to, text });
      form.reset();
      this.add(to, { id, from_me: true, text, kind: "text" });
    });
    this.find(".write input[name=text]").oninput = quietly(() => this.type());
    this.find(".picture input").onchange = quietly((event) => this.sendPicture(event.target));
    this.find(".read").onclick = quietly(() => this.read());
    this.find(".chats select").onchange = () => this.draw();
    this.find(".online").onchange = quietly((event) => call("POST", this.path(event.target.checked ? "online" : "offline")));
    this.find(".available").onchange = quietly((event) =>
      call("POST", this.path("presence"), { state: event.target.checked ? "available" : "unavailable" }));
  }

  async type() {
    if (!this.chat()) return;
    clearTimeout(this.pause);
    const say = (state) => call("POST", this.path("typing"), { chat: this.chat(), state });
    this.pause = setTimeout(quietly(() => { this.typing = false; return say("paused"); }), 2500);
    if (!this.typing) {
      this.typing = true;
      await say("composing");
    }
  }

  async sendPicture(input) {
    const file = input.files[0];
    if (!file || !this.chat()) return;
    const bytes = new Uint8Array(await file.arrayBuffer());
    let binary = "";
    for (const byte of bytes) binary += String.fromCharCode(byte);
    const to = this.chat();
    const media = { kind: "image", mime: file.type || "image/jpeg", base64: btoa(binary) };
    const { id } = await call("POST", this.path("messages"), { to, media });
    this.add(to, { id, from_me: true, text: file.name, kind: "image" });
    input.value = "";
  }

  async read() {
    const ids = (this.messages.get(this.chat()) ?? []).filter((one) => !one.from_me).map((one) => one.id);
    if (ids.length) await call("POST", this.path("read"), { chat: this.chat(), ids });
  }

  show(report) {
    this.find("h2").textContent = report.name;
    this.find(".about").textContent = `+${report.number}`;
    this.find(".online").checked = report.online;
    const devices = report.devices.filter((device) => device.device !== 0).map((device) => {
      const item = document.createElement("li");
      const state = device.connected ? "connected" : `away, ${device.queued} waiting`;
      item.textContent = `device ${device.device}: ${state}`;
      return item;
    });
    this.find(".devices").replaceChildren(...devices);
  }

  async refresh() { this.show(await call("GET", `/phones/${this.number}`)); }

  notice(event) {
    const name = (number) => phones.get(number)?.find("h2").textContent ?? number;
    if (event.event === "message") this.add(event.message.chat, event.message);
    if (event.event === "linked" || event.event === "unlinked") this.refresh().catch(() => {});
    if (event.event === "typing") this.hint(event.state === "paused" ? "" : `${name(event.from)} is ${event.state}`);
    if (event.event === "receipt") this.mark(event.id, event.kind);
  }

  hint(text) { this.find(".hint").textContent = text; }

  offer(chat, label) {
    const select = this.find(".chats select");
    if ([...select.options].some((option) => option.value === chat)) return;
    select.append(new Option(label, chat));
  }

  add(chat, message) {
    this.offer(chat, chat);
    const all = this.messages.get(chat) ?? [];
    if (all.some((one) => one.id === message.id)) return;
    all.push(message);
    this.messages.set(chat, all);
    if (!this.chat() || all.length === 1) this.find(".chats select").value = chat;
    this.hint("");
    this.draw();
  }

  mark(id, kind) {
    for (const all of this.messages.values()) {
      const one = all.find((message) => message.id === id);
      if (one) one.mark = kind;
    }
    this.draw();
  }

  draw() {
    const list = this.find(".messages");
    list.replaceChildren(...(this.messages.get(this.chat()) ?? []).map((message) => {
      const item = document.createElement("li");
      item.classList.toggle("mine", message.from_me);
      if (message.kind === "image" && !message.from_me) {
        const picture = document.createElement("img");
        picture.alt = message.text ?? "picture";
        picture.src = this.path(`inbox/${encodeURIComponent(message.id)}/media`);
        item.append(picture);
      }
      item.append(message.text ?? message.kind);
      const small = document.createElement("small");
      small.textContent = message.from_me ? message.mark ?? "sent" : message.from;
      item.append(small);
      return item;
    }));
    list.scrollTop = list.scrollHeight;
  }
}

async function refresh() {
  const reports = await call("GET", "/phones");
  for (const report of reports) {
    const card = phones.get(report.number);
    if (card) card.show(report);
    else phones.set(report.number, new PhoneCard(report));
  }
  const groups = await call("GET", "/groups");
  for (const [number, card] of phones) {
    for (const report of reports) if (report.number !== number) card.offer(report.number, report.name);
    for (const group of groups) {
      if (group.members.some((member) => member.number === number)) card.offer(group.jid, group.subject);
    }
  }
  const whose = document.querySelector("#new-fault select[name=phone]");
  const known = new Set([...whose.options].map((option) => option.value));
  if (!known.has("")) whose.append(new Option("everyone's clients", ""));
  for (const report of reports) if (!known.has(report.number)) whose.append(new Option(report.name, report.number));
}

async function showFaults() {
  const all = await call("GET", "/faults");
  document.getElementById("fault-count").textContent = all.length;
  document.getElementById("fault-list").replaceChildren(...all.map(({ id, struck, ...fault }) => {
    const item = document.createElement("li");
    item.textContent = `${JSON.stringify(fault)}: struck ${struck}`;
    return item;
  }));
}

document.getElementById("new-phone").onsubmit = quietly(async (event) => {
  const form = event.target;
  await call("POST", "/phones", { number: form.number.value || null, name: form.name.value || null });
  form.reset();
  await refresh();
});
document.getElementById("new-fault").onsubmit = quietly(async (event) => {
  const form = event.target;
  const fault = { ...presets[form.preset.value], times: Number(form.times.value) };
  if (form.phone.value) fault.phone = form.phone.value;
  await call("POST", "/faults", fault);
  await showFaults();
});
document.getElementById("clear-faults").onclick = quietly(async () => {
  await call("DELETE", "/faults");
  await showFaults();
});
document.querySelector("#new-fault select[name=preset]").append(...Object.keys(presets).map((name) => new Option(name, name)));
setInterval(quietly(async () => { await refresh(); await showFaults(); }), 2000);
quietly(async () => { await refresh(); await showFaults(); })();
