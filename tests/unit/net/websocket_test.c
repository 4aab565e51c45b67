/*
 * The WebSocket protocol as a client sees it, after the case classes of Autobahn's test suite: 1
 * framing, 2 pings and pongs, 3 reserved bits, 4 opcodes, 5 fragmentation, 6 UTF-8, 7 closing, 9
 * limits, 10 automatic fragmentation. Each case goes over the wire whole, byte by byte, and in
 * pieces of a prime number of bytes. The opening handshake is at the end.
 */
#include "net/websocket_rig.h"

#define FRAMES_MAX 12
#define FRAGMENTS  65536

struct frame {
    unsigned first;
    const char *payload; /* NUL-terminated; NULL: empty */
    size_t size;         /* of another payload: so many '*' */
};

/* One conversation. What is sent ends with a proper close where the story ends with c1000. */
struct story {
    const char *name;
    const char *told;
    struct frame frames[FRAMES_MAX];
};

#define END                                                                                        \
    {                                                                                              \
        CLOSE, "\x03\xe8", 0                                                                       \
    }

static char stars[WS_MAX];

static void start(void)
{
    struct websocket_options sockets = rig_sockets();
    memset(stars, '*', sizeof(stars));
    rig_start(&sockets);
}

static void send_pieces(int fd, struct str bytes, size_t piece)
{
    while (bytes.len > 0) {
        if (!client_send(fd, str_sub(bytes, 0, piece)))
            return; /* the server has heard enough: what it answered is compared */
        bytes = str_sub(bytes, piece, bytes.len);
    }
}

static void play_bytes(struct str bytes, size_t piece, const char *told)
{
    int fd = client_open();
    send_pieces(fd, bytes, piece);
    expect_story(fd, told);
    assert_int_equal(close(fd), 0);
}

static void play(const struct story *story)
{
    static const size_t pieces[] = {SIZE_MAX, 997, 1};
    struct buf bytes;
    buf_init(&bytes, 2 * WS_MAX);
    for (size_t i = 0; i < FRAMES_MAX && story->frames[i].first; i++) {
        const struct frame *frame = &story->frames[i];
        struct str payload =
            frame->size > 0 ? str_from(stars, frame->size) : str_from_c(frame->payload);
        put_frame(&bytes, frame->first, payload);
    }
    size_t count = bytes.len > 4096 ? 2 : 3; /* large ones not byte by byte */
    for (size_t i = 0; i < count; i++)
        play_bytes(buf_str(&bytes), pieces[i], story->told);
    buf_release(&bytes);
}

static void play_all(const struct story *stories, size_t count)
{
    start();
    for (size_t i = 0; i < count; i++) {
        print_message("  %s\n", stories[i].name);
        play(&stories[i]);
    }
    wait_for(rig_connections() == 0 && rig.opened == rig.closed);
    rig_stop();
}
#define PLAY_ALL(stories) play_all(stories, sizeof(stories) / sizeof((stories)[0]))

/* --- 1: framing --- */

static void test_frames_of_every_length_come_back(void **state)
{
    static const struct story stories[] = {
        {"empty text", "t()c1000().", {{FIN | TEXT}, END}},
        {"text", "t(Hello)c1000().", {{FIN | TEXT, "Hello"}, END}},
        {"text of 125", "t#125c1000().", {{FIN | TEXT, NULL, 125}, END}},
        {"text of 126", "t#126c1000().", {{FIN | TEXT, NULL, 126}, END}},
        {"text of 127", "t#127c1000().", {{FIN | TEXT, NULL, 127}, END}},
        {"text of 65535", "t#65535c1000().", {{FIN | TEXT, NULL, 65535}, END}},
        {"text of 65536", "t#65536c1000().", {{FIN | TEXT, NULL, 65536}, END}},
        {"empty binary", "b()c1000().", {{FIN | BIN}, END}},
        {"binary", "b(\xfe\xff)c1000().", {{FIN | BIN, "\xfe\xff"}, END}},
        {"binary of 126", "b#126c1000().", {{FIN | BIN, NULL, 126}, END}},
        {"binary of 65536", "b#65536c1000().", {{FIN | BIN, NULL, 65536}, END}},
        {"three in one",
         "t(a)b(b)t(c)c1000().",
         {{FIN | TEXT, "a"}, {FIN | BIN, "b"}, {FIN | TEXT, "c"}, END}},
    };
    (void)state;
    PLAY_ALL(stories);
}

