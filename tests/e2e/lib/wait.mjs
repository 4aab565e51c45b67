/* Waiting: never for a time, always for something, and never for ever. */
export async function until(probe, { timeout = 60000, every = 15, what = 'it' } = {}) {
    const deadline = performance.now() + timeout;
    let last;
    for (;;) {
        last = await probe();
        if (last) return last;
        if (performance.now() > deadline) throw new Error(`waited ${timeout} ms in vain for ${what}`);
        await new Promise((resolve) => setTimeout(resolve, every));
    }
}
