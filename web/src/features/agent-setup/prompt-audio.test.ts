import { describe, expect, test } from 'vitest'
import { FILE_BYTES_MAX, isLanguage, loudnessOf, recordingsOf, whyUnfit, withFirst, withoutRecording, withRecording } from './prompt-audio'

const [EN, DE] = [
  { language: 'en', sha256: '0a' },
  { language: 'de', sha256: '1b' },
]

describe('the recordings of a prompt', () => {
  test('come from its document, whatever else is there', () => {
    expect(recordingsOf({ name: 'menu', audio: [EN, { language: 'de' }, 'x', DE] })).toEqual([EN, DE])
    expect(recordingsOf({ name: 'menu' })).toEqual([])
  })
  test('a new one takes the place of the one of its language, in any case', () => {
    expect(withRecording([EN, DE], { language: 'EN', sha256: '2c' })).toEqual([{ language: 'EN', sha256: '2c' }, DE])
    expect(withRecording([EN], DE)).toEqual([EN, DE])
  })
  test('one goes, and another comes first', () => {
    expect(withoutRecording([EN, DE], 'en')).toEqual([DE])
    expect(withFirst([EN, DE], 'de')).toEqual([DE, EN])
  })
})

test('languages are what the server takes for such', () => {
  expect(['en', 'de-AT', 'zh-Hant-TW'].filter(isLanguage)).toHaveLength(3)
  expect(['', '-en', 'en-', 'en_US', 'a'.repeat(36)].filter(isLanguage)).toEqual([])
})

test('files that the server refuses in any case are not sent', () => {
  expect(whyUnfit({ name: 'Welcome.WAV', size: 1 })).toBeUndefined()
  expect(whyUnfit({ name: 'welcome.mp3', size: 1 })).toBe('no-wav')
  expect(whyUnfit({ name: 'welcome.wav', size: FILE_BYTES_MAX + 1 })).toBe('too-large')
})

test('a recording is too loud, too quiet, or good', () => {
  expect([0, -3, -40].map(loudnessOf)).toEqual(['cut-off', 'good', 'quiet'])
})
