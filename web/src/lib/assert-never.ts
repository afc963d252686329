/** Makes the compiler refuse a union that is not matched to its end. */
export function assertNever(value: never): never {
  throw new Error(`not a member of the union: ${JSON.stringify(value)}`)
}