/* --- 2: pings and pongs --- */

static void test_pings_are_answered_in_order(void **state)
{
    static const struct story stories[] = {
        {"empty", "p()c1000().", {{PING}, END}},
        {"text", "p(Hello)c1000().", {{PING, "Hello"}, END}},
        {"binary", "p(\xff\xfe)c1000().", {{PING, "\xff\xfe"}, END}},
        {"125 bytes", "p#125c1000().", {{PING, NULL, 125}, END}},
        {"126 bytes are too many", "c1002().", {{PING, NULL, 126}, END}},
        {"a pong nobody asked for", "c1000().", {{PONG}, END}},
        {"one with payload", "p(b)c1000().", {{PONG, "a"}, {PING, "b"}, END}},
        {"ten",
         "p(0)p(1)p(2)p(3)p(4)p(5)p(6)p(7)p(8)p(9)c1000().",
         {{PING, "0"},
          {PING, "1"},
          {PING, "2"},
          {PING, "3"},
          {PING, "4"},
          {PING, "5"},
          {PING, "6"},
          {PING, "7"},
          {PING, "8"},
          {PING, "9"},
          END}},
    };
    (void)state;
    PLAY_ALL(stories);
}

/* A reset would take the close frame away from a client that has not read it yet. */
static void test_who_is_refused_while_sending_still_hears_why(void **state)
{
    struct buf bytes;
    (void)state;
    start();
    buf_init(&bytes, 2 * WS_MAX);
    put_frame(&bytes, FIN | RSV1 | TEXT, STR("a"));
    put_frame(&bytes, FIN | BIN, str_from(stars, WS_MAX));
    for (int i = 0; i < 10; i++) {
        int fd = client_open();
        char byte;
        assert_true(client_send(fd, buf_str(&bytes)));
        expect_frame(fd, "c1002()");
        assert_int_equal(recv(fd, &byte, 1, 0), 0); /* the end, and no reset */
        assert_int_equal(close(fd), 0);
    }
    buf_release(&bytes);
    rig_stop();
}

/* --- 3 and 4: reserved bits and opcodes, masks and lengths --- */

static void test_reserved_bits_are_refused(void **state)
{
    static const struct story stories[] = {
        {"1", "c1002().", {{FIN | RSV1 | TEXT, "a"}, END}},
        {"2", "t(a)c1002().", {{FIN | TEXT, "a"}, {FIN | RSV2 | TEXT, "b"}, {PING}, END}},
        {"3", "t(a)c1002().", {{FIN | TEXT, "a"}, {FIN | RSV3 | BIN, "b"}, END}},
        {"1 and 2, empty", "c1002().", {{FIN | RSV1 | RSV2 | BIN}, END}},
        {"of a ping", "c1002().", {{RSV1 | PING, "a"}, END}},
        {"of a close", "c1002().", {{RSV1 | RSV2 | RSV3 | CLOSE}, END}},
        {"of a continuation", "c1002().", {{TEXT, "a"}, {FIN | RSV1 | CONT, "b"}, END}},
    };
    (void)state;
    PLAY_ALL(stories);
}

