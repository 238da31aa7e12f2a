// Does one thing after the other, each [what, the seconds that it takes, action], and tells on standard error
// which of how many it is and how long all may take yet.
export async function inTurn(steps, say = (line) => process.stderr.write(`${line}\n`)) {
    const sum = (rest) => rest.reduce((total, [, seconds]) => total + seconds, 0);
    for (const [i, [what, , action]] of steps.entries()) {
        const left = sum(steps.slice(i));
        const time = left < 60 ? `${left} s` : `${Math.floor(left / 60)} min ${left % 60} s`;
        say(`${i + 1} of ${steps.length}: ${what} (about ${time} left)`);
        await action();
    }
}
