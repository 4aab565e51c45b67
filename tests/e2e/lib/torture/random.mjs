/* Numbers that a seed repeats (mulberry32): each round of a run has its own, so that it can be run again alone. */
export class Random {
    constructor(seed, round = 0) {
        this.state = (Math.imul(seed ^ 0x9e3779b9, 2654435761) + Math.imul(round, 0x6d2b79f5)) >>> 0;
    }

    /* 0 <= x < 1 */
    next() {
        this.state = (this.state + 0x6d2b79f5) >>> 0;
        let t = this.state;
        t = Math.imul(t ^ (t >>> 15), t | 1);
        t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    }

    int(from, to) {
        return from + Math.floor(this.next() * (to - from + 1));
    }

    chance(share) {
        return this.next() < share;
    }

    pick(list) {
        return list[this.int(0, list.length - 1)];
    }
}
