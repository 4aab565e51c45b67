/*
 * What was sent, what was acknowledged, what each device has seen and what the log says, held against each other: nothing acknowledged
 * is lost, nothing is there twice, the order is the same everywhere, seqs have no gap, nothing came from nowhere. The checker knows nothing
 * of the client or the server: everything in it is plain data, so that a test can damage it and see that it is found.
 */
const textOf = ({ type, body }) => (type === 'system' ? JSON.stringify(body) : body);
/* What is the same for everybody who looks at an entry; edits and deletes come as entries of their own. */
const bare = (entry) => ({ seq: entry.seq, id: entry.id, sender_id: entry.sender_id, client_id: entry.client_id, type: entry.type, text: textOf(entry), target: entry.target });
const isSame = (a, b) => JSON.stringify(a) === JSON.stringify(b);

export class Ledger {
    sends = []; /* {chatId, userId, clientId, text, acks: [{seq, id}], isGivenUp} */
    devices = []; /* {name, userId, histories: {chatId: [entry]}} */
    logs = {}; /* chatId: [entry], as HTTP shows it */
    members = {}; /* chatId: [userId] */
    taps = []; /* see Tap */

    copy() {
        return Object.assign(new Ledger(), structuredClone({ ...this, taps: this.taps.map(({ findings }) => ({ findings })) }));
    }

    send(chatId, userId, clientId, text) {
        const send = { chatId, userId, clientId, text, acks: [], isGivenUp: false };
        this.sends.push(send);
        return send;
    }

    device(name, userId) {
        const device = { name, userId, histories: {} };
        this.devices.push(device);
        return device;
    }

    static saw(device, chatId, entry) {
        (device.histories[chatId] ??= []).push(bare(entry));
    }

    /* The log of a chat, as read over HTTP. */
    read(chatId, entries) {
        this.logs[chatId] = entries.map(bare);
    }

    get acked() {
        return this.sends.filter(({ acks }) => acks.length > 0);
    }

    get open() {
        return this.sends.filter(({ acks, isGivenUp }) => acks.length === 0 && !isGivenUp);
    }

    /* The log of one chat in itself, and against what was sent. */
    #logFindings(chatId) {
        const log = this.logs[chatId];
        const findings = [];
        const known = new Map(this.sends.filter((send) => send.chatId === chatId).map((send) => [`${send.userId} ${send.clientId}`, send]));
        const seen = new Map();
        const ids = new Set();
        for (const [at, { seq, id, sender_id, client_id, type, text }] of log.entries()) {
            if (seq !== at + 1) findings.push(`${chatId}: seq ${seq} stands in place ${at + 1}`);
            if (ids.has(id)) findings.push(`${chatId} ${id}: twice in the log`);
            ids.add(id);
            if (type !== 'text') continue;
            const key = `${sender_id} ${client_id}`;
            if (seen.has(key)) findings.push(`${chatId} ${key}: in the log twice, as ${seen.get(key)} and ${seq}`);
            seen.set(key, seq);
            const send = known.get(key);
            if (!send) findings.push(`${chatId} ${seq}: nobody has sent it`);
            else if (send.text !== text) findings.push(`${chatId} ${seq}: another text than was sent`);
        }
        return findings;
    }

    /* Everything that was acknowledged, against the log. */
    #sendFindings({ chatId, userId, clientId, acks }) {
        const name = `${chatId} ${userId} ${clientId}`;
        const [first] = acks;
        if (!first) return [];
        if (acks.some((ack) => !isSame(ack, first))) return [`${name}: acknowledged as ${JSON.stringify(acks)}`];
        const entry = this.logs[chatId][first.seq - 1];
        const isThere = entry?.id === first.id && entry.client_id === clientId && entry.sender_id === userId;
        return isThere ? [] : [`${name}: acknowledged as ${first.seq}, and lost`];
    }

    /* What a device has of a chat, against the log. */
    #deviceFindings({ name, histories }, chatId) {
        const log = this.logs[chatId];
        const history = histories[chatId] ?? [];
        const seqs = history.map(({ seq }) => seq);
        const findings = [];
        for (let i = 0; i < seqs.length; i++) {
            const before = seqs[i - 1] ?? 0;
            if (seqs.indexOf(seqs[i]) < i) findings.push(`${name} ${chatId}: saw ${seqs[i]} twice`);
            else if (seqs[i] < before) findings.push(`${name} ${chatId}: saw ${seqs[i]} behind ${before}`);
            else if (seqs[i] > before + 1) findings.push(`${name} ${chatId}: saw nothing between ${before} and ${seqs[i]}`);
            if (!log[seqs[i] - 1]) findings.push(`${name} ${chatId}: saw ${seqs[i]}, which is not in the log`);
            else if (!isSame(history[i], log[seqs[i] - 1])) findings.push(`${name} ${chatId}: saw another ${seqs[i]} than is in the log`);
        }
        if ((seqs.at(-1) ?? 0) < log.length) findings.push(`${name} ${chatId}: the log ends at ${log.length}, it has ${seqs.at(-1) ?? 0}`);
        return findings;
    }

    /* What is wrong, in words. */
    findings() {
        const chatIds = Object.keys(this.logs);
        const findings = chatIds.flatMap((chatId) => this.#logFindings(chatId));
        for (const send of this.sends) findings.push(...this.#sendFindings(send));
        for (const { chatId, userId, clientId } of this.open) findings.push(`${chatId} ${userId} ${clientId}: was never answered`);
        for (const device of this.devices) {
            for (const chatId of chatIds) {
                if (this.members[chatId].includes(device.userId)) findings.push(...this.#deviceFindings(device, chatId));
                else if (device.histories[chatId]) findings.push(`${device.name} ${chatId}: saw a chat of others`);
            }
        }
        return [...findings, ...this.taps.flatMap((tap) => tap.findings)];
    }
}

/*
 * What one connection carries, before any client has made sense of it: the server itself must leave no gap and send nothing twice, behind the
 * cursors of the hello.
 */
export class Tap {
    findings = [];
    count = 0; /* of entries */
    #next = new Map();

    constructor(name) {
        this.name = name;
    }

    said(text) {
        const { t, cursors } = JSON.parse(text);
        if (t === 'hello') for (const [chatId, [, seq]] of Object.entries(cursors ?? {})) this.#next.set(chatId, seq + 1);
    }

    heard(text) {
        const { t, chat_id, seq, first_seq } = JSON.parse(text);
        if (t === 'resync') this.#next.set(chat_id, first_seq);
        else if (t === 'left') this.#next.delete(chat_id);
        else if (t === 'message') {
            this.count++;
            const wanted = this.#next.get(chat_id);
            if (wanted !== undefined && seq !== wanted) this.findings.push(`${this.name} ${chat_id}: the stream has ${seq} where ${wanted} belongs`);
            this.#next.set(chat_id, seq + 1);
        }
    }
}
