import type { PlainText } from '../../../lib/i18n'
import type { Group } from '../fields'

const PARTS: readonly (readonly [string, PlainText])[] = [
  ['country', 'setup.location.country'],
  ['region', 'setup.location.region'],
  ['city', 'setup.location.city'],
  ['postal_code', 'setup.location.postalCode'],
  ['street', 'setup.location.street'],
  ['house_number', 'setup.location.houseNumber'],
  ['floor', 'setup.location.floor'],
  ['room', 'setup.location.room'],
  ['name', 'setup.location.name'],
  ['latitude', 'setup.location.latitude'],
  ['longitude', 'setup.location.longitude'],
]

/** Where something is, for emergency calls. */
export const LOCATION: Group = {
  title: 'setup.location',
  isFurther: true,
  within: { path: 'location', by: 'content' },
  fields: PARTS.map(([name, label]) => ({ kind: 'text', path: `location.${name}`, label })),
}
