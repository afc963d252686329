import { expect, test } from 'vitest'
import { addTexts } from '../../lib/i18n'
import { drawn, nothing } from './drawn-for-tests'
import { PromptAudio } from './PromptAudio'

await addTexts('agent-setup')
await addTexts('agent-setup-forms')

const drawnWith = (audio: readonly { readonly language: string; readonly sha256: string }[]): string =>
  drawn(<PromptAudio tenant="example" prompt={{ id: 'menu', revision: 3, object: { name: 'menu', file: 'menu.wav', audio } }} onChanged={nothing} />)

test('a prompt without audio says what is played, and offers an upload', () => {
  const html = drawnWith([])
  expect(html).toContain('Nothing was uploaded')
  expect(html).toMatch(/<input id="audio-file"[^>]*accept=".wav,audio\/wav"/)
  expect(html).toContain('>WAV file ')
})

test('each language can be listened to and removed, and another one be made the first', () => {
  const html = drawnWith([
    { language: 'en', sha256: '0a' },
    { language: 'de', sha256: '1b' },
  ])
  for (const words of ['Listen to en', 'Listen to de', 'Remove the recording in en', 'Remove the recording in de', 'Play de where no language is asked for']) expect(html).toContain(words)
  expect(html).not.toContain('Play en where no language is asked for')
})
