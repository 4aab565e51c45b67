/* The line between a client and a server, which a test cuts: requests and streams alike. */
import net from 'node:net';
import { once } from 'node:events';

export class Wire {
    #pairs = new Set();
    #state = 'open';
    #left = Infinity;

    /* The page's origin is the wire's: the server sees it as its own, because that is what Host says. */
    static async to(url) {
        const wire = new Wire();
        const { hostname, port } = new URL(url);
        wire.target = { host: hostname, port: Number(port) };
        wire.server = net.createServer((near) => wire.#join(near));
        wire.server.listen(0, '127.0.0.1');
        await once(wire.server, 'listening');
        wire.server.unref();
        wire.url = `http://127.0.0.1:${wire.server.address().port}`;
        return wire;
    }

    #join(near) {
        near.on('error', () => near.destroy());
        if (this.#state === 'cut') return near.destroy();
        const far = net.connect(this.target);
        const pair = { near, far };
        this.#pairs.add(pair);
        const end = () => {
            this.#pairs.delete(pair);
            near.destroy();
            far.destroy();
        };
        far.on('error', end).on('close', end);
        near.on('close', end);
        near.on('data', (bytes) => {
            far.write(bytes);
            this.#left -= bytes.length;
            if (this.#left < 0) this.cut();
        });
        far.on('data', (bytes) => this.#state === 'deaf' || near.write(bytes));
    }

    /* What is said arrives, and no answer comes back. */
    deafen() {
        this.#state = 'deaf';
    }

    /* Once so many bytes more were said. */
    cutAfter(bytes) {
        this.#left = bytes;
    }

    cut() {
        this.#left = Infinity;
        this.#state = 'cut';
        for (const { near, far } of this.#pairs) {
            near.destroy();
            far.destroy();
        }
    }

    mend() {
        this.#state = 'open';
    }

    stop() {
        this.cut();
        this.server.close();
    }
}
