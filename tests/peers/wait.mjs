// Waiting for a state, always with a deadline; and for one's turn.

const PATIENCE_MS = 30_000
const LOOK_EVERY_MS = 50

/** Repeats `look` until it gives something true and returns that. After the deadline it fails and says `what` was missing. */
export async function waitUntil(what, look, patienceMs = PATIENCE_MS) {
  const end = Date.now() + patienceMs
  for (;;) {
    const seen = await look()
    if (seen) return seen
    if (Date.now() > end) throw new Error(`waited ${patienceMs / 1000} s for ${typeof what === 'function' ? what() : what}`)
    await new Promise(resolve => setTimeout(resolve, LOOK_EVERY_MS))
  }
}

/** Waits for a promise, but not for ever. */
export async function within(what, promise, patienceMs = PATIENCE_MS) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${patienceMs / 1000} s for ${what}`)), patienceMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Runs actions one after the other, in the order they were asked for. */
export class Turns {
  #last = Promise.resolve()

  take(action) {
    const result = this.#last.then(action)
    // The next one takes its turn also after a failure; whoever asked is told.
    this.#last = result.catch(() => {})
    return result
  }
}
