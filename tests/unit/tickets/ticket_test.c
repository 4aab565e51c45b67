/* Tickets: codes that only we can sign, and what owners and others get of them over HTTP. */
#include "served.h"

#include "tickets/money.h"
#include "tickets/ticket_view.h"

/* --- Codes --- */

struct keys {
    uint8_t public_key[ED25519_PUBLIC_SIZE], secret[ED25519_SECRET_SIZE];
};

static struct keys make_keys(void)
{
    struct keys keys;
    assert_int_equal(crypto_init(), ERR_OK);
    crypto_ed25519_keypair(keys.public_key, keys.secret);
    return keys;
}

static const struct ticket_code area_code = {.key_id = 0xfffffffe,
                                             .event_id = INT64_MAX,
                                             .ticket_id = 12345678901234567,
                                             .is_area = true,
                                             .place_no = 0x7fffffff};

static void a_code_says_what_was_signed(void **state)
{
    (void)state;
    struct keys keys = make_keys();
    char text[TICKET_CODE_SIZE];
    struct ticket_code code;
    struct str signed_text = ticket_code_sign(&area_code, keys.secret, text);
    assert_int_equal(signed_text.len, TICKET_CODE_LEN);
    assert_int_equal(strlen(text), TICKET_CODE_LEN);
    assert_int_equal(ticket_code_parse(signed_text, &code), ERR_OK);
    assert_true(ticket_code_verify(signed_text, keys.public_key));
    assert_int_equal(code.key_id, area_code.key_id);
    assert_true(code.event_id == area_code.event_id && code.ticket_id == area_code.ticket_id);
    assert_true(code.is_area);
    assert_int_equal(code.place_no, area_code.place_no);
}

static void the_same_ticket_has_the_same_code(void **state)
{
    (void)state;
    struct keys keys = make_keys();
    char first[TICKET_CODE_SIZE], second[TICKET_CODE_SIZE];
    (void)ticket_code_sign(&area_code, keys.secret, first);
    (void)ticket_code_sign(&area_code, keys.secret, second);
    assert_string_equal(first, second);
}

/* The format is a promise to those who write scanners: this text must stay valid for ever. */
static void the_format_stays_as_published(void **state)
{
    (void)state;
    const char *text = "F1.AAAAAQAAAAAAAABNAAAAAAAAAAcAAAAD.";
    struct keys keys = make_keys();
    struct ticket_code code = {.key_id = 1, .event_id = 77, .ticket_id = 7, .place_no = 3};
    char signed_text[TICKET_CODE_SIZE];
    (void)ticket_code_sign(&code, keys.secret, signed_text);
    assert_memory_equal(signed_text, text, strlen(text));
}

static void a_code_changed_anywhere_is_refused(void **state)
{
    (void)state;
    struct keys keys = make_keys();
    char text[TICKET_CODE_SIZE];
    struct ticket_code code;
    struct str whole = ticket_code_sign(&area_code, keys.secret, text);
    for (size_t i = 0; i < TICKET_CODE_LEN; i++) {
        char was = text[i];
        text[i] = was == 'A' ? 'B' : 'A';
        bool is_accepted =
            ticket_code_parse(whole, &code) == ERR_OK && ticket_code_verify(whole, keys.public_key);
        text[i] = was;
        assert_false(is_accepted);
    }
    assert_true(
        ticket_code_verify(whole, keys.public_key)); /* unchanged again: the loop was fair */
}

static void a_code_of_another_key_is_refused(void **state)
{
    (void)state;
    struct keys keys = make_keys(), others = make_keys();
    char text[TICKET_CODE_SIZE];
    struct str whole = ticket_code_sign(&area_code, others.secret, text);
    assert_false(ticket_code_verify(whole, keys.public_key));
}

static void malformed_codes_are_refused(void **state)
{
    (void)state;
    struct keys keys = make_keys();
    char text[TICKET_CODE_SIZE + 1] = "";
    struct ticket_code code;
    struct str whole = ticket_code_sign(&area_code, keys.secret, text);
    assert_int_equal(ticket_code_parse(STR_NONE, &code), ERR_INVALID);
    assert_int_equal(ticket_code_parse(STR("F1.."), &code), ERR_INVALID);
    assert_int_equal(ticket_code_parse(str_sub(whole, 0, whole.len - 1), &code), ERR_INVALID);
    text[TICKET_CODE_LEN] = 'A';
    assert_int_equal(ticket_code_parse(str_from(text, TICKET_CODE_LEN + 1), &code), ERR_INVALID);
    text[1] = '2'; /* a format of the future */
    assert_int_equal(ticket_code_parse(whole, &code), ERR_INVALID);
}