static void test_reserved_opcodes_are_refused(void **state)
{
    static const uint8_t opcodes[] = {3, 4, 5, 6, 7, 11, 12, 13, 14, 15};
    struct buf bytes;
    (void)state;
    start();
    buf_init(&bytes, 4096);
    for (size_t i = 0; i < 2 * sizeof(opcodes); i++) {
        buf_clear(&bytes);
        put_frame(&bytes, FIN | TEXT, STR("a"));
        put_frame(&bytes, FIN | opcodes[i / 2], i % 2 ? STR("x") : STR_NONE);
        put_frame(&bytes, PING, STR_NONE);
        play_bytes(buf_str(&bytes), SIZE_MAX, "t(a)c1002().");
        play_bytes(buf_str(&bytes), 1, "t(a)c1002().");
    }
    buf_release(&bytes);
    wait_for(rig.opened == rig.closed);
    assert_int_equal(rig.end, WEBSOCKET_END_PROTOCOL);
    rig_stop();
}

static void test_frames_must_be_masked_and_their_lengths_short(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } broken[] = {
        {"\x81\x01x", 3},                                      /* no mask */
        {"\x81\x00", 2},                                       /* nor on an empty one */
        {"\x89\x00", 2},                                       /* nor on a ping */
        {"\x81\xfe\x00\x01mask*", 9},                          /* 1 in two bytes */
        {"\x81\xff\x00\x00\x00\x00\x00\x00\xff\xffmask*", 15}, /* 65,535 in eight */
        {"\x81\xff\x80\x00\x00\x00\x00\x00\x00\x01mask*", 15}, /* beyond 2^63 */
        {"\x89\xfe\x00\x7fmask*", 9},                          /* a ping with a long length */
    };
    (void)state;
    start();
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        play_bytes(str_from(broken[i].bytes, broken[i].size), SIZE_MAX, "c1002().");
        play_bytes(str_from(broken[i].bytes, broken[i].size), 1, "c1002().");
    }
    rig_stop();
}

/* --- 5: fragmentation --- */

static void test_fragments_make_messages(void **state)
{
    static const struct story stories[] = {
        {"ping in two", "c1002().", {{PING & ~FIN, "a"}, {FIN | CONT, "b"}, END}},
        {"pong in two", "c1002().", {{PONG & ~FIN, "a"}, {FIN | CONT, "b"}, END}},
        {"text in two", "t(ab)c1000().", {{TEXT, "a"}, {FIN | CONT, "b"}, END}},
        {"binary in two", "b(ab)c1000().", {{BIN, "a"}, {FIN | CONT, "b"}, END}},
        {"a ping between", "p(x)t(ab)c1000().", {{TEXT, "a"}, {PING, "x"}, {FIN | CONT, "b"}, END}},
        {"a pong between", "t(ab)c1000().", {{TEXT, "a"}, {PONG, "x"}, {FIN | CONT, "b"}, END}},
        {"pings between five",
         "p(x)p(y)t(abcde)c1000().",
         {{TEXT, "a"},
          {CONT, "b"},
          {PING, "x"},
          {CONT, "c"},
          {CONT, "d"},
          {PING, "y"},
          {FIN | CONT, "e"},
          END}},
        {"a close between", "c1000().", {{TEXT, "a"}, END, {FIN | CONT, "b"}}},
        {"a part of none", "c1002().", {{FIN | CONT, "a"}, {FIN | TEXT, "b"}, END}},
        {"an empty part of none", "c1002().", {{CONT}, {FIN | TEXT, "b"}, END}},
        {"a part after the last",
         "t(ab)c1002().",
         {{TEXT, "a"}, {FIN | CONT, "b"}, {FIN | CONT, "c"}, END}},
        {"a new one inside", "c1002().", {{TEXT, "a"}, {FIN | TEXT, "b"}, END}},
        {"a binary one inside", "c1002().", {{TEXT, "a"}, {BIN, "b"}, END}},
        {"two after each other",
         "t(ab)b(cd)c1000().",
         {{TEXT, "a"}, {FIN | CONT, "b"}, {BIN, "c"}, {FIN | CONT, "d"}, END}},
        {"empty parts",
         "t()t(a)t(a)c1000().",
         {{TEXT},
          {CONT},
          {FIN | CONT},
          {TEXT},
          {CONT, "a"},
          {FIN | CONT},
          {TEXT, "a"},
          {CONT},
          {FIN | CONT},
          END}},
    };
    (void)state;
    PLAY_ALL(stories);
}

