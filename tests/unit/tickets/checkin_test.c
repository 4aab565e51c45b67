/* Check-in: a code lets in once, wherever and however often it is shown. */
#include "served.h"

#include <pthread.h>

#include "tickets/ticket_view.h"

static struct answer answer; /* too large for a stack under a sanitizer */

static void code_of(struct served *served, const struct ticket *ticket,
                    char ret_code[static TICKET_CODE_SIZE])
{
    assert_int_equal(ticket_code_of(served->fixture->tickets, ticket, ret_code).len,
                     TICKET_CODE_LEN);
}

struct scan {
    const char *key, *code, *gate, *idempotency_key;
};

static int show(struct served *served, const struct scan *scan, struct answer *ret_answer)
{
    char body[512], gate[128] = "";
    if (scan->gate)
        (void)snprintf(gate, sizeof(gate), ",\"gate\":\"%s\"", scan->gate);
    (void)snprintf(body, sizeof(body), "{\"code\":\"%s\"%s}", scan->code, gate);
    struct ask ask = {.method = HTTP_POST,
                      .path = "/v1/check-ins",
                      .token = scan->key,
                      .body = body,
                      .idempotency_key = scan->idempotency_key};
    frame_ask(&served->frame, &ask, ret_answer);
    return ret_answer->status;
}

static int show_code(struct served *served, const char *key, const char *code)
{
    return show(served, &(struct scan){.key = key, .code = code}, &answer);
}

static void a_ticket_lets_in_once(void **state)
{
    struct served *served = *state;
    struct booking booking = served_buy(served, 2, 0, 0);
    struct served_tickets tickets = served_tickets(served, &booking);
    char code[TICKET_CODE_SIZE], text[64];
    code_of(served, &tickets.items[0], code);
    struct scan scan = {.key = ORGANIZER_KEY, .code = code, .gate = "North"};
    assert_int_equal(show(served, &scan, &answer), 200);
    assert_true(answer_text(&answer, "seat", "label", text, sizeof(text)));
    assert_string_equal(text, "Block A, 1-0");
    assert_true(answer_text(&answer, "ticket", "status", text, sizeof(text)));
    assert_string_equal(text, "used");
    scan.gate = "South";
    assert_int_equal(show(served, &scan, &answer), 409);
    assert_true(answer_text(&answer, NULL, "type", text, sizeof(text)));
    assert_string_equal(text, "already-used");
    assert_true(answer_text(&answer, NULL, "gate", text, sizeof(text)));
    assert_string_equal(text, "North");
    assert_true(answer_text(&answer, NULL, "first_at", text, sizeof(text)));
    code_of(served, &tickets.items[1], code);
    assert_int_equal(show_code(served, ORGANIZER_KEY, code), 200);
    struct fixture *fixture = served->fixture;
    assert_int_equal(
        fixture_count(fixture, "SELECT COUNT(*) FROM journal WHERE type = 'ticket.used'"), 2);
}

static void an_area_place_has_no_seat(void **state)
{
    struct served *served = *state;
    struct booking booking = served_buy(served, 2, 0, 1);
    char code[TICKET_CODE_SIZE];
    code_of(served, &served_tickets(served, &booking).items[2], code);
    assert_int_equal(show_code(served, DOOR_KEY, code), 200);
    assert_non_null(strstr(answer.body, "\"seat\":null,\"at\""));
    assert_non_null(strstr(answer.body, "\"name\":\"Floor\""));
}

/* The answer got lost: the scanner asks again under the same key, and it is no second visitor. */
static void the_same_key_gets_the_same_answer(void **state)
{
    struct served *served = *state;
    struct booking booking = served_buy(served, 2, 0, 0);
    char code[TICKET_CODE_SIZE];
    code_of(served, &served_tickets(served, &booking).items[0], code);
    struct scan scan = {.key = DOOR_KEY, .code = code, .idempotency_key = "scan-1"};
    assert_int_equal(show(served, &scan, &answer), 200);
    assert_null(answer_header(&answer, "idempotency-replayed"));
    assert_int_equal(show(served, &scan, &answer), 200);
    assert_non_null(answer_header(&answer, "idempotency-replayed"));
    scan.idempotency_key = "scan-2";
    assert_int_equal(show(served, &scan, &answer), 409);
}