/* --- Money --- */

static void assert_money(int64_t amount, const char *currency, const char *want)
{
    struct buf buf;
    buf_init(&buf, 64);
    money_append(&buf, amount, currency);
    buf_append_char(&buf, '\0');
    assert_string_equal(buf.data, want);
    buf_release(&buf);
}

static void money_reads_as_its_currency_wants(void **state)
{
    (void)state;
    assert_money(0, "EUR", "0.00 EUR");
    assert_money(5, "EUR", "0.05 EUR");
    assert_money(123456789, "USD", "1,234,567.89 USD");
    assert_money(100000, "USD", "1,000.00 USD");
    assert_money(1500, "JPY", "1,500 JPY");
    assert_money(1500, "KWD", "1.500 KWD");
    assert_money(-4500, "EUR", "-45.00 EUR");
}

/* --- Over HTTP --- */

static struct answer answer; /* too large for a stack under a sanitizer */

static struct json_node *parse(struct arena *arena)
{
    struct json_node *node;
    struct str message;
    assert_int_equal(json_parse(arena, str_from(answer.body, answer.body_len), &node, &message),
                     ERR_OK);
    return node;
}

static void assert_text(const struct json_node *object, const char *name, const char *want)
{
    struct str value;
    assert_true(json_as_str(json_get(object, name), &value));
    assert_true(str_eq(value, str_from_c(want)));
}

static void the_owner_lists_tickets_of_seats_and_areas(void **state)
{
    struct served *served = *state;
    struct booking booking = served_buy(served, 2, 4, 1);
    char path[128];
    struct arena arena;
    arena_init(&arena, 1u << 20);
    served_path(path, "bookings", "bkg", booking.id, "/tickets");
    assert_int_equal(served_get(served, BUYER_KEY, path, &answer), 200);
    struct json_node *data = json_get(parse(&arena), "data");
    assert_int_equal(json_count(data), 3);
    struct json_node *first = json_at(data, 0), *seat = json_get(first, "seat");
    assert_text(seat, "id", "A-4");
    assert_text(seat, "label", "Block A, 1-4");
    assert_text(first, "status", "valid");
    assert_text(first, "category", "Standard");
    assert_true(json_is_null_node(json_get(first, "area")));
    assert_true(json_is_null_node(json_get(json_at(data, 2), "seat")));
    assert_text(json_get(json_at(data, 2), "area"), "name", "Floor");
    struct str code;
    struct ticket_code read;
    assert_true(json_as_str(json_get(json_at(data, 2), "code"), &code));
    assert_int_equal(ticket_code_parse(code, &read), ERR_OK);
    assert_true(ticket_code_verify(code, served->fixture->tickets->ticket_public_key));
    assert_true(read.is_area && read.event_id == FIXTURE_EVENT);
    arena_release(&arena);
}

static void before_confirmation_there_are_none(void **state)
{
    struct served *served = *state;
    struct booking booking = served_hold(served, 2, 0, 0);
    char path[128];
    served_path(path, "bookings", "bkg", booking.id, "/tickets");
    assert_int_equal(served_get(served, BUYER_KEY, path, &answer), 200);
    assert_string_equal(answer.body, "{\"data\":[]}");
    served_path(path, "bookings", "bkg", booking.id, "/tickets.pdf");
    assert_int_equal(served_get(served, BUYER_KEY, path, &answer), 404);
}

