// Signs in at an installation with a client library that is not ours (openid-client), as a program for a person would, and as a program for
// itself. Says each step as a line of JSON on stdout; ends with 0 when everything held. Says no secret, whatever happens.
//
// usage: OPENID_ISSUER=… OPENID_CLIENT=… OPENID_SECRET=… OPENID_USER=… OPENID_PASSWORD=… node e2e/openid.mjs
//
//   OPENID_ISSUER      the issuer, as `demo.json` has it: http on this machine, else https; NODE_EXTRA_CA_CERTS names the authority of a
//                      certificate that no public one has signed
//   OPENID_TENANT      the tenant, where there are several
//   OPENID_REDIRECT    a redirect URI of the client; nothing need listen there

import { webcrypto } from 'node:crypto'
import { assert, assertEqual } from './checks.mjs'

// Node.js 18, which Debian 12 has, does not show them by itself.
globalThis.crypto ??= webcrypto
globalThis.CryptoKey ??= webcrypto.CryptoKey
const openid = await import('openid-client')

const PATIENCE_S = 60
/** More redirects than the way of a sign-in has. */
const REDIRECTS_MAX = 5
const SCOPE = 'openid profile email'

function setting(name, otherwise) {
  const value = process.env[name] ?? otherwise
  if (value === undefined) {
    console.error(`${name} is not set`)
    process.exit(2)
  }
  return value
}

const issuer = new URL(setting('OPENID_ISSUER'))
const tenant = setting('OPENID_TENANT', '')
const clientId = tenant === '' ? setting('OPENID_CLIENT') : `${tenant}/${setting('OPENID_CLIENT')}`
const secret = setting('OPENID_SECRET')
const user = setting('OPENID_USER')
const password = setting('OPENID_PASSWORD')
const redirectUri = setting('OPENID_REDIRECT', 'http://127.0.0.1:9/callback')

// === a browser, as far as a sign-in without scripts needs one ===

const cookies = new Map()

/** A request with the cookies of before; keeps what the answer sets, and follows nothing. */
async function visit(url, options = {}) {
  assertEqual(new URL(url).origin, issuer.origin, 'the sign-in leads elsewhere')
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  const headers = { ...options.headers, ...(cookie === '' ? {} : { cookie }) }
  const response = await fetch(url, { ...options, headers, redirect: 'manual', signal: AbortSignal.timeout(PATIENCE_S * 1_000) })
  for (const line of response.headers.getSetCookie()) {
    const [pair, ...attributes] = line.split(';').map((part) => part.trim())
    const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]
    const flags = attributes.map((attribute) => attribute.toLowerCase())
    assert(flags.includes('httponly') && flags.includes('samesite=lax'), `the cookie ${name} is not HttpOnly and SameSite=Lax`)
    assertEqual(flags.includes('secure'), issuer.protocol === 'https:', `the cookie ${name} is Secure`)
    if (flags.includes('max-age=0')) cookies.delete(name)
    else cookies.set(name, value)
  }
  return response
}

function unescaped(text) {
  const plain = { quot: '"', '#39': "'", lt: '<', gt: '>', amp: '&' }
  return text.replaceAll(/&(quot|#39|lt|gt|amp);/g, (_, name) => plain[name])
}

function attribute(tag, name) {
  const found = new RegExp(`\\s${name}="([^"]*)"`).exec(tag)
  return found === null ? undefined : unescaped(found[1])
}

/** Sends the form of a page, filled in. */
async function fillIn(url, page) {
  const form = /<form\b[^>]*>/.exec(page)?.[0]
  assert(form !== undefined && attribute(form, 'method') === 'post', 'the sign-in page has no form that is posted')
  const typed = { username: user, password, tenant }
  const fields = new URLSearchParams()
  for (const [tag] of page.matchAll(/<input\b[^>]*>/g)) {
    const name = attribute(tag, 'name')
    fields.append(name, typed[name] ?? attribute(tag, 'value') ?? '')
  }
  const headers = { origin: issuer.origin, 'sec-fetch-site': 'same-origin' }
  return visit(new URL(attribute(form, 'action') ?? url, url), { method: 'POST', body: fields, headers })
}

/** Goes where an authorization request leads, through the page if it is shown, back to the program; the answer is the URL there. */
async function backAtTheProgram(authorizationUrl) {
  let url = authorizationUrl
  let response = await visit(url)
  for (let redirects = 0; redirects < REDIRECTS_MAX; redirects += 1) {
    if (response.status === 200) {
      assert(!wasAsked, 'the password is asked for again')
      wasAsked = true
      response = await fillIn(url, await response.text())
    }
    assertEqual(response.status, 303, `the status at ${url.pathname}`)
    url = new URL(response.headers.get('location'), url)
    if (url.href.startsWith(`${redirectUri}?`)) return url
    response = await visit(url)
  }
  throw new Error('the sign-in goes round in circles')
}

let wasAsked = false

// === the steps ===

function say(step, found = {}) {
  console.log(JSON.stringify({ step, ...found }))
}

/** The error of OAuth that a request ends in. */
async function refusal(request) {
  try {
    await request
  } catch (error) {
    if (error instanceof openid.ResponseBodyError || error instanceof openid.AuthorizationResponseError) return error.error
    if (error instanceof openid.WWWAuthenticateChallengeError) return error.cause[0].parameters.error
    throw error
  }
  throw new Error('what must be refused is not')
}

async function discover(authentication) {
  const execute = issuer.protocol === 'http:' ? [openid.allowInsecureRequests] : []
  // The signature of ID tokens is checked although they come straight from the issuer.
  execute.push(openid.enableNonRepudiationChecks)
  return openid.discovery(issuer, clientId, undefined, authentication, { execute, timeout: PATIENCE_S })
}

/** Asks for a code with everything that ties it to this request. */
async function request(config, further = {}) {
  const verifier = openid.randomPKCECodeVerifier()
  const [state, nonce] = [openid.randomState(), openid.randomNonce()]
  const url = openid.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: SCOPE,
    state,
    nonce,
    code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...further,
  })
  return { url, checks: { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true } }
}

