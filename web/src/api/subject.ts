/** For whom the pages write: the cookie may be another person's by now, who has signed in in another tab. */

const HEADER = 'X-Trunkline-Subject'

let subject: string | undefined
let isSame = true

/** `user` is whose pages they are, `is` whether it is this person who is signed in. */
export function writeAs(user: string | undefined, is: boolean): void {
  ;[subject, isSame] = [user, is]
}

export function mayWrite(): boolean {
  return isSame
}

/** Headers are ASCII, names need not be. */
export function subjectHeader(): Readonly<Record<string, string>> {
  return subject === undefined ? {} : { [HEADER]: encodeURIComponent(subject) }
}
