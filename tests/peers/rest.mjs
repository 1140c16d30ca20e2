// The two HTTP APIs of the trial: the gateway's and the sandbox phones'.

import { waitUntil } from './wait.mjs'

const REQUEST_MS = 20_000
const PAGE = 100

async function call(url, { method = 'GET', headers = {}, body } = {}) {
  const answer = await fetch(url, { method, headers, body, signal: AbortSignal.timeout(REQUEST_MS) })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${new URL(url).pathname}: ${answer.status} ${text}`)
  return text ? JSON.parse(text) : undefined
}

const json = body => ({ headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })

/** One device of the gateway. */
export class GatewayDevice {
  #root
  #id
  #url
  #key
  #sends = 0

  constructor(url, key) {
    this.#root = `${url}/v1`
    this.#url = `${this.#root}/devices`
    this.#key = key
  }

  #call(path, request = {}, base = this.#url) {
    const headers = { Authorization: `Bearer ${this.#key}`, ...request.headers }
    return call(base + path, { ...request, headers })
  }

  /** Makes the device. */
  async create(name) {
    this.#id = (await this.#call('', { method: 'POST', ...json({ name }) })).id
    this.#url += `/${this.#id}`
  }

  /** `connect` or `disconnect`; then waits for the state that has to follow. */
  async switch(action, state) {
    await this.#call(`/${action}`, { method: 'POST' })
    if (state) await this.waitForState(state)
  }

  waitForState(state) {
    return waitUntil(`the gateway's device to be ${state}`, async () => (await this.#call('')).state === state)
  }

  /** The text of the QR code, once there is one. */
  qr() {
    return waitUntil('a QR code of the gateway', async () => {
      try {
        return (await this.#call('/qr?format=json')).text
      } catch {
        return undefined
      }
    })
  }

  /** Sends a text; gives the message as answered. */
  send(to, text) {
    const request = json({ to, content: { type: 'text', text } })
    request.headers['Idempotency-Key'] = `peers-${++this.#sends}`
    return this.#call('/messages', { method: 'POST', ...request })
  }

  /** Messages that came in, as the event feed tells them: in the order of arrival. */
  async receivedEvents() {
    const all = []
    for (let after = 0, more = true; more;) {
      const query = `device=${this.#id}&type=message.received&after=${after}&limit=${PAGE}`
      const page = await this.#call(`/events?${query}`, {}, this.#root)
      all.push(...page.items)
      more = page.next > after
      after = page.next
    }
    return all
  }

  /** All messages of one direction, oldest first. */
  async messages(direction) {
    const all = []
    let cursor = ''
    do {
      const page = await this.#call(`/messages?direction=${direction}&limit=${PAGE}${cursor}`)
      all.push(...page.items)
      cursor = page.next ? `&cursor=${encodeURIComponent(page.next)}` : ''
    } while (cursor)
    return all.reverse()
  }
}

/** The sandbox's admin API. */
export class Phones {
  #url

  constructor(url) {
    this.#url = url
  }

  /** The phone scans a QR text; created when there is none. Answers when the client is linked. */
  scan(number, qr) {
    return call(`${this.#url}/admin/mock-phone/scan-qr?phone=${number}`, { method: 'POST', body: qr })
  }

  /** The phone itself leaves the network, or comes back; its companions stay. */
  async switch(number, state) {
    await call(`${this.#url}/phones/${number}/${state}`, { method: 'POST' })
  }

  show(number) {
    return call(`${this.#url}/phones/${number}`)
  }

  inbox(number) {
    return call(`${this.#url}/phones/${number}/inbox?limit=5000`)
  }

  /** Counters of the whole network. */
  network() {
    return call(`${this.#url}/network`)
  }

  /** What the network tells its clients: the WebSocket address and the certificate root, base64. */
  static trust(network) {
    return call(`${network}/`)
  }
}
