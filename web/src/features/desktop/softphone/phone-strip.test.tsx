import { createMemoryHistory, createRootRoute, createRouter, RouterContextProvider } from '@tanstack/react-router'
import { renderToStaticMarkup } from 'react-dom/server'
import { expect, test } from 'vitest'
import { addTexts } from '../../../lib/i18n'
import { afterPhone, NO_PHONE, type PhoneInput, type SoftphoneState } from '../softphone-state'
import { Strip } from './PhoneStrip'

await addTexts('softphone')

const router = createRouter({ routeTree: createRootRoute(), history: createMemoryHistory() })
const drawn = (...inputs: readonly PhoneInput[]): string => {
  const phone = inputs.reduce<SoftphoneState>(afterPhone, { ...NO_PHONE, phase: { kind: 'ready' } })
  return renderToStaticMarkup(
    <RouterContextProvider router={router}>
      <Strip phone={phone} />
    </RouterContextProvider>,
  )
}
const call = (id: string, number: string, phase: 'ringing' | 'talking'): PhoneInput => ({ kind: 'call', call: { id, number, phase } })

test('on other pages the phone says who rings, and is answered, muted and hung up', () => {
  expect(drawn()).toBe('')
  const ringing = drawn(call('1', '+4930', 'ringing'))
  for (const words of ['A call from +4930 rings.', 'Answer: +4930', 'Hang up: +4930', 'href="/desktop"']) expect(ringing).toContain(words)
  expect(ringing).not.toContain('Mute')
  const talking = drawn(call('1', '+4930', 'talking'), { kind: 'muted', isMuted: true }, call('2', '+331', 'ringing'))
  for (const words of ['You talk with +4930.', 'Mute', 'You are muted', 'A call from +331 rings.', 'Answer it at the desktop']) expect(talking).toContain(words)
  // Nobody would put the first one on hold.
  expect(talking).not.toContain('Answer: +331')
  expect(drawn({ kind: 'phase', phase: { kind: 'lost' } })).toContain('The phone is offline')
})