static void test_a_message_in_very_many_fragments(void **state)
{
    struct buf bytes;
    (void)state;
    start();
    buf_init(&bytes, 8 * WS_MAX);
    for (size_t i = 0; i < FRAGMENTS; i++) /* each of one byte */
        put_frame(&bytes, i == 0 ? TEXT : i + 1 < FRAGMENTS ? CONT : FIN | CONT, STR("."));
    put_frame(&bytes, CLOSE, STR_NONE);
    play_bytes(buf_str(&bytes), SIZE_MAX, "t#65536c().");
    play_bytes(buf_str(&bytes), 1300, "t#65536c().");
    buf_release(&bytes);
    wait_for(rig.closed == 2);
    assert_int_equal(rig.messages, 2);
    rig_stop();
}

/* --- 6: UTF-8 --- */

static const char *const utf8_valid[] = {
    "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
    "\xc2\x80",
    "\xdf\xbf",
    "\xe0\xa0\x80",
    "\xef\xbf\xbf",
    "\xed\x9f\xbf",
    "\xee\x80\x80",
    "\xef\xbf\xbd",
    "\xf0\x90\x80\x80",
    "\xf4\x8f\xbf\xbf",
    "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6-UTF-8!!",
    "12345678\xc2\x80",
    "1234567\xc2\x80",
    "\x7f",
    "\xef\xbf\xbe",
    "\xf0\x9f\xbf\xbe",
};

static const char *const utf8_broken[] = {
    "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64", /* a surrogate */
    "\x80",
    "\xbf",
    "\x80\xbf\x80",
    "\xc0\x80",
    "\xc1\xbf",
    "\xe0\x80\x80",
    "\xe0\x9f\xbf",
    "\xed\xa0\x80",
    "\xed\xbf\xbf",
    "\xed\xa0\x80\xed\xb0\x80",
    "\xf0\x80\x80\x80",
    "\xf0\x8f\xbf\xbf",
    "\xf4\x90\x80\x80",
    "\xf5\x80\x80\x80",
    "\xf8\x88\x80\x80\x80",
    "\xfc\x84\x80\x80\x80\x80",
    "\xfe",
    "\xff",
    "\xfe\xfe\xff\xff",
    "\xc2",
    "\xe1\x80",
    "\xf1\x80\x80",
    "\xc2 ",
    "\xe1\x80 ",
    "\xf1\x80\x80 ",
    "\xc2\xc2\x80",
    "12345678\x80",
    "\xce\xba\xce",
};

/* In one frame; and a byte a frame, in pieces of a byte. */
static void play_text(const char *text, const char *told)
{
    size_t len = strlen(text);
    struct buf bytes;
    buf_init(&bytes, 4096);
    put_frame(&bytes, FIN | TEXT, str_from_c(text));
    put_frame(&bytes, CLOSE, STR_NONE);
    play_bytes(buf_str(&bytes), SIZE_MAX, told);
    buf_clear(&bytes);
    for (size_t i = 0; i < len; i++) {
        put_frame(&bytes, i > 0 ? CONT : TEXT, str_from(text + i, 1));
        put_frame(&bytes, PONG, STR("\xff")); /* which is no text */
    }
    put_frame(&bytes, FIN | CONT, STR_NONE);
    put_frame(&bytes, CLOSE, STR_NONE);
    play_bytes(buf_str(&bytes), SIZE_MAX, told);
    play_bytes(buf_str(&bytes), 1, told);
    buf_release(&bytes);
}

