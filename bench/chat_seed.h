/*
 * What scenarios of chat start from: accounts with a session and a device each, and chats between
 * them, written into the database before the server starts, as rows that the API would have made.
 * User i has `directs` direct chats, with users i ^ 1, i ^ 2, i ^ 4 and so on, and is in one group,
 * with its neighbours. It lies in memory that all processes of a run share.
 */
#ifndef BENCH_CHAT_SEED_H
#define BENCH_CHAT_SEED_H

#include "child.h"

#define CHAT_SEED_TOKEN_SIZE  48
#define CHAT_SEED_NAME_SIZE   20 /* "cht_", 13 characters and NUL */
#define CHAT_SEED_DIRECTS_MAX 16

struct chat_seed_user {
    uint64_t id, device, session;
    char token[CHAT_SEED_TOKEN_SIZE];
};

struct chat_seed_chat {
    uint64_t id;
    char name[CHAT_SEED_NAME_SIZE]; /* its id as text */
    uint32_t first, count;          /* its members are seed->members[first...] */
};

struct chat_seed {
    /* Given. */
    uint32_t user_count; /* a multiple of 2 to the power of directs */
    uint32_t directs;
    uint32_t group_size; /* 0: no groups; the last one may be smaller, of two at least */
    /* Made. */
    uint32_t per_user;                 /* chats of each */
    uint32_t chat_count, direct_count; /* direct chats come first, groups behind them */
    struct chat_seed_user *users;
    struct chat_seed_chat *chats;
    uint32_t *members;
    uint32_t *chats_of; /* user i's are chats_of[i * per_user...]; the group last */
};

/* Before the server starts. */
ERR_MUST_USE enum err chat_seed_write(const struct child *child, struct chat_seed *seed);
void chat_seed_release(struct chat_seed *seed);
/* Which of the chat's members the user is; members are in order. */
uint32_t chat_seed_member(const struct chat_seed *seed, uint32_t chat, uint32_t user);
/* Which of the user's chats it is; per_user: none of them. */
uint32_t chat_seed_slot(const struct chat_seed *seed, uint32_t user, uint32_t chat);

#endif
