// Every wait in these tests ends.

/** Gives `promise` that many milliseconds; `what` says in the failure what did not happen. */
export async function within(milliseconds, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${milliseconds} ms: ${what}`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Ends when the clock reaches `instant` (milliseconds): only for tests about the passing of time itself. */
export function clockReaches(instant) {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, instant - Date.now())));
}
