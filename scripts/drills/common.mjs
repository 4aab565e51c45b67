/* What the drills share: they run the real programs as an operator would, with buyers who know afterwards what they were told. */
import { run } from '../../tests/e2e/lib/server.mjs';

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Drill {
    constructor(name) {
        this.name = name;
        this.figures = [];
        this.problems = [];
    }

    step(text) {
        console.log(`${this.name}: ${text}`);
    }

    figure(name, value) {
        this.figures.push([name, value]);
    }

    expect(isTrue, what) {
        if (!isTrue) this.problems.push(what);
    }

    /* The result of fn; how many seconds it took becomes a figure. */
    async timed(name, fn) {
        const begun = performance.now();
        const result = await fn();
        this.figure(name, (performance.now() - begun) / 1000);
        return result;
    }

    async audit(dir, store = '') {
        const { code, stdout, stderr } = await run(['audit', '--data', dir], { env: store ? { FOYER_STORE: store } : {} });
        this.expect(code === 0, `the audit is not clean: ${stdout}${stderr}`);
    }

    /* Of what was acknowledged: seconds between the newest that is there and the last that was told, the data lost in terms of time. */
    rpo(witness, lost, untilMs = Infinity) {
        const gone = new Set(lost);
        const told = witness.facts.filter((fact) => fact.atMs <= untilMs);
        const kept = told.filter((fact) => !gone.has(fact));
        const last = (facts) => Math.max(...facts.map((fact) => fact.atMs));
        return kept.length === told.length ? 0 : (last(told) - last(kept)) / 1000;
    }

    /* Prints all and ends the process: 0 when everything was as expected. */
    end() {
        console.log(`\n${this.name}: ${this.problems.length ? 'FAILED' : 'ok'}`);
        for (const [name, value] of this.figures) console.log(`  ${name.padEnd(52)} ${value.toFixed(2).padStart(10)}`);
        for (const problem of this.problems) console.log(`  ${problem}`);
        process.exit(this.problems.length ? 1 : 0);
    }
}
