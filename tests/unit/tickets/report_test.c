/* Reports: figures that add up, and CSV that spreadsheets read as data. */
#include "served.h"

#include "tickets/report_csv.h"

static struct answer answer; /* too large for a stack under a sanitizer */

static int64_t number(const char *outer, size_t index, const char *name)
{
    struct arena arena;
    struct json_node *node;
    struct str message;
    int64_t value = -1;
    arena_init(&arena, 1u << 20);
    assert_int_equal(json_parse(&arena, str_from(answer.body, answer.body_len), &node, &message),
                     ERR_OK);
    if (outer)
        node = json_at(json_get(node, outer), index);
    assert_true(json_as_i64(json_get(node, name), &value));
    arena_release(&arena);
    return value;
}

static void read_report(struct served *served)
{
    char path[128];
    event_path(path, "/report");
    assert_int_equal(served_get(served, ORGANIZER_KEY, path, &answer), 200);
}

static void an_event_that_sold_nothing_has_noughts(void **state)
{
    read_report(*state);
    assert_int_equal(number(NULL, 0, "booked"), 0);
    assert_int_equal(number(NULL, 0, "revenue"), 0);
    assert_int_equal(number(NULL, 0, "available"), FIXTURE_SEATS + FIXTURE_AREA_CAPACITY);
    assert_non_null(strstr(answer.body, "\"by_hour\":[]"));
    assert_non_null(strstr(answer.body, "\"currency\":\"EUR\""));
}

static void places_are_booked_held_blocked_or_free(void **state)
{
    struct served *served = *state;
    read_report(served); /* loads the model: what follows reaches it by effects */
    (void)served_buy(served, 2, 0, 2);
    (void)served_hold(served, 2, 4, 1);
    read_report(served);
    assert_int_equal(number(NULL, 0, "booked"), 4);
    assert_int_equal(number(NULL, 0, "held"), 3);
    assert_int_equal(number(NULL, 0, "blocked"), 0);
    assert_int_equal(number(NULL, 0, "available"), FIXTURE_SEATS + FIXTURE_AREA_CAPACITY - 7);
    assert_int_equal(number(NULL, 0, "revenue"), 4 * FIXTURE_PRICE);
    assert_int_equal(number(NULL, 0, "refunded"), 0);
    assert_int_equal(number("by_category", 0, "booked"), 4);
    assert_int_equal(number("by_category", 0, "held"), 3);
    assert_int_equal(number("by_category", 0, "revenue"), 4 * FIXTURE_PRICE);
    assert_int_equal(number("by_hour", 0, "bookings"), 1);
    assert_int_equal(number("by_hour", 0, "places"), 4);
    assert_int_equal(number("by_hour", 0, "revenue"), 4 * FIXTURE_PRICE);
}

static void blocked_seats_are_not_free(void **state)
{
    struct served *served = *state;
    fixture_sql(served->fixture, "INSERT INTO seat_claim VALUES (77, 9, 0, 3)");
    read_report(served);
    assert_int_equal(number(NULL, 0, "blocked"), 1);
    assert_int_equal(number(NULL, 0, "available"), FIXTURE_SEATS + FIXTURE_AREA_CAPACITY - 1);
}

static void what_was_given_back_is_told_apart(void **state)
{
    struct served *served = *state;
    struct booking booking = served_buy(served, 2, 0, 0);
    struct served_tickets tickets = served_tickets(served, &booking);
    served_revoke(served, &tickets.items[1]);
    read_report(served);
    assert_int_equal(number(NULL, 0, "booked"), 1);
    assert_int_equal(number(NULL, 0, "revenue"), 2 * FIXTURE_PRICE);
    assert_int_equal(number(NULL, 0, "refunded"), FIXTURE_PRICE);
}

static void hours_are_oldest_first(void **state)
{
    struct served *served = *state;
    struct booking first = served_buy(served, 2, 0, 0);
    char sql[256];
    (void)served_buy(served, 2, 4, 1);
    (void)snprintf(sql, sizeof(sql),
                   "UPDATE booking SET ended_at = ended_at - 7200000 WHERE id = %lld",
                   (long long)first.id);
    fixture_sql(served->fixture, sql);
    read_report(served);
    assert_int_equal(number("by_hour", 0, "places"), 2);
    assert_int_equal(number("by_hour", 1, "places"), 3);
}

static void reports_are_for_the_organizer_of_the_event(void **state)
{
    struct served *served = *state;
    static const char *const rests[] = {"/report", "/bookings.csv"};
    for (size_t i = 0; i < 2; i++) {
        char path[128];
        event_path(path, rests[i]);
        assert_int_equal(served_get(served, NULL, path, &answer), 401);
        assert_int_equal(served_get(served, BUYER_KEY, path, &answer), 403);
        assert_int_equal(served_get(served, DOOR_KEY, path, &answer), 403);
        assert_int_equal(served_get(served, OTHER_KEY, path, &answer), 404);
        assert_int_equal(served_get(served, ORGANIZER_KEY, path, &answer), 200);
        assert_int_equal(served_get(served, FRAME_ADMIN_KEY, path, &answer), 200);
    }
}

/* --- CSV --- */