static void test_text_is_utf8(void **state)
{
    char told[128];
    (void)state;
    start();
    for (size_t i = 0; i < sizeof(utf8_valid) / sizeof(utf8_valid[0]); i++) {
        (void)snprintf(told, sizeof(told), "t(%s)c().", utf8_valid[i]);
        play_text(utf8_valid[i], told);
    }
    for (size_t i = 0; i < sizeof(utf8_broken) / sizeof(utf8_broken[0]); i++)
        play_text(utf8_broken[i], "c1007().");
    wait_for(rig.opened == rig.closed);
    assert_int_equal(rig_stats().closed[WEBSOCKET_END_NOT_TEXT],
                     3 * sizeof(utf8_broken) / sizeof(utf8_broken[0]));
    assert_int_equal(rig_stats().partial_bytes, 0);
    rig_stop();
}

/* Not when the message is whole: the rest may never come. */
static void test_broken_text_ends_at_its_first_broken_byte(void **state)
{
    struct buf bytes;
    (void)state;
    start();
    buf_init(&bytes, 4096);
    put_frame(&bytes, TEXT, STR("\xce\xba\xf4"));
    put_frame(&bytes, CONT, STR("\x90"));
    int fd = client_open();
    assert_true(client_send(fd, buf_str(&bytes)));
    expect_story(fd, "c1007().");
    assert_int_equal(close(fd), 0);
    buf_clear(&bytes);
    put_frame(&bytes, FIN | TEXT,
              STR("abc\xff"
                  "never sent"));
    fd = client_open();
    assert_true(client_send(fd, str_sub(buf_str(&bytes), 0, 2 + 4 + 4)));
    expect_story(fd, "c1007().");
    assert_int_equal(close(fd), 0);
    buf_release(&bytes);
    rig_stop();
}

/* --- 7: closing --- */

static void test_what_comes_behind_a_close_is_not_heard(void **state)
{
    static const struct story stories[] = {
        {"text", "c1000().", {END, {FIN | TEXT, "a"}}},
        {"another close", "c1000().", {END, END}},
        {"a ping", "c1000().", {END, {PING, "a"}}},
        {"no code", "c().", {{CLOSE}, {PING}}},
        {"one byte", "c1002().", {{CLOSE, "\x03"}}},
        {"a reason", "c1000().", {{CLOSE, "\x03\xe8so long"}}},
        {"a number that is no code", "c1002().", {{CLOSE, NULL, 125}}},
        {"of 124", "c1002().", {{CLOSE, NULL, 126}}},
        {"a reason that is no text", "c1007().", {{CLOSE, "\x03\xe8\xce\xba\xff"}}},
        {"the service closes",
         "t(close me)c4000(as you wish).",
         {{FIN | TEXT, "close me"}, {FIN | TEXT, "not heard"}, {PING, "nor that"}, END}},
    };
    (void)state;
    PLAY_ALL(stories);
}

static void play_code(unsigned code, bool is_valid)
{
    char payload[128], told[32];
    struct buf bytes;
    buf_init(&bytes, 4096);
    payload[0] = (char)(code >> 8);
    payload[1] = (char)code;
    memset(payload + 2, '*', sizeof(payload) - 2);
    for (size_t len = 2; len <= 125; len += 123) {
        buf_clear(&bytes);
        put_frame(&bytes, CLOSE, str_from(payload, len));
        (void)snprintf(told, sizeof(told), "c%u().", is_valid ? code : 1002);
        play_bytes(buf_str(&bytes), SIZE_MAX, told);
    }
    buf_release(&bytes);
    wait_for(rig.opened == rig.closed);
    assert_int_equal(rig.end, is_valid ? WEBSOCKET_END_PEER : WEBSOCKET_END_PROTOCOL);
    assert_int_equal(rig.peer_code, is_valid ? (int)code : WEBSOCKET_ABNORMAL);
}

