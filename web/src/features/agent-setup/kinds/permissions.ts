/** Folders with permissions, access groups and roles; and what every object may have. */

import type { Field, Group, Options } from '../fields'
import { PRIVILEGES } from './options'

const YES_NO: Options = [
  ['true', 'setup.folder.yes'],
  ['false', 'setup.folder.no'],
]
const NO_YES: Options = [
  ['false', 'setup.folder.no'],
  ['true', 'setup.folder.yes'],
]

export const RIGHTS: Options = [
  ['read', 'setup.right.read'],
  ['create', 'setup.right.create'],
  ['change', 'setup.right.change'],
  ['delete', 'setup.right.delete'],
  ['permissions', 'setup.right.permissions'],
]

/** Nothing is made in an object. */
const OBJECT_RIGHTS: Options = RIGHTS.filter(([right]) => right !== 'create')

const PROPERTIES: Field = { kind: 'sections', path: 'user_properties', label: 'setup.annex.properties', hint: 'setup.annex.propertiesHint' }

/** Who may do what with an object, together with what its folder says. */
const OWN_PERMISSIONS: Field = {
  kind: 'rows',
  path: 'own_permissions',
  label: 'setup.annex.permissions',
  hint: 'setup.annex.permissionsHint',
  add: 'setup.folder.addPermission',
  columns: [
    { kind: 'reference', name: 'group', label: 'setup.accessGroup', of: 'access_group', isOptional: true },
    { kind: 'reference', name: 'person', label: 'setup.folder.person', of: 'person', isOptional: true },
    { kind: 'many', name: 'rights', label: 'setup.folder.rights', options: OBJECT_RIGHTS },
    { kind: 'choice', name: 'no_access', label: 'setup.folder.noAccess', options: NO_YES, isFlag: true },
  ],
}

/** What an object of any kind may have besides. */
export const ANNEX: Group = {
  title: 'setup.annex',
  isFurther: true,
  fields: [{ kind: 'reference', of: 'folder', path: 'folder', label: 'setup.folder', hint: 'setup.annex.folderHint' }, PROPERTIES, OWN_PERMISSIONS],
}

/** The same of what is in no folder of its own. */
export const OWN_PROPERTIES: Group = { title: 'setup.annex.properties', isFurther: true, fields: [PROPERTIES] }

export const ACCESS_GROUP: readonly Group[] = [
  {
    title: 'setup.accessGroup',
    fields: [
      { kind: 'text', path: 'name', label: 'setup.name', hint: 'setup.accessGroup.nameHint', required: true, fixed: true },
      { kind: 'references', of: 'person', path: 'people', label: 'setup.people' },
      { kind: 'references', of: 'access_group', path: 'groups', label: 'setup.accessGroup.groups', hint: 'setup.accessGroup.groupsHint' },
    ],
  },
]

export const ROLE: readonly Group[] = [
  {
    title: 'setup.role',
    fields: [
      { kind: 'text', path: 'name', label: 'setup.name', required: true, fixed: true },
      { kind: 'many', path: 'privileges', label: 'setup.person.privileges', hint: 'setup.role.privilegesHint', options: PRIVILEGES },
      { kind: 'references', of: 'person', path: 'people', label: 'setup.people' },
      { kind: 'references', of: 'access_group', path: 'groups', label: 'setup.accessGroups', hint: 'setup.role.groupsHint' },
    ],
  },
]

export const FOLDER: readonly Group[] = [
  {
    title: 'setup.folder',
    fields: [
      { kind: 'text', path: 'path', label: 'setup.folder.path', hint: 'setup.folder.pathHint', required: true, fixed: true },
      { kind: 'text', path: 'description', label: 'setup.folder.description', isWide: true },
      {
        kind: 'rows',
        path: 'permissions',
        label: 'setup.folder.permissions',
        hint: 'setup.folder.permissionsHint',
        add: 'setup.folder.addPermission',
        columns: [
          { kind: 'reference', name: 'group', label: 'setup.accessGroup', of: 'access_group', isOptional: true },
          { kind: 'reference', name: 'person', label: 'setup.folder.person', of: 'person', isOptional: true },
          { kind: 'many', name: 'rights', label: 'setup.folder.rights', options: RIGHTS },
          { kind: 'choice', name: 'no_access', label: 'setup.folder.noAccess', options: NO_YES, isFlag: true },
          { kind: 'choice', name: 'propagate', label: 'setup.folder.propagate', options: YES_NO, isFlag: true },
        ],
      },
    ],
  },
]
