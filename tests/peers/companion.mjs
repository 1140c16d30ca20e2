// Baileys as a companion device: pairs by QR, logs in, keeps what it receives and what became of what it sent.
//
// The session lives in a folder, so that a second login starts from what the library stored, like a new process.
//
// Sending and decrypting take turns here. Version 7.0.0-rc14 lets them overlap: `relayMessage` keeps its copy of a Signal
// session until all is encrypted, a message decrypted meanwhile writes its own, one of the two is lost, and the next text
// is encrypted with a message key that was used before. Every receiver drops such a text as a repetition.

import makeWASocket, { Browsers, DEFAULT_CONNECTION_CONFIG, DisconnectReason, WA_CERT_DETAILS, useMultiFileAuthState } from 'baileys'

import { Turns, waitUntil, within } from './wait.mjs'

/** Any version: the sandbox does not judge it, and asking for the newest would leave loopback. */
const VERSION = [2, 3000, 1015901307]
const LOG = process.env.PEERS_LOG === '1'
/** Shows the fault described above. */
const OVERLAP = process.env.PEERS_OVERLAP === '1'

/** The library's log. Only fixed messages are shown, because its fields hold keys and texts. */
const logger = {
  level: LOG ? 'debug' : 'silent',
  child: () => logger,
  ...Object.fromEntries(
    ['trace', 'debug', 'info', 'warn', 'error', 'fatal'].map(level => [level, (_, message) => {
      if (LOG && level !== 'trace') process.stderr.write(`baileys ${level}: ${message ?? ''}\n`)
    }])
  )
}

export class Companion {
  /** Ids of the messages from others, as the network brought them. */
  arrived = []
  /** Texts from others, as the library told them: `{id, text, from}`. */
  received = []
  /** Ids of messages that could not be decrypted at first. */
  undecrypted = new Set()
  /** The furthest status of each message that was sent: 3 is delivered, 4 read. */
  statuses = new Map()
  /** How often it has logged in. */
  logins = 0

  #folder
  #url
  #socket
  #saved = Promise.resolve()
  #turns = new Turns()

  /** `rootKey` is the certificate root to trust in place of WhatsApp's, base64. */
  constructor(folder, url, rootKey) {
    this.#folder = folder
    this.#url = url
    WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(rootKey, 'base64')
  }

  /** Connects and waits until it is logged in. Without a session `onQr` gets the text to scan. */
  async connect(onQr) {
    for (;;) {
      const end = await within('Baileys to connect', this.#open(onQr))
      if (end === 'open') return
      // After pairing the network ends the connection, and the client logs in on a new one.
      if (end !== DisconnectReason.restartRequired) throw new Error(`Baileys was disconnected: ${end}`)
    }
  }

  async #open(onQr) {
    const { state, saveCreds } = await useMultiFileAuthState(this.#folder)
    const socket = makeWASocket({
      auth: state,
      version: VERSION,
      logger,
      makeSignalRepository: (...needs) => this.#inTurns(DEFAULT_CONNECTION_CONFIG.makeSignalRepository(...needs)),
      waWebSocketUrl: this.#url,
      browser: Browsers.ubuntu('Chrome'),
      // The sandbox's phones send no history; waiting for it would hold back the first texts.
      syncFullHistory: false,
      shouldSyncHistoryMessage: () => false,
      generateHighQualityLinkPreview: false
    })
    this.#socket = socket
    socket.ev.on('creds.update', () => {
      this.#saved = this.#saved.then(saveCreds)
    })
    socket.ws.on('CB:message', ({ attrs }) => {
      if (attrs.category !== 'peer') this.arrived.push(attrs.id)
    })
    socket.ev.on('messages.upsert', ({ messages }) => messages.forEach(message => this.#take(message)))
    socket.ev.on('messages.update', updates => updates.forEach(update => this.#progress(update)))
    return new Promise((resolve, reject) => {
      socket.ev.on('connection.update', ({ connection, qr, lastDisconnect }) => {
        if (qr && onQr) onQr(qr).catch(reject)
        if (connection === 'open') {
          this.logins += 1
          resolve('open')
        }
        if (connection === 'close') {
          const error = lastDisconnect?.error
          this.#saved.then(() => resolve(error?.output?.statusCode ?? error?.message ?? 'closed'), reject)
        }
      })
    })
  }

  #inTurns(repository) {
    const { decryptMessage } = repository
    return OVERLAP ? repository : { ...repository, decryptMessage: one => this.#turns.take(() => decryptMessage(one)) }
  }

  #take({ key, message, messageStubType }) {
    if (key.fromMe) return
    const text = message?.conversation ?? message?.extendedTextMessage?.text
    if (text != null) this.received.push({ id: key.id, text, from: [key.remoteJid, key.remoteJidAlt] })
    else if (messageStubType != null) this.undecrypted.add(key.id)
  }

  #progress({ key, update }) {
    if (key.fromMe && update.status != null) {
      this.statuses.set(key.id, Math.max(update.status, this.statuses.get(key.id) ?? 0))
    }
  }

  /** Takes a name, as a user does in the settings: without one the library does not show itself, and its receipts say so. */
  async introduce(name) {
    const { creds } = this.#socket.authState
    await waitUntil('the app-state key from the phone', () => creds.myAppStateKeyId)
    await within('Baileys to take a name', this.#socket.updateProfileName(name))
    await waitUntil('Baileys to know its name', () => creds.me.name === name)
    await within('Baileys to show itself', this.#socket.sendPresenceUpdate('available'))
  }

  /** The device number the phone gave it. */
  get device() {
    return Number(this.#socket.user.id.split(':')[1].split('@')[0])
  }

  /** Sends a text to a JID and gives its id. `linkPreview: null` keeps the library from looking at links. */
  async send(jid, text) {
    const send = () => this.#socket.sendMessage(jid, { text, linkPreview: null })
    const sending = OVERLAP ? send() : this.#turns.take(send)
    return (await within('Baileys to send', sending)).key.id
  }

  /** Marks texts as read. */
  read(texts) {
    const keys = texts.map(({ id, from }) => ({ id, remoteJid: from[0], fromMe: false }))
    return within('Baileys to mark as read', this.#socket.readMessages(keys))
  }

  /** Ends the connection and waits until the session is on disk. */
  async close() {
    await within('Baileys to close', this.#socket.end(undefined))
    await within('Baileys to save its session', this.#saved)
  }

  /** Waits until `count` texts have arrived in all. */
  async waitForTexts(count) {
    await waitUntil(() => `${count} texts at Baileys, it has ${this.received.length}`, () => this.received.length >= count)
  }
}