static void a_revoked_ticket_is_gone(void **state)
{
    struct served *served = *state;
    struct booking booking = served_buy(served, 2, 0, 0);
    struct served_tickets tickets = served_tickets(served, &booking);
    char code[TICKET_CODE_SIZE];
    served_revoke(served, &tickets.items[0]);
    code_of(served, &tickets.items[0], code);
    assert_int_equal(show_code(served, ORGANIZER_KEY, code), 410);
    code_of(served, &tickets.items[1], code);
    assert_int_equal(show_code(served, ORGANIZER_KEY, code), 200);
}

static void forged_codes_are_unknown_and_leave_no_trace(void **state)
{
    struct served *served = *state;
    struct booking booking = served_buy(served, 2, 0, 0);
    struct ticket ticket = served_tickets(served, &booking).items[0];
    uint8_t public_key[ED25519_PUBLIC_SIZE], secret[ED25519_SECRET_SIZE];
    char code[TICKET_CODE_SIZE];
    crypto_ed25519_keypair(public_key, secret);
    struct ticket_code forged = {.key_id = 1,
                                 .event_id = ticket.event_id,
                                 .ticket_id = ticket.id,
                                 .place_no = ticket.seat_no};
    (void)ticket_code_sign(&forged, secret, code);
    assert_int_equal(show_code(served, ORGANIZER_KEY, code), 404);
    forged.key_id = 99; /* a key that never was */
    (void)ticket_code_sign(&forged, secret, code);
    assert_int_equal(show_code(served, ORGANIZER_KEY, code), 404);
    assert_int_equal(show_code(served, ORGANIZER_KEY, "hello"), 404);
    assert_int_equal(
        fixture_count(served->fixture, "SELECT COUNT(*) FROM ticket WHERE used_at IS NOT NULL"), 0);
    code_of(served, &ticket, code);
    assert_int_equal(show_code(served, ORGANIZER_KEY, code), 200);
}

static void a_signed_code_without_a_ticket_is_unknown(void **state)
{
    struct served *served = *state;
    struct booking booking = served_buy(served, 2, 0, 0);
    struct ticket ticket = served_tickets(served, &booking).items[0];
    char code[TICKET_CODE_SIZE];
    ticket.id += 1000000;
    code_of(served, &ticket, code);
    assert_int_equal(show_code(served, ORGANIZER_KEY, code), 404);
    ticket.event_id = 12345;
    code_of(served, &ticket, code);
    assert_int_equal(show_code(served, FRAME_ADMIN_KEY, code), 404);
}

static void only_those_of_the_event_check_in(void **state)
{
    struct served *served = *state;
    struct booking booking = served_buy(served, 2, 0, 0);
    struct served_tickets tickets = served_tickets(served, &booking);
    char code[TICKET_CODE_SIZE];
    code_of(served, &tickets.items[0], code);
    assert_int_equal(show_code(served, NULL, code), 401);
    assert_int_equal(show_code(served, BUYER_KEY, code), 403);
    assert_int_equal(show_code(served, OTHER_KEY, code), 404);
    assert_int_equal(show_code(served, DOOR_KEY, code), 200);
    code_of(served, &tickets.items[1], code);
    assert_int_equal(show_code(served, FRAME_ADMIN_KEY, code), 200);
}

static void bad_requests_name_their_field(void **state)
{
    struct served *served = *state;
    struct ask ask = {.method = HTTP_POST,
                      .path = "/v1/check-ins",
                      .token = DOOR_KEY,
                      .body = "{\"gate\":\"a\"}"};
    frame_ask(&served->frame, &ask, &answer);
    assert_int_equal(answer.status, 422);
    assert_non_null(strstr(answer.body, "\"field\":\"code\""));
    ask.body = "{\"code\":\"x\",\"gate\":\"a\\nb\"}";
    frame_ask(&served->frame, &ask, &answer);
    assert_int_equal(answer.status, 422);
    assert_non_null(strstr(answer.body, "\"field\":\"gate\""));
}

/* --- Many gates at the same time --- */

#define GATES 8

struct gate {
    struct served *served;
    const char *code;
    pthread_barrier_t *start;
    struct answer *answer;
};

static void *gate_main(void *ctx)
{
    struct gate *gate = ctx;
    (void)pthread_barrier_wait(gate->start);
    struct scan scan = {.key = DOOR_KEY, .code = gate->code};
    (void)show(gate->served, &scan, gate->answer);
    return NULL;
}

