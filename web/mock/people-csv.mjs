// People as a table, as far as the pages' tests need it: no quotes.

const COLUMNS = ['user_name', 'first_name', 'last_name', 'email', 'password', 'privileges', 'disabled', 'agent_id', 'login_code', 'pin', 'place', 'wrap_up_s', 'skills']

export function peopleToCsv(people) {
  const rows = people.map(({ agent, ...person }) =>
    [
      person.user_name,
      person.first_name,
      person.last_name,
      person.email ?? '',
      '',
      (person.privileges ?? []).join('|'),
      person.disabled === true,
      agent?.id ?? '',
      agent?.login_code ?? '',
      '',
      agent?.default_place ?? '',
      agent?.wrap_up_s ?? '',
      (agent?.skills ?? []).map(({ skill, level }) => `${skill}=${level}`).join('|'),
    ].join(','),
  )
  return [COLUMNS.join(','), ...rows, ''].join('\r\n')
}

/** The edits of a table, or its faults; `present` finds a person. */
export function peopleFromCsv(text, present) {
  const [head = '', ...lines] = text.split(/\r?\n/).filter((line, index) => index === 0 || line !== '')
  const columns = head.split(',').map((name) => name.trim())
  const faults = columns.filter((name) => !COLUMNS.includes(name)).map((name) => ({ line: 1, column: name, rule: `there is no such column; there are ${COLUMNS.join(', ')}`, code: 'unknown_column', values: { names: COLUMNS.join(', ') } }))
  const edits = []
  const found = new Map()
  lines.forEach((line, index) => {
    const cells = Object.fromEntries(line.split(',').map((cell, at) => [columns[at], cell.trim()]))
    const edit = editOf(cells, present(cells.user_name), (column, rule, code, values = {}) => faults.push({ line: index + 2, column, rule, code, values }))
    found.set(cells.user_name, index + 2)
    edits.push(edit)
  })
  return { rows: lines.length, edits, faults, lines: found }
}

function editOf(cells, held, fault) {
  if (!cells.user_name) fault('user_name', 'it is needed', 'needed')
  if (cells.disabled !== undefined && !['true', 'false', ''].includes(cells.disabled)) fault('disabled', 'it is true or false', 'wrong_type', { wanted: 'flag' })
  if (cells.wrap_up_s && !/^\d+$/.test(cells.wrap_up_s)) fault('wrap_up_s', 'it is a whole number', 'wrong_type', { wanted: 'number' })
  const skills = (cells.skills ?? '').split('|').filter(Boolean).map((part) => ({ skill: part.split('=')[0], level: Number(part.split('=')[1]) }))
  if (skills.some(({ level }) => !Number.isInteger(level))) fault('skills', `${cells.skills} is not as Sales=5, with | between several`, 'levels', { part: cells.skills })
  const object = {
    ...(held ?? { email: null, privileges: [], disabled: false }),
    user_name: cells.user_name,
    first_name: cells.first_name ?? held?.first_name,
    last_name: cells.last_name ?? held?.last_name,
    ...(cells.email === undefined ? {} : { email: cells.email || null }),
    ...(cells.password ? { password: cells.password } : {}),
    ...(cells.privileges === undefined ? {} : { privileges: cells.privileges.split('|').filter(Boolean) }),
    ...(cells.disabled === undefined ? {} : { disabled: cells.disabled === 'true' }),
    ...(cells.agent_id === undefined ? {} : { agent: cells.agent_id === '' ? null : { ...held?.agent, id: cells.agent_id, login_code: cells.login_code || cells.agent_id, default_place: cells.place || null, skills } }),
  }
  return { kind: 'person', id: cells.user_name, action: 'put', object }
}