static void test_close_codes(void **state)
{
    static const unsigned valid[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
                                     1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
    static const unsigned broken[] = {0,    1,    999,  1004, 1005, 1006, 1015,
                                      1016, 1100, 2000, 2999, 5000, 65535};
    (void)state;
    start();
    for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++)
        play_code(valid[i], true);
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        play_code(broken[i], false);
    rig_stop();
}

/* --- 9 and 10: limits --- */

static void test_messages_up_to_the_limit(void **state)
{
    static const struct story stories[] = {
        {"all of it", "t#1048576c1000().", {{FIN | TEXT, NULL, WS_MAX}, END}},
        {"in parts",
         "b#1048576c1000().",
         {{BIN, NULL, 1}, {CONT, NULL, WS_MAX - 2}, {FIN | CONT, NULL, 1}, END}},
        {"one byte more, in parts",
         "c1009().",
         {{BIN, NULL, 1}, {CONT, NULL, WS_MAX - 2}, {CONT, NULL, 1}, {FIN | CONT, NULL, 1}, END}},
    };
    (void)state;
    PLAY_ALL(stories);
}

/* A length is judged when it is announced, not when it has come. */
static void test_a_message_over_the_limit_is_refused_at_its_head(void **state)
{
    static const size_t sizes[] = {WS_MAX + 1, (size_t)1 << 40, (size_t)1 << 62};
    struct buf bytes;
    (void)state;
    start();
    buf_init(&bytes, 4096);
    for (size_t i = 0; i < 3; i++) {
        buf_clear(&bytes);
        put_frame_head(&bytes, FIN | TEXT, sizes[i], true);
        buf_append_str(&bytes, STR("mask+"));
        play_bytes(buf_str(&bytes), SIZE_MAX, "c1009().");
        play_bytes(buf_str(&bytes), 1, "c1009().");
    }
    buf_release(&bytes);
    wait_for(rig.opened == rig.closed);
    assert_int_equal(rig_stats().closed[WEBSOCKET_END_TOO_BIG], 6);
    rig_stop();
}

static void test_many_messages_come_back_in_order(void **state)
{
    enum {
        MESSAGES = 20000
    };
    struct buf bytes, story;
    char text[32], told[40];
    (void)state;
    start();
    buf_init(&bytes, 2 * WS_MAX);
    buf_init(&story, 4096);
    for (int i = 0; i < MESSAGES; i++) {
        (void)snprintf(text, sizeof(text), "%d", i);
        put_frame(&bytes, FIN | TEXT, str_from_c(text));
    }
    int fd = client_open();
    /* More than the kernel holds for a client that does not read meanwhile, but it all comes in. */
    assert_true(client_send(fd, buf_str(&bytes)));
    for (int i = 0; i < MESSAGES; i++) {
        (void)snprintf(told, sizeof(told), "t(%d)", i);
        buf_clear(&story);
        assert_true(client_tell_frame(fd, &story));
        assert_str(buf_str(&story), told);
    }
    struct websocket_stats stats = rig_stats();
    assert_int_equal(stats.messages_in, MESSAGES);
    assert_int_equal(stats.frames_out, MESSAGES);
    assert_true(stats.writes < MESSAGES / 4); /* many frames each */
    assert_int_equal(close(fd), 0);
    buf_release(&bytes);
    buf_release(&story);
    rig_stop();
}

/* --- the opening handshake --- */

static int ask(const char *bytes, const char *expected_in_head)
{
    static char head[4096];
    int fd = client_connect_with(0);
    assert_true(client_send(fd, str_from_c(bytes)));
    int status = client_read_head(fd, head, sizeof(head));
    if (expected_in_head)
        assert_non_null(strstr(head, expected_in_head));
    else
        assert_null(strstr(head, "sec-websocket-accept"));
    assert_int_equal(close(fd), 0);
    return status;
}

