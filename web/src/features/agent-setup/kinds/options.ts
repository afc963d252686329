/** The few names that fields hold, with their words. */

import type { Options } from '../fields'

export const PRIVILEGES: Options = [
  ['agent', 'setup.privilege.agent'],
  ['supervisor', 'setup.privilege.supervisor'],
  ['administrator', 'setup.privilege.administrator'],
  ['designer', 'setup.privilege.designer'],
  ['integrator', 'setup.privilege.integrator'],
  ['folder_administrator', 'setup.privilege.folderAdministrator'],
  ['view_dashboard', 'setup.privilege.viewDashboard'],
  ['view_dashboard_restricted', 'setup.privilege.viewDashboardRestricted'],
  ['manage_tabs', 'setup.privilege.manageTabs'],
  ['edit_widget_display', 'setup.privilege.editWidgetDisplay'],
  ['manage_widgets', 'setup.privilege.manageWidgets'],
  ['manage_shared_dashboards', 'setup.privilege.manageSharedDashboards'],
  ['manage_templates', 'setup.privilege.manageTemplates'],
  ['add_dashboards_without_limit', 'setup.privilege.addDashboards'],
  ['add_widgets_without_limit', 'setup.privilege.addWidgets'],
  ['manage_users', 'setup.privilege.manageUsers'],
]

/** What a reason is for. */
export const CODED_ACTIONS: Options = [
  ['not_ready', 'setup.actionCode.notReady'],
  ['ready', 'setup.actionCode.ready'],
  ['login', 'setup.actionCode.login'],
  ['logout', 'setup.actionCode.logout'],
  ['inbound_call', 'setup.actionCode.inboundCall'],
  ['outbound_call', 'setup.actionCode.outboundCall'],
  ['internal_call', 'setup.actionCode.internalCall'],
  ['transfer', 'setup.actionCode.transfer'],
  ['conference', 'setup.actionCode.conference'],
  ['busy_on', 'setup.actionCode.busyOn'],
  ['busy_off', 'setup.actionCode.busyOff'],
  ['forward_on', 'setup.actionCode.forwardOn'],
  ['forward_off', 'setup.actionCode.forwardOff'],
]

export const NO_ANSWER: Options = [
  ['none', 'setup.noAnswer.none'],
  ['not_ready', 'setup.noAnswer.notReady'],
  ['logout', 'setup.noAnswer.logout'],
]

/** An agent's highest level in a skill. */
export const LEVEL_MAX = 1_000

export const DN_TYPES: Options = [
  ['extension', 'setup.dn.extension'],
  ['route_point', 'setup.dn.routePoint'],
  ['virtual_queue', 'setup.dn.virtualQueue'],
  ['echo', 'setup.dn.echo'],
  ['announcement', 'setup.dn.announcement'],
]

/** Those in which calls wait. */
export const QUEUE_TYPES = ['route_point', 'virtual_queue'] as const

export const ENCRYPTION: Options = [
  ['off', 'setup.encryption.off'],
  ['offered', 'setup.encryption.offered'],
  ['required', 'setup.encryption.required'],
  ['dtls', 'setup.encryption.dtls'],
]

export const FEATURE_ACTIONS: Options = [
  ['login', 'setup.feature.login'],
  ['logout', 'setup.feature.logout'],
  ['ready', 'setup.feature.ready'],
  ['not_ready', 'setup.feature.notReady'],
  ['dnd_on', 'setup.feature.dndOn'],
  ['dnd_off', 'setup.feature.dndOff'],
  ['forward_always', 'setup.feature.forwardAlways'],
  ['forward_busy', 'setup.feature.forwardBusy'],
  ['forward_no_answer', 'setup.feature.forwardNoAnswer'],
  ['forward_unregistered', 'setup.feature.forwardUnregistered'],
  ['forward_off', 'setup.feature.forwardOff'],
  ['pickup', 'setup.feature.pickup'],
  ['park', 'setup.feature.park'],
]

export const GRANTS: Options = [
  ['authorization_code', 'setup.grant.code'],
  ['refresh_token', 'setup.grant.refresh'],
  ['client_credentials', 'setup.grant.client'],
  ['password', 'setup.grant.password'],
  ['device_code', 'setup.grant.device'],
  ['jwt_bearer', 'setup.grant.assertion'],
]
