/* A TCP proxy before one or several servers, which cuts and stalls what goes through it. Its port stays the same while servers come and go. */
import net from 'node:net';
import { once } from 'node:events';

const pick = (list) => list[Math.floor(Math.random() * list.length)];

export class ChaosProxy {
    links = new Set();
    cuts = 0;
    stalls = 0;
    targets = []; /* URLs of servers that are up */

    static async start() {
        const proxy = new ChaosProxy();
        proxy.listener = net.createServer((socket) => proxy.#join(socket));
        proxy.listener.listen(0, '127.0.0.1');
        await once(proxy.listener, 'listening');
        proxy.listener.unref();
        proxy.url = `http://127.0.0.1:${proxy.listener.address().port}`;
        return proxy;
    }

    #join(client) {
        const target = pick(this.targets);
        if (!target) return client.destroy();
        const { hostname, port } = new URL(target);
        const server = net.connect(Number(port), hostname);
        const link = { client, server, target };
        this.links.add(link);
        for (const [from, to] of [[client, server], [server, client]]) {
            from.setNoDelay(true);
            from.on('error', () => {});
            from.on('close', () => {
                to.destroy();
                this.links.delete(link);
            });
            from.pipe(to);
        }
    }

    /* Breaks about this part of the connections, or those to one server. */
    cut(part = 1, target = null) {
        for (const link of [...this.links]) {
            if (Math.random() >= part || (target && link.target !== target)) continue;
            this.cuts++;
            link.client.resetAndDestroy();
            link.server.resetAndDestroy();
        }
    }

    /* Some stand still: what the server sends is not read, until they are freed. */
    stall(part) {
        for (const { client, server } of this.links) {
            if (Math.random() >= part) continue;
            this.stalls++;
            server.unpipe(client);
            server.pause();
        }
    }

    free() {
        for (const { client, server } of this.links) if (server.isPaused()) server.pipe(client);
    }

    stop() {
        this.listener.close();
        this.cut();
    }
}
