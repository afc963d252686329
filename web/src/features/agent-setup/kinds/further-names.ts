/** The few names that lists of these kinds show, with their words: lists are there before forms. */

import type { Options } from '../fields'

export const DN_GROUP_TYPES: Options = [
  ['single_ports', 'setup.dnGroup.singlePorts'],
  ['acd_queues', 'setup.dnGroup.acdQueues'],
  ['routing_points', 'setup.dnGroup.routingPoints'],
  ['network_ports', 'setup.dnGroup.networkPorts'],
  ['service_numbers', 'setup.dnGroup.serviceNumbers'],
]

export const DIALING_MODES: Options = [
  ['preview', 'setup.campaignGroup.preview'],
  ['progressive', 'setup.campaignGroup.progressive'],
  ['predictive', 'setup.campaignGroup.predictive'],
]

export const SERVICE_TYPES: Options = [
  ['voicexml', 'setup.ivrProfile.voiceXml'],
  ['scxml', 'setup.ivrProfile.scxml'],
]

export const TRANSACTION_TYPES: Options = [
  ['call_data', 'setup.transaction.callData'],
  ['business_attribute', 'setup.attribute'],
  ['business_situation', 'setup.transaction.businessSituation'],
  ['business_rule', 'setup.transaction.businessRule'],
  ['statistic_filter', 'setup.transaction.statisticFilter'],
  ['time_range', 'setup.transaction.timeRange'],
  ['time_profile', 'setup.transaction.timeProfile'],
  ['statistic_type', 'setup.transaction.statisticType'],
  ['statistic_metric', 'setup.transaction.statisticMetric'],
  ['macro', 'setup.transaction.macro'],
]