static void of_many_gates_one_lets_in(void **state)
{
    struct served *served = *state;
    struct booking booking = served_buy(served, 2, 0, 0);
    char code[TICKET_CODE_SIZE];
    pthread_t threads[GATES];
    struct gate gates[GATES];
    pthread_barrier_t start;
    struct answer *answers = calloc(GATES, sizeof(*answers));
    assert_non_null(answers);
    code_of(served, &served_tickets(served, &booking).items[0], code);
    assert_int_equal(pthread_barrier_init(&start, NULL, GATES), 0);
    for (size_t i = 0; i < GATES; i++) {
        gates[i] = (struct gate){served, code, &start, &answers[i]};
        assert_int_equal(pthread_create(&threads[i], NULL, gate_main, &gates[i]), 0);
    }
    int let_in = 0, refused = 0;
    for (size_t i = 0; i < GATES; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        let_in += answers[i].status == 200;
        refused += answers[i].status == 409;
    }
    (void)pthread_barrier_destroy(&start);
    free(answers);
    assert_int_equal(let_in, 1);
    assert_int_equal(refused, GATES - 1);
}

/* --- The bundle --- */

/* What a scanner without a network does, with nothing but the bundle. */
static void a_scanner_decides_by_the_bundle_alone(void **state)
{
    struct served *served = *state;
    struct booking booking = served_buy(served, 2, 0, 0);
    struct served_tickets tickets = served_tickets(served, &booking);
    char path[128], code[TICKET_CODE_SIZE], key_text[64], id[ID_TEXT_SIZE];
    uint8_t key[ED25519_PUBLIC_SIZE];
    size_t key_len;
    served_revoke(served, &tickets.items[0]);
    event_path(path, "/check-in-bundle");
    assert_int_equal(served_get(served, DOOR_KEY, path, &answer), 200);
    assert_true(answer_text(&answer, NULL, "public_key", key_text, sizeof(key_text)));
    assert_int_equal(base64url_decode(str_from_c(key_text), key, sizeof(key), &key_len), ERR_OK);
    code_of(served, &tickets.items[1], code);
    assert_true(ticket_code_verify(str_from_c(code), key));
    (void)id_format2(id, "tkt", FIXTURE_EVENT, tickets.items[1].id);
    assert_null(strstr(answer.body, id));
    (void)id_format2(id, "tkt", FIXTURE_EVENT, tickets.items[0].id);
    assert_non_null(strstr(answer.body, id));
    assert_non_null(strstr(answer.body, "\"code_format\":\"F1\""));
    assert_non_null(strstr(answer.body, "\"key_id\":1,"));
    assert_non_null(strstr(answer.body, "\"valid_count\":1}"));
}

static void strangers_get_no_bundle(void **state)
{
    struct served *served = *state;
    char path[128];
    event_path(path, "/check-in-bundle");
    assert_int_equal(served_get(served, NULL, path, &answer), 401);
    assert_int_equal(served_get(served, BUYER_KEY, path, &answer), 403);
    assert_int_equal(served_get(served, OTHER_KEY, path, &answer), 404);
    assert_int_equal(served_get(served, ORGANIZER_KEY, path, &answer), 200);
    assert_non_null(strstr(answer.body, "\"revoked\":[]"));
    assert_int_equal(served_get(served, ORGANIZER_KEY, "/v1/events/evt_x/check-in-bundle", &answer),
                     404);
}

/* More revoked tickets than one read takes. */
static void a_long_revocation_list_is_whole(void **state)
{
    struct served *served = *state;
    struct arena arena;
    struct json_node *node;
    struct str message;
    char path[128];
    fixture_sql(served->fixture,
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1300) "
                "INSERT INTO ticket (event_id, id, booking_id, seat_no, price, state) "
                "SELECT 77, i, 1, 0, 100, 1 FROM n");
    event_path(path, "/check-in-bundle");
    assert_int_equal(served_get(served, ORGANIZER_KEY, path, &answer), 200);
    arena_init(&arena, 4u << 20);
    assert_int_equal(json_parse(&arena, str_from(answer.body, answer.body_len), &node, &message),
                     ERR_OK);
    assert_int_equal(json_count(json_get(node, "revoked")), 1300);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        served_test(a_ticket_lets_in_once),
        served_test(an_area_place_has_no_seat),
        served_test(the_same_key_gets_the_same_answer),
        served_test(a_revoked_ticket_is_gone),
        served_test(forged_codes_are_unknown_and_leave_no_trace),
        served_test(a_signed_code_without_a_ticket_is_unknown),
        served_test(only_those_of_the_event_check_in),
        served_test(bad_requests_name_their_field),
        served_test(of_many_gates_one_lets_in),
        served_test(a_scanner_decides_by_the_bundle_alone),
        served_test(strangers_get_no_bundle),
        served_test(a_long_revocation_list_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
