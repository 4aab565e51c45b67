/*
 * The key that secrets in the database are sealed with (XSalsa20-Poly1305, libsodium's secretbox):
 * from --hooks-key, or made once into DATA/hooks.key (mode 0600), for a database that is sealed with none yet. A copy of the database alone gives
 * nobody a secret. Immutable once made; any thread.
 */
#ifndef HOOKS_KEYRING_H
#define HOOKS_KEYRING_H

#include "app/config.h"
#include "base/arena.h"
#include "store/db.h"

struct keyring;

/* Before the writer's thread runs. Why it failed is logged. ERR_INVALID: not a key of 32 bytes; ERR_NOT_FOUND:
 * there is none, and the database has one; ERR_IO. */
ERR_MUST_USE enum err keyring_new(const struct config *config, struct db *writer_db,
                                  struct keyring **ret_keyring);
/* The same without making one: ERR_NOT_FOUND. Nothing is logged. */
ERR_MUST_USE enum err keyring_find(const struct config *config, struct keyring **ret_keyring);
void keyring_free(struct keyring *keyring); /* NULL is fine */
/* The same way: the key is the one that this database is sealed with, or the database
 * is new. ERR_CORRUPT: it is another one, as the log says. */
ERR_MUST_USE enum err keyring_check(const struct keyring *keyring, struct db *writer_db);
/* Sealed under a fresh nonce; STR_NONE when the arena is full. */
struct str keyring_seal(const struct keyring *keyring, struct arena *arena, struct str plain);
/* keyring_store.c: the database is sealed, with whatever key. */
ERR_MUST_USE enum err keyring_is_in_use(struct db *db, bool *ret_is_in_use);
/* ERR_CORRUPT: sealed with another key, or changed. ERR_NOMEM. */
ERR_MUST_USE enum err keyring_open(const struct keyring *keyring, struct arena *arena,
                                   struct str sealed, struct str *ret_plain);

#endif
