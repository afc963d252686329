// The rules of DN groups, IVR profiles, statistics and transactions, as far as the pages' tests need them.

/** A rule that is broken: where, in the words of the server, and with its code. */
export const broken = (field, rule, code, values = {}) => ({ field, rule, code, values })

/** What the members of a group may be. */
const MEMBERS = { single_ports: ['extension'], acd_queues: ['virtual_queue', 'route_point'], routing_points: ['route_point'] }

export function ofDnGroup(setup, { type, members = [] }) {
  const numbers = members.map(({ dn }) => dn)
  const twice = numbers.find((dn, index) => numbers.indexOf(dn) !== index)
  const wanted = MEMBERS[type]
  const others = numbers.filter((dn) => wanted !== undefined && setup.get('dn', dn) !== undefined && !wanted.includes(setup.get('dn', dn).object.type))
  return [
    ...(twice === undefined ? [] : [broken('members', `the DN ${twice} stands there twice`, 'twice', { name: twice })]),
    ...others.map((dn) => broken('members', `the DN ${dn} is of another type`, 'dn_type', { id: dn, names: wanted.join(', ') })),
  ]
}

export function ofIvrProfile({ service_type: type, application, initial_page_url: page }) {
  const goesWith = (field, value, isNeeded) => {
    if (isNeeded && !value) return [broken(field, `it is needed beside service_type ${type}`, 'needed_with', { field: 'service_type' })]
    return !isNeeded && value ? [broken(field, `it has no meaning beside service_type ${type}`, 'only_with', { field: 'service_type' })] : []
  }
  const why = 'it must begin with https:// or http://'
  const isNoAddress = type === 'voicexml' && page && !/^https?:\/\//.test(page)
  return [
    ...goesWith('application', application, type === 'scxml'),
    ...goesWith('initial_page_url', page, type === 'voicexml'),
    ...(isNoAddress ? [broken('initial_page_url', why, 'url', { why })] : []),
  ]
}

const RATIOS = ['RelativeNumber', 'RelativeNumberPercentage', 'RelativeTimePercentage', 'ServiceFactor1']
const RANGED = ['TotalNumberInTimeRange', 'TotalNumberInTimeRangePercentage', 'ServiceFactor1', 'CurrentNumberInTimeRange']

/** What means nothing beside the category, and what the engine does not compute. */
export function ofStatistic({ category, subject, objects = [], relative, range_to_s: range, short_abandon_s: short, profile, window_s: length }) {
  const isSet = (value) => (value ?? null) !== null && !(Array.isArray(value) && value.length === 0)
  const onlyWith = (field, value, isMeant) => (isSet(value) && !isMeant ? [broken(field, `it has no meaning beside category ${category}`, 'only_with', { field: 'category' })] : [])
  const computes = (why, isSo) => (isSo ? [] : [broken('category', why, 'statistic', { why })])
  return [
    ...onlyWith('relative', relative, RATIOS.includes(category) || category === 'AverageTime'),
    ...onlyWith('range_to_s', range, RANGED.includes(category)),
    ...onlyWith('short_abandon_s', short, category === 'ServiceFactor1'),
    ...(profile === 'sliding' && !isSet(length) ? [broken('window_s', 'it is needed beside profile sliding', 'needed_with', { field: 'profile' })] : []),
    ...(profile !== 'sliding' && isSet(length) ? [broken('window_s', 'it has a meaning beside profile sliding alone', 'only_with', { field: 'profile' })] : []),
    ...computes('subject AgentStatus is for agents alone', subject !== 'AgentStatus' || objects.every((one) => one === 'Agent')),
  ]
}

/** All names, keys and values of one. */
const TRANSACTION_MOST = 65_536

export function ofTransaction({ sections = {} }) {
  const bytes = Object.entries(sections).flatMap(([section, values]) => [section, ...Object.entries(values ?? {}).flat()]).join('').length
  return bytes > TRANSACTION_MOST ? [broken('sections', `all its names, keys and values have more than ${TRANSACTION_MOST} bytes`, 'too_large', { most: String(TRANSACTION_MOST) })] : []
}
