/*
 * Sending a message, whichever way it came: what is checked before it waits for the writer, and what the writer does.
 * It yields the message or why there is none, and knows nothing of requests and answers.
 *
 * A message is known by its sender's client id for as long as it is kept: who asks again gets the same one,
 * and the same seq, whatever has happened to the chat since. Only authentication and the sender's rate come
 * before that.
 */
#ifndef CHAT_MESSAGE_SEND_H
#define CHAT_MESSAGE_SEND_H

#include "app/problem.h"
#include "chat/chat_call.h"

/* Why there is no message. */
struct send_refusal {
    enum problem problem;
    const char *field; /* 422: what is wrong; else NULL */
    const char *detail;
};

struct message_send {
    uint64_t chat_id, sender_id;
    struct str client_id;
    struct str body;        /* STR_NONE: a file is sent */
    struct str media_text;  /* id of that; STR_NONE: a text is */
    struct str reply_to_id; /* as it came; STR_NONE: none */
    /* Takes one from the allowance of the chat. False: it has none left, which the owner has noted. */
    bool (*take_room)(struct message_send *send);

    int64_t reply_to;  /* from here on set by message_send_check; number (log.h), 0: none */
    uint64_t media_id; /* 0: none */
    struct sent sent;
};

enum send_outcome {
    SEND_NEW,
    SEND_REPEATED, /* this was sent before */
    SEND_REFUSED,
    SEND_NO_ROOM, /* take_room said no */
};

struct send_result {
    enum send_outcome outcome;
    struct send_refusal refusal;
    struct chat_seen seen;
    struct message message;
};

/* False: refused. Strings are those of the form, which lives on. */
bool message_send_check(struct message_send *send, struct send_refusal *ret_refusal);

/* In apply, under the chat's shard. result must live until the effects have run; arena is for what is
 * read. */
ERR_MUST_USE enum err message_send_apply(struct chat_service *chat, struct writer_tx *tx,
                                         struct arena *arena, struct message_send *send,
                                         struct send_result *result);

#endif
