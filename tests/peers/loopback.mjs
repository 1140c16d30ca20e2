// Keeps this process on loopback. Everything in Node that opens a connection (WebSocket, fetch, http) comes through
// `net.Socket#connect`; an address that is not loopback is refused there, before its name is looked up, and counted.

import net from 'node:net'

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost'])

/** Addresses that were refused. */
export const refused = []

/** What `connect` was called with, as options. Node's own callers hand over an array of options and a callback. */
function options(args) {
  const first = Array.isArray(args[0]) ? args[0][0] : args[0]
  if (typeof first === 'object' && first !== null) return first
  return typeof first === 'string' && Number.isNaN(Number(first)) ? { path: first } : { port: first, host: args[1] }
}

/** Begins to refuse. */
export function stayOnLoopback() {
  const connect = net.Socket.prototype.connect
  net.Socket.prototype.connect = function (...args) {
    const { host, path } = options(args)
    // Without a host Node connects to localhost; a path is a Unix socket.
    if (path === undefined && typeof host === 'string' && !LOOPBACK.has(host)) {
      refused.push(host)
      queueMicrotask(() => this.destroy(new Error(`${host} is not loopback`)))
      return this
    }
    return connect.apply(this, args)
  }
}