#define ASK_BASE "GET /ws HTTP/1.1\r\nHost: a.b\r\n"
#define ASK_KEY  "Sec-WebSocket-Key: " WS_KEY "\r\n"
#define ASK_REST                                                                                   \
    "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
#define ASK_PROTOCOL "Sec-WebSocket-Protocol: other, foyer.chat.v1\r\n"

static void test_the_handshake_answers_as_in_the_standard(void **state)
{
    (void)state;
    start();
    const char *answer = "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    assert_int_equal(ask(WS_HEAD "\r\n", answer), 101);
    assert_int_equal(ask(ASK_BASE ASK_REST ASK_KEY ASK_PROTOCOL "\r\n", answer), 101);
    assert_int_equal(ask(WS_HEAD "\r\n", "sec-websocket-protocol: foyer.chat.v1\r\n"), 101);
    assert_int_equal(ask(WS_HEAD "\r\n", "Connection: upgrade\r\n"), 101);
    assert_int_equal(ask(WS_HEAD "\r\n", "upgrade: websocket\r\n"), 101);
    assert_int_equal(ask(WS_HEAD "Origin: https://a.b\r\n\r\n", answer), 101);
    assert_int_equal(ask(WS_HEAD "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", answer),
                     101);
    assert_int_equal(ask(ASK_BASE ASK_REST ASK_KEY "Sec-WebSocket-Protocol: other\r\n"
                                                   "Sec-WebSocket-Protocol: foyer.chat.v1\r\n\r\n",
                         answer),
                     101);
    wait_for(rig_connections() == 0);
    rig_stop();
}

static void test_what_is_no_handshake_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        int status;
        enum websocket_refusal refusal;
    } cases[] = {
        {ASK_BASE "\r\n", 426, WEBSOCKET_NOT_ASKED},
        {ASK_BASE "Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n", 426, WEBSOCKET_NOT_ASKED},
        {ASK_BASE "Upgrade: websocket\r\n" ASK_KEY ASK_PROTOCOL "Sec-WebSocket-Version: 13\r\n\r\n",
         400, WEBSOCKET_BAD_REQUEST},
        {ASK_BASE ASK_REST ASK_PROTOCOL "\r\n", 400, WEBSOCKET_BAD_REQUEST},
        {ASK_BASE ASK_REST ASK_PROTOCOL "Sec-WebSocket-Key: short\r\n\r\n", 400,
         WEBSOCKET_BAD_REQUEST},
        {ASK_BASE ASK_REST ASK_PROTOCOL "Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!==\r\n\r\n", 400,
         WEBSOCKET_BAD_REQUEST},
        {WS_HEAD ASK_KEY "\r\n", 400, WEBSOCKET_BAD_REQUEST},
        {WS_HEAD "Sec-WebSocket-Version: 13\r\n\r\n", 400, WEBSOCKET_BAD_REQUEST},
        {ASK_BASE ASK_KEY ASK_PROTOCOL "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 426,
         WEBSOCKET_BAD_VERSION},
        {ASK_BASE ASK_KEY ASK_PROTOCOL "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                       "Sec-WebSocket-Version: 8\r\n\r\n",
         426, WEBSOCKET_BAD_VERSION},
        {ASK_BASE ASK_REST ASK_KEY "\r\n", 400, WEBSOCKET_BAD_PROTOCOL},
        {ASK_BASE ASK_REST ASK_KEY "Sec-WebSocket-Protocol: foyer.chat.v2\r\n\r\n", 400,
         WEBSOCKET_BAD_PROTOCOL},
        {WS_HEAD "Origin: https://c.d\r\n\r\n", 403, WEBSOCKET_BAD_ORIGIN},
        {WS_HEAD "Origin: https://a.b.c.d\r\n\r\n", 403, WEBSOCKET_BAD_ORIGIN},
        {WS_HEAD "Origin: null\r\n\r\n", 403, WEBSOCKET_BAD_ORIGIN},
        {WS_HEAD "Origin: https://a.b\r\nOrigin: https://c.d\r\n\r\n", 403, WEBSOCKET_BAD_ORIGIN},
        {WS_HEAD "Content-Length: 1\r\n\r\nx", 400, WEBSOCKET_BAD_REQUEST},
    };
    (void)state;
    start();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(ask(cases[i].bytes, NULL), cases[i].status);
        assert_int_equal(rig.refusal, cases[i].refusal);
    }
    assert_int_equal(
        ask("POST /ws HTTP/1.1\r\nHost: a.b\r\n" ASK_REST ASK_KEY ASK_PROTOCOL "\r\n", NULL), 400);
    assert_int_equal(
        ask("GET /ws HTTP/1.0\r\nHost: a.b\r\n" ASK_REST ASK_KEY ASK_PROTOCOL "\r\n", NULL), 400);
    assert_int_equal(rig.opened, 0);
    assert_int_equal(rig_stats().refused[WEBSOCKET_BAD_ORIGIN], 4);
    rig_stop();
}