static void fields_are_quoted_and_formulas_disarmed(void **state)
{
    (void)state;
    struct buf buf;
    struct csv csv = {.buf = &buf};
    buf_init(&buf, 1024);
    csv_text(&csv, STR("plain"));
    csv_text(&csv, STR("a \"quoted\", one\r\nand a line"));
    csv_text(&csv, STR("=HYPERLINK(\"http://x\")"));
    csv_text(&csv, STR("+1"));
    csv_text(&csv, STR("-1"));
    csv_text(&csv, STR("@x"));
    csv_text(&csv, STR("\tx"));
    csv_text(&csv, STR_NONE);
    csv_number(&csv, -5);
    csv_end_line(&csv);
    csv_text(&csv, STR("second"));
    csv_end_line(&csv);
    buf_append_char(&buf, '\0');
    assert_string_equal(buf.data, "\"plain\",\"a \"\"quoted\"\", one\r\nand a line\","
                                  "\"'=HYPERLINK(\"\"http://x\"\")\",\"'+1\",\"'-1\",\"'@x\","
                                  "\"'\tx\",\"\",-5\r\n\"second\"\r\n");
    buf_release(&buf);
}

static void the_file_has_a_line_for_each_confirmed_booking(void **state)
{
    struct served *served = *state;
    char path[128];
    (void)served_buy(served, 2, 0, 2);
    (void)served_buy(served, 3, 4, 0); /* her name begins with = */
    (void)served_hold(served, 2, 8, 0);
    event_path(path, "/bookings.csv");
    assert_int_equal(served_get(served, ORGANIZER_KEY, path, &answer), 200);
    int lines = 0;
    for (const char *at = answer.body; (at = strstr(at, "\r\n")); at += 2)
        lines++;
    assert_int_equal(lines, 3);
    assert_memory_equal(answer.body, "\"booking_id\",\"status\",", 22);
    assert_non_null(strstr(answer.body, "\"confirmed\""));
    assert_non_null(strstr(
        answer.body, "\"" BUYER_NAME "\",\"" BUYER_EMAIL
                     "\",4,\"Block A, 1-0; Block A, 1-1; Floor x2\",180.00,0.00,\"EUR\"\r\n"));
    assert_non_null(strstr(answer.body, "\"'=cmd()\""));
    assert_non_null(strstr(answer_header(&answer, "content-disposition"), ".csv\""));
    assert_null(answer_header(&answer, "foyer-truncated"));
}

static void a_cursor_goes_on_behind_a_booking(void **state)
{
    struct served *served = *state;
    char path[160], rest[64], id[ID_TEXT_SIZE];
    struct booking first = served_buy(served, 2, 0, 0);
    struct booking second = served_buy(served, 3, 4, 0);
    (void)id_format2(id, "bkg", FIXTURE_EVENT, first.id);
    (void)snprintf(rest, sizeof(rest), "/bookings.csv?cursor=%s", id);
    event_path(path, rest);
    assert_int_equal(served_get(served, ORGANIZER_KEY, path, &answer), 200);
    assert_null(strstr(answer.body, id));
    (void)id_format2(id, "bkg", FIXTURE_EVENT, second.id);
    assert_non_null(strstr(answer.body, id));
    (void)id_format2(id, "bkg", FIXTURE_EVENT + 1, first.id);
    (void)snprintf(rest, sizeof(rest), "/bookings.csv?cursor=%s", id);
    event_path(path, rest);
    assert_int_equal(served_get(served, ORGANIZER_KEY, path, &answer), 422);
}

/* More than one chunk, and more than one file. */
static void a_file_that_is_cut_says_so(void **state)
{
    struct served *served = *state;
    char path[128], sql[512];
    (void)snprintf(
        sql, sizeof(sql),
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
        "INSERT INTO booking (event_id, id, account_id, state, created_at, expires_at, amount, "
        "currency, seats, areas, places, key_hash, body_hash, ended_at) SELECT 77, i, 2, 3, 0, 0, "
        "100, 'EUR', '[[0,100]]', '[]', 1, zeroblob(16), zeroblob(16), 0 FROM n",
        CSV_ROWS_MAX + 1);
    fixture_sql(served->fixture, sql);
    event_path(path, "/bookings.csv");
    assert_int_equal(served_get(served, ORGANIZER_KEY, path, &answer), 200);
    assert_string_equal(answer_header(&answer, "foyer-truncated"), "true");
    char rest[64], id[ID_TEXT_SIZE];
    (void)id_format2(id, "bkg", FIXTURE_EVENT, CSV_ROWS_MAX);
    assert_string_equal(answer_header(&answer, "foyer-next-cursor"), id);
    (void)snprintf(rest, sizeof(rest), "/bookings.csv?cursor=%s", id);
    event_path(path, rest);
    assert_int_equal(served_get(served, ORGANIZER_KEY, path, &answer), 200);
    assert_null(answer_header(&answer, "foyer-truncated"));
    (void)id_format2(id, "bkg", FIXTURE_EVENT, CSV_ROWS_MAX + 1);
    assert_non_null(strstr(answer.body, id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        served_test(an_event_that_sold_nothing_has_noughts),
        served_test(places_are_booked_held_blocked_or_free),
        served_test(blocked_seats_are_not_free),
        served_test(what_was_given_back_is_told_apart),
        served_test(hours_are_oldest_first),
        served_test(reports_are_for_the_organizer_of_the_event),
        cmocka_unit_test(fields_are_quoted_and_formulas_disarmed),
        served_test(the_file_has_a_line_for_each_confirmed_booking),
        served_test(a_cursor_goes_on_behind_a_booking),
        served_test(a_file_that_is_cut_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
