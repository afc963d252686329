/** The published names in statistics that the engine computes, with their words. */

import type { Options } from '../fields'

/** How a value is computed from actions. */
export const CATEGORIES: Options = [
  ['TotalNumber', 'setup.category.totalNumber'],
  ['TotalTime', 'setup.category.totalTime'],
  ['TotalAdjustedTime', 'setup.category.totalAdjustedTime'],
  ['MaxTime', 'setup.category.maxTime'],
  ['MinTime', 'setup.category.minTime'],
  ['MaxNumber', 'setup.category.maxNumber'],
  ['AverageTime', 'setup.category.averageTime'],
  ['RelativeNumber', 'setup.category.relativeNumber'],
  ['RelativeNumberPercentage', 'setup.category.relativeNumberPercentage'],
  ['RelativeTimePercentage', 'setup.category.relativeTimePercentage'],
  ['TotalNumberInTimeRange', 'setup.category.totalNumberInTimeRange'],
  ['TotalNumberInTimeRangePercentage', 'setup.category.totalNumberInTimeRangePercentage'],
  ['ServiceFactor1', 'setup.category.serviceFactor1'],
  ['CurrentNumber', 'setup.category.currentNumber'],
  ['CurrentTime', 'setup.category.currentTime'],
  ['CurrentAverageTime', 'setup.category.currentAverageTime'],
  ['CurrentMaxTime', 'setup.category.currentMaxTime'],
  ['CurrentMinTime', 'setup.category.currentMinTime'],
  ['CurrentNumberInTimeRange', 'setup.category.currentNumberInTimeRange'],
  ['CurrentState', 'setup.category.currentState'],
]

/** What is counted. */
export const SUBJECTS: Options = [
  ['DNAction', 'setup.statistic.dnAction'],
  ['AgentStatus', 'setup.statistic.agentStatus'],
]

/** Who or what may have it. */
export const OBJECT_TYPES: Options = [
  ['Agent', 'setup.statistic.agent'],
  ['Queue', 'setup.statistic.queue'],
  ['RoutePoint', 'setup.statistic.routePoint'],
  ['RegDN', 'setup.statistic.regDN'],
]

/** The atoms of all statistics. */
export const ACTIONS: Options = [
  ['LoggedIn', 'setup.action.loggedIn'],
  ['WaitForNextCall', 'setup.action.waitForNextCall'],
  ['NotReadyForNextCall', 'setup.action.notReadyForNextCall'],
  ['AfterCallWork', 'setup.action.afterCallWork'],
  ['CallDialing', 'setup.action.callDialing'],
  ['CallRinging', 'setup.action.callRinging'],
  ['CallOnHold', 'setup.action.callOnHold'],
  ['CallUnknown', 'setup.action.callUnknown'],
  ['CallConsult', 'setup.action.callConsult'],
  ['CallInternal', 'setup.action.callInternal'],
  ['CallOutbound', 'setup.action.callOutbound'],
  ['CallInbound', 'setup.action.callInbound'],
  ['CallObserving', 'setup.action.callObserving'],
  ['BeingMonitored', 'setup.action.beingMonitored'],
  ['BeingCoached', 'setup.action.beingCoached'],
  ['LoggedOut', 'setup.action.loggedOut'],
  ['AgentLogin', 'setup.action.agentLogin'],
  ['AgentLogout', 'setup.action.agentLogout'],
  ['CallRingingStarted', 'setup.action.callRingingStarted'],
  ['CallDialed', 'setup.action.callDialed'],
  ['CallInboundStarted', 'setup.action.callInboundStarted'],
  ['CallHeld', 'setup.action.callHeld'],
  ['CallRetrievedFromHold', 'setup.action.callRetrievedFromHold'],
  ['CallTransferTaken', 'setup.action.callTransferTaken'],
  ['CallTransferMade', 'setup.action.callTransferMade'],
  ['CallConferenceMade', 'setup.action.callConferenceMade'],
  ['CallConferenceJoined', 'setup.action.callConferenceJoined'],
  ['CallAnswered', 'setup.action.callAnswered'],
  ['CallMissed', 'setup.action.callMissed'],
  ['CallAbandonedFromRinging', 'setup.action.callAbandonedFromRinging'],
  ['CallAbandonedFromDialing', 'setup.action.callAbandonedFromDialing'],
  ['CallInboundCompleted', 'setup.action.callInboundCompleted'],
  ['CallOutboundCompleted', 'setup.action.callOutboundCompleted'],
  ['CallInternalCompleted', 'setup.action.callInternalCompleted'],
  ['CallConsultCompleted', 'setup.action.callConsultCompleted'],
  ['CallUnknownCompleted', 'setup.action.callUnknownCompleted'],
  ['ACWCompleted', 'setup.action.acwCompleted'],
  ['CallWait', 'setup.action.callWait'],
  ['CallEntered', 'setup.action.callEntered'],
  ['CallDistributed', 'setup.action.callDistributed'],
  ['CallDistributedToQueue', 'setup.action.callDistributedToQueue'],
  ['CallAbandoned', 'setup.action.callAbandoned'],
  ['CallCleared', 'setup.action.callCleared'],
  ['CallReleased', 'setup.action.callReleased'],
]
