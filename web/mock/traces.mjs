export const traces = () => ({ calls: [] })
export const traceOf = () => undefined
export const callOfTheMock = '01a2b3'
