// Texts both ways between the gateway and Baileys through a sandbox network; `run.sh` starts both and this program.
//
// The phones of both accounts are away while texts go back and forth, so that a receipt can only come from the
// companion under test. At the end they come back and must find every text too.

import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Companion } from './companion.mjs'
import { refused, stayOnLoopback } from './loopback.mjs'
import { GatewayDevice, Phones } from './rest.mjs'
import { waitUntil } from './wait.mjs'

const [GATEWAY_PHONE, BAILEYS_PHONE] = ['15550100001', '15550100002']
/** Texts each way in every round. */
const TEXTS = 20
const WHOLE_RUN_MS = 240_000
const DELIVERED = 3
/** An address of documentation that belongs to nobody. */
const ELSEWHERE = '192.0.2.1'

const { GATEWAY_URL, ADMIN_URL, NETWORK_URL, PORTICO_ADMIN_TOKEN, PEERS_FOLDER = tmpdir() } = process.env
let [passed, failed] = [0, 0]

const print = line => process.stdout.write(`${line}\n`)
// The library's Signal code prints whole sessions, keys included, to the console.
for (const level of ['log', 'info', 'warn', 'error', 'debug']) console[level] = () => {}

/** Runs one check; a failed one does not end the run. */
async function check(what, action) {
  try {
    await action()
    passed += 1
    print(`  ok    ${what}`)
  } catch (error) {
    failed += 1
    print(`  FAIL  ${what}\n          ${error.message}`)
  }
}

/** Fails unless both lists are equal, and shows where they begin to differ. */
function same(actual, expected, what) {
  const at = [...actual, ...expected].findIndex((_, i) => JSON.stringify(actual[i]) !== JSON.stringify(expected[i]))
  const show = list => `${JSON.stringify(list[at]) ?? 'nothing'} (of ${list.length})`
  if (at >= 0) throw new Error(`${what}: entry ${at} should be ${show(expected)}, is ${show(actual)}`)
}

/** The trial: both sides, and what each has sent so far. */
class Trial {
  phones = new Phones(ADMIN_URL)
  gateway = new GatewayDevice(GATEWAY_URL, PORTICO_ADMIN_TOKEN)
  /** Texts and ids by the side that sent them. */
  fromGateway = []
  fromBaileys = []

  async pair() {
    const { ws_url: url, root_key: root } = await Phones.trust(NETWORK_URL)
    this.baileys = new Companion(mkdtempSync(join(PEERS_FOLDER, 'session-')), url, root)
    await this.gateway.create('peers')
    await this.gateway.switch('connect')
    const { lid } = await this.phones.scan(GATEWAY_PHONE, await this.gateway.qr())
    this.gatewayLid = `${lid}@lid`
    await this.gateway.waitForState('connected')
    await this.baileys.connect(qr => this.phones.scan(BAILEYS_PHONE, qr))
  }

  /** One after the other: the order of sending is the order to expect. */
  async gatewaySends(round, count = TEXTS) {
    for (let n = 1; n <= count; n += 1) {
      const text = `${round}: gateway to Baileys ${n}`
      const { id, whatsapp_id: whatsapp } = await this.gateway.send(BAILEYS_PHONE, text)
      this.fromGateway.push({ id, whatsapp, text })
    }
  }

  async baileysSends(round, to = `${GATEWAY_PHONE}@s.whatsapp.net`) {
    for (let n = 1; n <= TEXTS; n += 1) {
      const text = `${round}: Baileys to gateway ${n}`
      this.fromBaileys.push({ id: await this.baileys.send(to, text), text })
    }
  }

  /** Baileys has every text of the gateway once and in order, and the gateway knows it. */
  async baileysHasAll(status = 'delivered') {
    const { received } = this.baileys
    await this.baileys.waitForTexts(this.fromGateway.length)
    await this.gatewayStatus(status)
    same(this.baileys.arrived, this.fromGateway.map(({ whatsapp }) => whatsapp), 'brought by the network')
    same(received.map(({ id, text }) => [id, text]), this.fromGateway.map(({ whatsapp, text }) => [whatsapp, text]), 'received')
    same(received.filter(({ from }) => !from.includes(`${GATEWAY_PHONE}@s.whatsapp.net`)), [], 'from somebody else')
  }

  /** The gateway's last round of texts all have this status. */
  async gatewayStatus(status) {
    const ids = new Set(this.fromGateway.slice(-TEXTS).map(({ id }) => id))
    await waitUntil(`the gateway's texts to be ${status}`, async () => {
      const sent = (await this.gateway.messages('out')).filter(({ id }) => ids.has(id))
      return sent.length === ids.size && sent.every(message => message.status === status)
    })
  }

  /** The gateway has every text of Baileys once and in order, and Baileys got its receipts. */
  async gatewayHasAll() {
    const expected = this.fromBaileys.map(({ id, text }) => [id, text])
    let count
    await waitUntil(() => `${expected.length} texts at the gateway, it has ${count}`, async () => {
      count = (await this.gateway.messages('in')).length
      return count >= expected.length
    })
    const isDelivered = ({ id }) => (this.baileys.statuses.get(id) ?? 0) >= DELIVERED
    await waitUntil("receipts for Baileys' texts", () => this.fromBaileys.every(isDelivered))
    const incoming = await this.gateway.messages('in')
    const events = (await this.gateway.receivedEvents()).map(({ data }) => data)
    const summary = list => list.map(({ whatsapp_id: id, content }) => [id, content.text])
    same(summary(events), expected, 'told in events')
    same(summary(incoming), expected, 'listed')
    same(incoming.filter(({ chat }) => chat.pn !== `${BAILEYS_PHONE}@s.whatsapp.net`), [], 'from somebody else')
  }