static void nobody_else_sees_them_but_support_and_admins(void **state)
{
    struct served *served = *state;
    struct booking booking = served_buy(served, 2, 0, 0);
    uint64_t ticket_id = served_tickets(served, &booking).items[0].id;
    static const char *const rests[] = {"/qr.svg", "/qr.png", "/ticket.pdf"};
    char path[128];
    served_path(path, "bookings", "bkg", booking.id, "/tickets");
    assert_int_equal(served_get(served, NULL, path, &answer), 401);
    assert_int_equal(served_get(served, ORGANIZER_KEY, path, &answer), 404);
    assert_int_equal(served_get(served, SUPPORT_KEY, path, &answer), 200);
    assert_int_equal(served_get(served, FRAME_ADMIN_KEY, path, &answer), 200);
    for (size_t i = 0; i < 3; i++) {
        served_path(path, "tickets", "tkt", ticket_id, rests[i]);
        assert_int_equal(served_get(served, OTHER_KEY, path, &answer), 404);
        assert_int_equal(served_get(served, SUPPORT_KEY, path, &answer), 200);
        served_path(path, "tickets", "tkt", ticket_id + 1000, rests[i]);
        assert_int_equal(served_get(served, BUYER_KEY, path, &answer), 404);
    }
    assert_int_equal(served_get(served, BUYER_KEY, "/v1/tickets/tkt_nonsense/qr.svg", &answer),
                     404);
}

static void pictures_and_papers_have_their_types(void **state)
{
    struct served *served = *state;
    struct booking booking = served_buy(served, 2, 0, 0);
    uint64_t ticket_id = served_tickets(served, &booking).items[0].id;
    char path[128];
    served_path(path, "tickets", "tkt", ticket_id, "/qr.svg");
    assert_int_equal(served_get(served, BUYER_KEY, path, &answer), 200);
    assert_memory_equal(answer.body, "<svg ", 5);
    served_path(path, "tickets", "tkt", ticket_id, "/qr.png");
    assert_int_equal(served_get(served, BUYER_KEY, path, &answer), 200);
    assert_memory_equal(answer.body, "\x89PNG", 4);
    served_path(path, "tickets", "tkt", ticket_id, "/ticket.pdf");
    assert_int_equal(served_get(served, BUYER_KEY, path, &answer), 200);
    assert_memory_equal(answer.body, "%PDF-", 5);
    assert_non_null(strstr(answer_header(&answer, "content-disposition"), "attachment; filename="));
    served_path(path, "bookings", "bkg", booking.id, "/tickets.pdf");
    assert_int_equal(served_get(served, BUYER_KEY, path, &answer), 200);
    assert_memory_equal(answer.body, "%PDF-", 5);
}

static void a_revoked_ticket_is_listed_and_gives_no_code(void **state)
{
    struct served *served = *state;
    struct booking booking = served_buy(served, 2, 0, 0);
    struct served_tickets tickets = served_tickets(served, &booking);
    char path[128];
    served_revoke(served, &tickets.items[0]);
    served_path(path, "tickets", "tkt", tickets.items[0].id, "/qr.svg");
    assert_int_equal(served_get(served, BUYER_KEY, path, &answer), 410);
    served_path(path, "tickets", "tkt", tickets.items[1].id, "/qr.svg");
    assert_int_equal(served_get(served, BUYER_KEY, path, &answer), 200);
    served_path(path, "bookings", "bkg", booking.id, "/tickets.pdf");
    assert_int_equal(served_get(served, BUYER_KEY, path, &answer), 200);
    served_revoke(served, &tickets.items[1]);
    assert_int_equal(served_get(served, BUYER_KEY, path, &answer), 404);
    served_path(path, "bookings", "bkg", booking.id, "/tickets");
    assert_int_equal(served_get(served, BUYER_KEY, path, &answer), 200);
    assert_non_null(strstr(answer.body, "\"status\":\"revoked\""));
    assert_null(strstr(answer.body, "\"status\":\"valid\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_code_says_what_was_signed),
        cmocka_unit_test(the_same_ticket_has_the_same_code),
        cmocka_unit_test(the_format_stays_as_published),
        cmocka_unit_test(a_code_changed_anywhere_is_refused),
        cmocka_unit_test(a_code_of_another_key_is_refused),
        cmocka_unit_test(malformed_codes_are_refused),
        cmocka_unit_test(money_reads_as_its_currency_wants),
        served_test(the_owner_lists_tickets_of_seats_and_areas),
        served_test(before_confirmation_there_are_none),
        served_test(nobody_else_sees_them_but_support_and_admins),
        served_test(pictures_and_papers_have_their_types),
        served_test(a_revoked_ticket_is_listed_and_gives_no_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
