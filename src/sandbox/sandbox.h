/* The sandbox bank: a payment provider of its own, for development and tests; a process with its own durable ledger. */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

/* `foyer sandbox --data DIR --listen HOST:PORT`; argv from after the subcommand. Prints `ready http://...` and serves until SIGTERM. */
int sandbox_main(int argc, char *const *argv);

#endif
