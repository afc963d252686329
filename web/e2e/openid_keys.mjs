// Proves itself at an installation with a key in the place of a secret (`private_key_jwt`), by a client library that is not ours
// (openid-client). Says each step as a line of JSON on stdout; ends with 0 when everything held.
//
// usage: OPENID_ISSUER=… OPENID_CLIENT=… OPENID_KEY=… OPENID_KEY_NAME=… node e2e/openid_keys.mjs
//
//   OPENID_ISSUER      the issuer, as `demo.json` has it
//   OPENID_CLIENT      a client with that key and the grant `client_credentials`
//   OPENID_KEY         its private key on P-256: the PEM file, in base64
//   OPENID_KEY_NAME    its name in the tenant's file (`kid`)

import { webcrypto } from 'node:crypto'
import { assert, assertEqual } from './checks.mjs'

// Node.js 18, which Debian 12 has, does not show them by itself.
globalThis.crypto ??= webcrypto
globalThis.CryptoKey ??= webcrypto.CryptoKey
const openid = await import('openid-client')

const PATIENCE_S = 60

function setting(name) {
  const value = process.env[name]
  if (value === undefined) {
    console.error(`${name} is not set`)
    process.exit(2)
  }
  return value
}

const issuer = new URL(setting('OPENID_ISSUER'))
const clientId = setting('OPENID_CLIENT')
const pem = Buffer.from(setting('OPENID_KEY'), 'base64').toString('ascii')
const der = Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64')
const kid = setting('OPENID_KEY_NAME')

function say(step, found = {}) {
  console.log(JSON.stringify({ step, ...found }))
}

async function walk() {
  const key = await crypto.subtle.importKey('pkcs8', der, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
  const execute = issuer.protocol === 'http:' ? [openid.allowInsecureRequests] : []
  const proof = openid.PrivateKeyJwt({ key, kid })
  const config = await openid.discovery(issuer, clientId, undefined, proof, { execute, timeout: PATIENCE_S })
  const methods = config.serverMetadata().token_endpoint_auth_methods_supported
  assert(methods.includes('private_key_jwt'), 'private_key_jwt is not announced')
  say('discovery')

  const tokens = await openid.clientCredentialsGrant(config, { scope: 'statistics:read' })
  assertEqual(tokens.scope, 'statistics:read', 'the scope of the client')
  say('client_credentials', { scope: tokens.scope })

  const told = await openid.tokenIntrospection(config, tokens.access_token)
  assert(told.active && told.client_id === clientId, 'introspection does not know the token')
  say('introspection')

  await openid.tokenRevocation(config, tokens.access_token)
  assertEqual((await openid.tokenIntrospection(config, tokens.access_token)).active, false, 'a revoked token is active')
  say('revocation')
}

try {
  await walk()
} catch (error) {
  const words = [error.name, error.message, error.code, error.error, error.error_description, error.cause?.message]
  console.error(words.filter((word) => typeof word === 'string').join(': '))
  process.exitCode = 1
}
