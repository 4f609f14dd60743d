import { useEffect, useState } from 'preact/hooks'

export const themes = ['auto', 'light', 'dark'] as const
export type Theme = (typeof themes)[number]

const storedAs = 'flowd-theme'
const systemDark = matchMedia('(prefers-color-scheme: dark)')

/** chosenTheme is what was chosen before. A browser that keeps nothing gets the system's. */
export function chosenTheme(): Theme {
  try {
    return themes.find((theme) => theme === localStorage.getItem(storedAs)) ?? 'auto'
  } catch {
    return 'auto'
  }
}

/** applyTheme sets what the style sheet goes by. */
export function applyTheme(theme: Theme): void {
  document.documentElement.dataset['theme'] = theme
}

/** useTheme is the chosen theme, whether it is dark now, and how to choose another. */
export function useTheme(): { theme: Theme; dark: boolean; choose: (theme: Theme) => void } {
  const [theme, setTheme] = useState(chosenTheme)
  const [system, setSystem] = useState(systemDark.matches)
  useEffect(() => {
    const read = () => setSystem(systemDark.matches)
    systemDark.addEventListener('change', read)
    return () => systemDark.removeEventListener('change', read)
  }, [])
  const choose = (next: Theme) => {
    applyTheme(next)
    setTheme(next)
    try {
      localStorage.setItem(storedAs, next)
    } catch {
      // It holds for this visit, then.
    }
  }
  return { theme, dark: theme === 'auto' ? system : theme === 'dark', choose }
}

/** colour is a colour of the style sheet as a canvas takes it; name is that of a custom property. */
export function colour(name: string): string {
  // The value of a custom property is its text, such as light-dark(…); that of a property is a colour.
  const probe = document.createElement('i')
  probe.hidden = true
  probe.style.color = `var(${name})`
  document.body.append(probe)
  const resolved = getComputedStyle(probe).color
  probe.remove()
  return resolved
}

/** series are the colours of rows that are shown beside each other. */
export function series(): string[] {
  return [1, 2, 3, 4, 5, 6, 7, 8].map((n) => colour(`--series-${n}`))
}

export const calm = matchMedia('(prefers-reduced-motion: reduce)')