  /** The network waits for no acknowledgement of Baileys. */
  async baileysAcknowledgedAll() {
    await waitUntil('Baileys to acknowledge everything', async () => (await this.baileysDevice()).queued === 0)
  }

  async baileysDevice() {
    const { devices } = await this.phones.show(BAILEYS_PHONE)
    return devices.find(({ device }) => device === this.baileys.device)
  }

  /** A phone that was away finds the texts its account got and those its companion sent. */
  async phoneHasAll(number, got, sent) {
    const expected = [...got, ...sent]
    await waitUntil(`${expected.length} texts at the phone`, async () => (await this.phones.inbox(number)).length >= expected.length)
    const inbox = await this.phones.inbox(number)
    same(inbox.filter(entry => !entry.from_me).map(({ text }) => text), got.map(({ text }) => text), 'got')
    same(inbox.filter(entry => entry.from_me).map(({ text }) => text), sent.map(({ text }) => text), 'sent')
  }
}

async function bothAtOnce(trial, round, to) {
  await Promise.all([trial.gatewaySends(round), trial.baileysSends(round, to)])
  await trial.baileysHasAll()
  await trial.gatewayHasAll()
}

async function run() {
  const trial = new Trial()
  await check('both pair by QR and log in', () => trial.pair())
  if (failed) throw new Error('there is nothing to try without a pairing')
  await check('Baileys writes its name into the app state and shows itself', () => trial.baileys.introduce('Ada'))
  const { gateway, phones } = trial
  await Promise.all([GATEWAY_PHONE, BAILEYS_PHONE].map(number => phones.switch(number, 'offline')))
  const each = `${TEXTS} texts`

  // Alone, because the library lets a second text overtake the first one, for which it learns the sender's other name.
  await check('a first text from the gateway begins the conversation', async () => {
    await trial.gatewaySends('hello', 1)
    await trial.baileysHasAll()
  })
  await check(`${each} from the gateway: decrypted by Baileys once, in order; delivered at the gateway`, async () => {
    await trial.gatewaySends('first')
    await trial.baileysHasAll()
  })
  await check(`${each} from Baileys: stored and told by the gateway once, in order; delivered at Baileys`, async () => {
    await trial.baileysSends('first')
    await trial.gatewayHasAll()
  })
  await check(`${each} each way at the same time`, () => bothAtOnce(trial, 'together'))

  await check(`${each} from the gateway while Baileys is away: sent, not delivered`, async () => {
    await trial.baileysAcknowledgedAll()
    await trial.baileys.close()
    await waitUntil('Baileys to be gone', async () => !(await trial.baileysDevice()).connected)
    await trial.gatewaySends('away')
    await trial.gatewayStatus('sent')
  })
  await check('Baileys logs in again from its stored session', async () => {
    await trial.baileys.connect()
    same([trial.baileys.logins, (await trial.baileysDevice()).logins], [2, 2], 'logins')
  })
  await check('what waited arrives once, in order; delivered at the gateway', () => trial.baileysHasAll())
  await check(`${each} each way after the second login, Baileys to the LID`, () => bothAtOnce(trial, 'again', trial.gatewayLid))

  await check(`${each} from Baileys while the gateway's device is disconnected arrive when it is back`, async () => {
    await gateway.switch('disconnect', 'disconnected')
    await trial.baileysSends('waiting')
    await gateway.switch('connect', 'connected')
    await trial.gatewayHasAll()
  })
  await check('Baileys marks the last texts as read; the gateway tells', async () => {
    await trial.baileys.read(trial.baileys.received.slice(-TEXTS))
    await trial.gatewayStatus('read')
  })

  await Promise.all([GATEWAY_PHONE, BAILEYS_PHONE].map(number => phones.switch(number, 'online')))
  await check("the gateway's phone finds every text of both sides when it comes back", () =>
    trial.phoneHasAll(GATEWAY_PHONE, trial.fromBaileys, trial.fromGateway))
  await check("Baileys' phone finds every text of both sides when it comes back", () =>
    trial.phoneHasAll(BAILEYS_PHONE, trial.fromGateway, trial.fromBaileys))

  await check('nothing was asked for again, dropped, doubled or answered with "unknown request"', async () => {
    const { retries, dropped_stanzas: dropped, duplicates, unknown_requests: unknown } = await phones.network()
    const counts = [trial.baileys.undecrypted.size, retries, dropped, duplicates, unknown]
    same(counts, [0, 0, 0, 0, 0], 'undecrypted, retries, dropped, duplicates, unknown')
  })
  await check('nobody tried to leave loopback, and whoever tries is refused', async () => {
    same(refused, [], 'refused')
    await fetch(`http://${ELSEWHERE}/`).then(() => Promise.reject(new Error(`${ELSEWHERE} answered`)), () => {})
    same(refused, [ELSEWHERE], 'refused')
  })
  await trial.baileys.close()
}

stayOnLoopback()
setTimeout(() => {
  print(`  FAIL  the run took longer than ${WHOLE_RUN_MS / 1000} s\n${passed} passed, ${failed + 1} failed`)
  process.exit(1)
}, WHOLE_RUN_MS).unref()
await check('the trial runs to its end', run)
print(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
