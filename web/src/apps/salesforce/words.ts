/** What the page says to the agent, in the language of the browser. The desktop in it has its own texts. */

const ENGLISH = {
  desktop: 'Desktop',
  open: 'Open the desktop in a window',
  unframed: 'This page is the softphone of a Salesforce org. It works in the utility bar of an org that the tenant lets in.',
  'no-library': 'The Open CTI library of the org cannot be loaded: ask your administrator.',
  waiting: 'If you are not signed in below, or nothing is shown, open the desktop in a window.',
  blocked: 'The browser has blocked the window: allow it for this page.',
  refused: 'You are signed in to a tenant that does not let this org in.',
  away: 'Log in at the desktop to take calls.',
  'not-at-work': 'Nothing was called: log in at the desktop first.',
  'not-dialled': 'The call was refused: the desktop shows why.',
  'wrong-number': 'That is no number that can be called.',
  offline: 'The desktop does not hear from the server: use your phone meanwhile. It tries again by itself.',
  unanswered: 'The desktop does not answer. Look at it before you press the number again.',
  'not-saved': 'The call could not be logged in Salesforce.',
  // Subjects of the tasks that calls are logged as.
  inbound: 'Call from {number}',
  outbound: 'Call to {number}',
  internal: 'Call with {number}',
  'no-number': 'an unknown number',
}

export type Said = keyof typeof ENGLISH

const GERMAN: Readonly<Record<Said, string>> = {
  desktop: 'Arbeitsplatz',
  open: 'Arbeitsplatz in einem Fenster öffnen',
  unframed: 'Diese Seite ist das Softphone einer Salesforce-Organisation. Sie arbeitet in deren Utility-Leiste, wenn der Mandant sie zulässt.',
  'no-library': 'Die Open-CTI-Bibliothek der Organisation lässt sich nicht laden: Fragen Sie Ihre Administration.',
  waiting: 'Wenn Sie unten nicht angemeldet sind oder nichts zu sehen ist, öffnen Sie den Arbeitsplatz in einem Fenster.',
  blocked: 'Der Browser hat das Fenster verhindert: Erlauben Sie es für diese Seite.',
  refused: 'Sie sind bei einem Mandanten angemeldet, der diese Organisation nicht zulässt.',
  away: 'Melden Sie sich am Arbeitsplatz zur Arbeit an, um Anrufe zu bekommen.',
  'not-at-work': 'Es wurde nichts gewählt: Melden Sie sich zuerst am Arbeitsplatz zur Arbeit an.',
  'not-dialled': 'Der Anruf wurde abgelehnt: Der Arbeitsplatz zeigt, warum.',
  'wrong-number': 'Diese Nummer lässt sich nicht anrufen.',
  offline: 'Der Arbeitsplatz hört nichts vom Server: Nehmen Sie solange Ihr Telefon. Er versucht es von selbst wieder.',
  unanswered: 'Der Arbeitsplatz antwortet nicht. Sehen Sie dort nach, bevor Sie die Nummer noch einmal drücken.',
  'not-saved': 'Der Anruf konnte in Salesforce nicht festgehalten werden.',
  inbound: 'Anruf von {number}',
  outbound: 'Anruf bei {number}',
  internal: 'Gespräch mit {number}',
  'no-number': 'unbekannter Nummer',
}

export type Words = Readonly<Record<Said, string>>

export const wordsIn = (language: string): Words => (/^de\b/i.test(language) ? GERMAN : ENGLISH)
