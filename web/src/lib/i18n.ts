/** The texts of these pages in the language of who looks: `t('trace.title', { call })`. Which there are stands in src/locales. */

import { setupI18n, type Messages } from '@lingui/core'
import english from '../locales/generated/en'
import type { Texts } from '../locales/generated/texts'

/** A browser that asks for none of them gets the first. */
export const LANGUAGES = ['en', 'de'] as const
export type Language = (typeof LANGUAGES)[number]

const i18n = setupI18n({ locale: 'en', messages: { en: english } })
const KEY = 'trunkline.language'

/** Texts that are loaded only where they are shown. */
const LOADED: Readonly<Record<Language, () => Promise<Messages>>> = {
  en: async () => english,
  de: async () => (await import('../locales/generated/de')).default,
}

/** The texts of an application or of some pages, which are loaded with them. */
const FURTHER = {
  topology: {
    en: async () => (await import('../locales/generated/topology/en')).default,
    de: async () => (await import('../locales/generated/topology/de')).default,
  },
  trace: {
    en: async () => (await import('../locales/generated/trace/en')).default,
    de: async () => (await import('../locales/generated/trace/de')).default,
  },
  'agent-setup': {
    en: async () => (await import('../locales/generated/agent-setup/en')).default,
    de: async () => (await import('../locales/generated/agent-setup/de')).default,
  },
  'agent-setup-forms': {
    en: async () => (await import('../locales/generated/agent-setup-forms/en')).default,
    de: async () => (await import('../locales/generated/agent-setup-forms/de')).default,
  },
  'sign-ins': {
    en: async () => (await import('../locales/generated/sign-ins/en')).default,
    de: async () => (await import('../locales/generated/sign-ins/de')).default,
  },
  'api-keys': {
    en: async () => (await import('../locales/generated/api-keys/en')).default,
    de: async () => (await import('../locales/generated/api-keys/de')).default,
  },
  'desktop-work': {
    en: async () => (await import('../locales/generated/desktop-work/en')).default,
    de: async () => (await import('../locales/generated/desktop-work/de')).default,
  },
  course: {
    en: async () => (await import('../locales/generated/course/en')).default,
    de: async () => (await import('../locales/generated/course/de')).default,
  },
  desktop: {
    en: async () => (await import('../locales/generated/desktop/en')).default,
    de: async () => (await import('../locales/generated/desktop/de')).default,
  },
  softphone: {
    en: async () => (await import('../locales/generated/softphone/en')).default,
    de: async () => (await import('../locales/generated/softphone/de')).default,
  },
  team: {
    en: async () => (await import('../locales/generated/team/en')).default,
    de: async () => (await import('../locales/generated/team/de')).default,
  },
} as const satisfies Record<string, Readonly<Record<Language, () => Promise<Messages>>>>

/** The texts that need nothing to be said. */
export type PlainText = { [K in keyof Texts]: Texts[K] extends undefined ? K : never }[keyof Texts]

/** A text with what it needs. */
export function t<K extends keyof Texts>(name: K, ...values: Texts[K] extends undefined ? [] : [Texts[K]]): string {
  return i18n._(name, values[0])
}

/** A whole number as the language writes it. */
export function grouped(value: number): string {
  return i18n.number(value, { maximumFractionDigits: 0 })
}

/** The language that is shown. */
export function language(): Language {
  return known(i18n.locale) ?? 'en'
}

/** The kept language, or the first of the browser's that there is. */
export function keptLanguage(): Language {
  const wanted = [localStorage.getItem(KEY) ?? '', ...navigator.languages]
  return wanted.map((name) => known(name.split('-')[0] ?? '')).find((found) => found !== undefined) ?? 'en'
}

/** Shows a language; to be called before the first paint. */
export async function showLanguage(chosen: Language): Promise<void> {
  i18n.loadAndActivate({ locale: chosen, messages: await LOADED[chosen]() })
  document.documentElement.lang = chosen
}

/** Adds such texts in the language that is shown; to be called before the first page that says them. */
export async function addTexts(of: keyof typeof FURTHER): Promise<void> {
  i18n.load(language(), await FURTHER[of][language()]())
}

export function keepLanguage(chosen: Language): void {
  localStorage.setItem(KEY, chosen)
}

export function known(name: string): Language | undefined {
  return LANGUAGES.find((language) => language === name)
}