static void test_listed_origins_may_connect(void **state)
{
    static const char *const origins[] = {"https://app.c.d:8443", "https://e.f", NULL};
    struct websocket_options sockets = rig_sockets();
    (void)state;
    sockets.origins = origins;
    rig_start(&sockets);
    assert_int_equal(ask(WS_HEAD "Origin: https://e.f\r\n\r\n", "101"), 101);
    assert_int_equal(ask(WS_HEAD "Origin: https://APP.c.d:8443\r\n\r\n", "101"), 101);
    assert_int_equal(ask(WS_HEAD "Origin: https://app.c.d\r\n\r\n", NULL), 403);
    assert_int_equal(ask(WS_HEAD "Origin: http://e.f\r\n\r\n", NULL), 403);
    rig_stop();
}

/* A client need not wait for the answer. */
static void test_frames_that_come_with_the_request(void **state)
{
    char head[4096];
    struct buf bytes;
    (void)state;
    start();
    buf_init(&bytes, 65536);
    buf_append_str(&bytes, STR(WS_HEAD "\r\n"));
    put_frame(&bytes, FIN | TEXT, STR("early"));
    put_frame(&bytes, CLOSE, STR_NONE);
    for (size_t piece = 1; piece < bytes.len + 40; piece += 37) {
        int fd = client_connect_with(0);
        send_pieces(fd, buf_str(&bytes), piece);
        assert_int_equal(client_read_head(fd, head, sizeof(head)), 101);
        expect_story(fd, "t(early)c().");
        assert_int_equal(close(fd), 0);
    }
    buf_release(&bytes);
    rig_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_of_every_length_come_back),
        cmocka_unit_test(test_pings_are_answered_in_order),
        cmocka_unit_test(test_who_is_refused_while_sending_still_hears_why),
        cmocka_unit_test(test_reserved_bits_are_refused),
        cmocka_unit_test(test_reserved_opcodes_are_refused),
        cmocka_unit_test(test_frames_must_be_masked_and_their_lengths_short),
        cmocka_unit_test(test_fragments_make_messages),
        cmocka_unit_test(test_a_message_in_very_many_fragments),
        cmocka_unit_test(test_text_is_utf8),
        cmocka_unit_test(test_broken_text_ends_at_its_first_broken_byte),
        cmocka_unit_test(test_what_comes_behind_a_close_is_not_heard),
        cmocka_unit_test(test_close_codes),
        cmocka_unit_test(test_messages_up_to_the_limit),
        cmocka_unit_test(test_a_message_over_the_limit_is_refused_at_its_head),
        cmocka_unit_test(test_many_messages_come_back_in_order),
        cmocka_unit_test(test_the_handshake_answers_as_in_the_standard),
        cmocka_unit_test(test_what_is_no_handshake_is_refused),
        cmocka_unit_test(test_listed_origins_may_connect),
        cmocka_unit_test(test_frames_that_come_with_the_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
