/*
 * The sandbox bank: a payment provider of its own, for development, demos and tests; a process with
 * its own durable ledger. Cards are play cards, everything else is meant as a real provider does
 * it: sessions, idempotency keys, a page to pay on, signed callbacks that are repeated until they
 * arrive, refunds. See docs/sandbox-bank.md for its API.
 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

/* `foyer sandbox --data DIR --listen HOST:PORT [--secret SECRET] [--callback-ca FILE]`; argv from
 * after the subcommand. Without
 * --secret it is read from DIR/secret, else it is the development secret. Prints `ready http://...`
 * and serves until SIGTERM. */
int sandbox_main(int argc, char *const *argv);

#endif