async function signIn(config, further) {
  const { url, checks } = await request(config, further)
  return openid.authorizationCodeGrant(config, await backAtTheProgram(url), checks)
}

async function walk() {
  const config = await discover(openid.ClientSecretBasic(secret))
  const metadata = config.serverMetadata()
  assertEqual(metadata.issuer, issuer.href, 'the issuer')
  assert(metadata.supportsPKCE('S256'), 'PKCE with S256 is not announced')
  say('discovery', { issuer: metadata.issuer })

  const tokens = await signIn(config)
  const claims = tokens.claims()
  assertEqual(claims.aud, clientId, 'the audience of the ID token')
  assert(wasAsked, 'nobody was asked for a password')
  say('authorization_code', { subject: claims.sub, scope: tokens.scope })

  const info = await openid.fetchUserInfo(config, tokens.access_token, claims.sub)
  assertEqual(info.preferred_username, claims.preferred_username, 'the user name of userinfo and ID token')
  say('userinfo', { subject: info.sub })

  // Signed in: no page comes between.
  const silent = await signIn(config, { prompt: 'none', id_token_hint: tokens.id_token, max_age: '600' })
  assertEqual(silent.claims().sub, claims.sub, 'who is signed in')
  assertEqual(silent.claims().auth_time, claims.auth_time, 'when the password was shown')
  say('silent')

  const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token)
  assert(refreshed.refresh_token !== tokens.refresh_token, 'a refresh token is not rotated')
  assertEqual(refreshed.claims().sub, claims.sub, 'the subject after a refresh')
  const narrowed = await openid.refreshTokenGrant(config, refreshed.refresh_token, { scope: 'openid' })
  assertEqual(narrowed.scope, 'openid', 'the scope of a refresh that asks for less')
  say('refresh', { scope: narrowed.scope })

  const told = await openid.tokenIntrospection(config, refreshed.access_token)
  assert(told.active && told.sub === claims.sub && told.iss === metadata.issuer, 'introspection does not know the token')
  say('introspection', { scope: told.scope })

  await openid.tokenRevocation(config, refreshed.access_token)
  assertEqual((await openid.tokenIntrospection(config, refreshed.access_token)).active, false, 'a revoked token is active')
  assertEqual(await refusal(openid.fetchUserInfo(config, refreshed.access_token, claims.sub)), 'invalid_token', 'userinfo')
  await openid.tokenRevocation(config, narrowed.refresh_token)
  assertEqual(await refusal(openid.refreshTokenGrant(config, narrowed.refresh_token)), 'invalid_grant', 'a revoked refresh token')
  say('revocation')

  const own = await openid.clientCredentialsGrant(config, { scope: 'statistics:read' })
  assertEqual(own.scope, 'statistics:read', 'the scope of the client')
  const inTheForm = await discover(openid.ClientSecretPost(secret))
  assertEqual((await openid.clientCredentialsGrant(inTheForm, { scope: 'statistics:read' })).scope, own.scope, 'the secret in the form')
  say('client_credentials', { scope: own.scope })

  const state = openid.randomState()
  const out = openid.buildEndSessionUrl(config, { post_logout_redirect_uri: redirectUri, id_token_hint: silent.id_token, state })
  const left = await visit(out)
  assertEqual([left.status, left.headers.get('location')], [303, `${redirectUri}?state=${state}`], 'the way back from signing out')
  const { url, checks } = await request(config, { prompt: 'none' })
  const asked = openid.authorizationCodeGrant(config, await backAtTheProgram(url), checks)
  assertEqual(await refusal(asked), 'login_required', 'after signing out')
  assertEqual(await refusal(openid.refreshTokenGrant(config, silent.refresh_token)), 'invalid_grant', 'a refresh token after signing out')
  say('end_session')
}

/** What went wrong, without what a server or a library may have put into it. */
function inWords(error) {
  const words = [error.name, error.message, error.code, error.error, error.error_description, error.cause?.message]
  const text = words.filter((word) => typeof word === 'string').join(': ')
  return [secret, password].reduce((left, hidden) => left.replaceAll(hidden, '…'), text)
}

try {
  await walk()
} catch (error) {
  console.error(inWords(error))
  process.exitCode = 1
}
