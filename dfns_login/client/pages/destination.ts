// Redirect targets, on this site only.

/** The URL of a path on this site; of the fallback if the path leads elsewhere. */
export function ownAddress(path: string, fallback: string): string {
  const found = new URL(path.startsWith('/') ? path : fallback, location.origin)
  return found.origin === location.origin ? found.href : new URL(fallback, location.origin).href
}
