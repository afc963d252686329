// Asks the browser for a passkey when a form with `data-passkey` is sent, and puts what the authenticator has said into its fields.
'use strict'

/** How long people may look for their key. */
const PATIENCE_MS = 120_000

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0))
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')
const words = (list) => list.split(' ').filter((word) => word !== '')
const keys = (list) => words(list).map((id) => ({ type: 'public-key', id: bytes(id) }))

/** Makes a passkey: the fields of the form. */
async function make(asked) {
  const made = await navigator.credentials.create({
    publicKey: {
      challenge: bytes(asked.challenge),
      rp: { id: asked.host, name: 'Trunkline' },
      user: { id: bytes(asked.handle), name: asked.user, displayName: asked.person },
      pubKeyCredParams: words(asked.algorithms).map((alg) => ({ type: 'public-key', alg: Number(alg) })),
      excludeCredentials: keys(asked.ids),
      authenticatorSelection: { residentKey: 'preferred', userVerification: 'preferred' },
      attestation: 'none',
      timeout: PATIENCE_MS,
    },
  })
  return { client_data: text(made.response.clientDataJSON), attestation: text(made.response.attestationObject) }
}

/** Shows a passkey: the fields of the form. */
async function show(asked) {
  const shown = await navigator.credentials.get({
    publicKey: {
      challenge: bytes(asked.challenge),
      rpId: asked.host,
      allowCredentials: keys(asked.ids),
      userVerification: asked.verification,
      timeout: PATIENCE_MS,
    },
  })
  const { clientDataJSON, authenticatorData, signature, userHandle } = shown.response
  return {
    credential: shown.id,
    client_data: text(clientDataJSON),
    authenticator_data: text(authenticatorData),
    signature: text(signature),
    user_handle: userHandle ? text(userHandle) : '',
  }
}

/** Why it did not work, in words. */
function why(error, asked) {
  if (location.hostname !== asked.host) return `Passkeys work at ${asked.host} alone: open this page there.`
  if (error.name === 'InvalidStateError') return 'This device has a passkey for you already.'
  if (error.name === 'NotAllowedError') return 'No passkey was used. Try again, or go another way.'
  return `Your browser says: ${error.message}`
}

for (const form of document.querySelectorAll('form[data-passkey]')) {
  const asked = form.dataset
  const status = form.querySelector('[role="status"]')
  let isAsking = false
  const ask = async () => {
    if (isAsking) return
    isAsking = true
    status.textContent = ''
    try {
      if (!navigator.credentials) throw new Error('it knows no passkeys, or this page has not come by HTTPS')
      const fields = asked.passkey === 'make' ? await make(asked) : await show(asked)
      for (const [name, value] of Object.entries(fields)) form.elements.namedItem(name).value = value
      form.submit()
    } catch (error) {
      status.textContent = why(error, asked)
    } finally {
      isAsking = false
    }
  }
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    void ask()
  })
  if ('start' in asked) void ask()
}
