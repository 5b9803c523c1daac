// Where a page leads on: within this site, and nowhere else.

/** The address of this path, if it is one of this very site; else of the fallback. */
export function ownAddress(path: string, fallback: string): string {
  const found = new URL(path.startsWith('/') ? path : fallback, location.origin)
  return found.origin === location.origin ? found.href : new URL(fallback, location.origin).href
}
