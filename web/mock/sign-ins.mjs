// Who has signed in at the mock's tenant: what the page about sign-ins shows.

const PAGE_MOST = 500
const MINUTE = 60_000

const entry = (at, event, given) => ({ at: new Date(at).toISOString(), event, way: '', subject: '', by: '', client: '', session: '', source: '192.0.2.17', user_agent: 'Firefox', times: 1, ...given })

/** The latest first: one of each kind of thing that happens, and then many of one. */
export function exampleSignIns(now) {
  const ann = { subject: 'person/ada.adler' }
  const kinds = [
    ['signed_in', { ...ann, way: 'password', session: 's1' }],
    ['refused', { ...ann, way: 'password', times: 3 }],
    ['refused', { way: 'password' }],
    ['locked_out', { way: 'password' }],
    ['password_changed', { ...ann, session: 's1' }],
    ['second_factor_set', { ...ann, way: 'second_factor' }],
    ['second_factor_removed', ann],
    ['session_ended', { ...ann, by: 'person/grace.hopper' }],
    ['signed_out', { ...ann, way: 'everywhere' }],
    ['revoked', { ...ann, way: 'refresh_token', client: 'reports' }],
    ['token_family_reused', { ...ann, client: 'reports' }],
    ['client_token', { subject: 'client/reports', way: 'client_secret', client: 'reports', times: 12 }],
    ['key_rotated', {}],
  ]
  const first = kinds.map(([event, given], index) => entry(now - index * MINUTE, event, given))
  const many = Array.from({ length: 120 }, (_, index) => entry(now - (60 + index) * MINUTE, 'signed_in', { subject: 'person/ben.adler', way: 'second_factor', session: `b${index}` }))
  return [...first, ...many]
}

/** A page of them, as the server answers. */
export function signInsOf(all, query) {
  const given = (name) => query.get(name) ?? ''
  const found = all
    .filter(({ subject }) => given('person') === '' || subject.toLowerCase() === `person/${given('person')}`.toLowerCase())
    .filter(({ event }) => given('event') === '' || event === given('event'))
    .filter(({ at }) => given('since') === '' || Date.parse(at) >= Date.parse(given('since')))
    .filter(({ at }) => given('until') === '' || Date.parse(at) < Date.parse(given('until')))
  const from = Number(given('page_token') || '0')
  const size = Math.min(Number(given('page_size')) || PAGE_MOST, PAGE_MOST)
  return { items: found.slice(from, from + size), next_page_token: found.length > from + size ? String(from + size) : '' }
}
