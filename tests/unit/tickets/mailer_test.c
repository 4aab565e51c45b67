/* Mail: what a message looks like, who gets one, and what happens when the server won't take it. */
#include "served.h"

#include <time.h>

#include "smtp_stub.h"
#include "tickets/mail_mime.h"
#include "tickets/mail_store.h"
#include "tickets/mailer.h"

#define WAIT_MS_MAX 60000

/* --- Messages --- */

static void write_message(const struct mail_message *message, struct buf *buf)
{
    buf_init(buf, 1u << 20);
    mail_write(message, buf);
    buf_append_char(buf, '\0');
    assert_false(buf->overflow);
}

static struct mail_message plain_message(void)
{
    return (struct mail_message){.from_name = STR("Foyer"),
                                 .from_address = STR("tickets@example.org"),
                                 .to_name = STR("Zo\u00eb"),
                                 .to_address = STR("zoe@example.org"),
                                 .subject = STR("Your tickets"),
                                 .message_id = STR("confirmation.bkg_1@example.org"),
                                 .date_ms = 1700000000000,
                                 .text = STR("Hello\n"),
                                 .html = STR("<p>Hello</p>\n")};
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        print_error("\"%s\" is not in:\n%s\n", part, text);
    assert_non_null(strstr(text, part));
}

/* Every line ends with CR LF, has 998 bytes at most (RFC 5322, 2.1.1), and is ASCII. */
static void assert_lines(const char *text)
{
    size_t column = 0;
    for (const char *at = text; *at; at++) {
        assert_true((unsigned char)*at < 0x80);
        if (*at == '\n')
            assert_true(at > text && at[-1] == '\r');
        if (*at == '\r')
            assert_int_equal(at[1], '\n');
        column = *at == '\n' ? 0 : column + 1;
        assert_true(column <= 998);
    }
}

static void a_message_has_its_headers_and_both_bodies(void **state)
{
    (void)state;
    struct buf buf;
    struct mail_message message = plain_message();
    write_message(&message, &buf);
    assert_lines(buf.data);
    assert_has(buf.data, "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n");
    assert_has(buf.data, "From: \"Foyer\"\r\n <tickets@example.org>\r\n");
    assert_has(buf.data, "To: =?UTF-8?B?Wm/Dqw==?=\r\n <zoe@example.org>\r\n");
    assert_has(buf.data, "Subject: Your tickets\r\n");
    assert_has(buf.data, "Message-ID: <confirmation.bkg_1@example.org>\r\n");
    assert_has(buf.data, "Content-Type: multipart/alternative;\r\n"
                         " boundary=\"=_a.confirmation.bkg_1\"\r\n\r\n");
    assert_has(buf.data, "Content-Type: text/plain; charset=utf-8\r\n");
    assert_has(buf.data, "Content-Type: text/html; charset=utf-8\r\n");
    assert_has(buf.data, "\r\n--=_a.confirmation.bkg_1--\r\n");
    assert_null(strstr(buf.data, "multipart/mixed"));
    buf_release(&buf);
}

static void names_cannot_add_headers(void **state)
{
    (void)state;
    struct buf buf;
    struct mail_message message = plain_message();
    message.subject = STR("Show\r\nBcc: everybody@example.org");
    message.to_name = STR("A\r\nX-Evil: 1\r\n\r\nbody");
    message.from_name = STR("Say \"hi\" \\ <there>");
    write_message(&message, &buf);
    assert_lines(buf.data);
    assert_null(strstr(buf.data, "\r\nBcc:"));
    assert_null(strstr(buf.data, "X-Evil"));
    assert_has(buf.data, "From: \"Say \\\"hi\\\" \\\\ <there>\"\r\n");
    buf_release(&buf);
}

/* RFC 2047: at most 75 characters a word, and no character is divided. */
static void long_subjects_are_folded_between_characters(void **state)
{
    (void)state;
    struct buf buf, subject, decoded;
    struct mail_message message = plain_message();
    buf_init(&subject, 4096);
    buf_init(&decoded, 4096);
    for (int i = 0; i < 70; i++)
        buf_append_str(&subject, i % 3 ? STR("\u00e4") : STR("\u20ac\U0001f389"));
    message.subject = buf_str(&subject);
    write_message(&message, &buf);
    assert_lines(buf.data);
    const char *at = strstr(buf.data, "Subject: ") + strlen("Subject: ");
    do {
        const char *end = strstr(at, "?=");
        uint8_t piece[80];
        size_t len;
        assert_memory_equal(at, "=?UTF-8?B?", 10);
        assert_true(end + 2 - at <= 75);
        assert_int_equal(
            base64_decode(str_from(at + 10, (size_t)(end - at - 10)), piece, sizeof(piece), &len),
            ERR_OK);
        assert_true(str_is_utf8(str_from((char *)piece, len)));
        buf_append(&decoded, piece, len);
        at = end + 2 + 3;
    } while (memcmp(at - 3, "\r\n ", 3) == 0);
    assert_true(str_eq(buf_str(&decoded), buf_str(&subject)));
    buf_release(&buf);
    buf_release(&subject);
    buf_release(&decoded);
}

static void bodies_are_quoted_printable(void **state)
{
    (void)state;
    struct buf buf;
    struct mail_message message = plain_message();
    message.text =
        STR("a=b\nend \n.\nFrom x\n\u20ac\n"
            "0123456789012345678901234567890123456789012345678901234567890123456789012345\n"
            "01234567890123456789012345678901234567890123456789012345678901234567890123456\n");
    write_message(&message, &buf);
    assert_lines(buf.data);
    assert_has(buf.data, "\r\na=3Db\r\nend=20\r\n.\r\nFrom x\r\n=E2=82=AC\r\n");
    assert_has(buf.data,
               "\r\n0123456789012345678901234567890123456789012345678901234567890123456789"
               "012345\r\n");
    assert_has(buf.data,
               "\r\n0123456789012345678901234567890123456789012345678901234567890123456789"
               "01234=\r\n56\r\n");
    buf_release(&buf);
}

static void a_file_is_attached_under_its_name(void **state)
{
    (void)state;
    struct buf buf;
    struct mail_message message = plain_message();
    message.file = STR("%PDF-nothing");
    message.file_name = STR("Gro\u00dfe \"Nacht\"/1.pdf");
    write_message(&message, &buf);
    assert_lines(buf.data);
    assert_has(buf.data,
               "Content-Type: multipart/mixed;\r\n boundary=\"=_m.confirmation.bkg_1\"\r\n\r\n"
               "--=_m.confirmation.bkg_1\r\nContent-Type: multipart/alternative;");
    assert_has(buf.data, "Content-Disposition: attachment;\r\n"
                         " filename*=UTF-8''Gro%C3%9Fe%20%22Nacht%22%2F1.pdf\r\n\r\n"
                         "JVBERi1ub3RoaW5n\r\n\r\n--=_m.confirmation.bkg_1--\r\n");
    buf_release(&buf);
    message.file_name = STR("Jazz Night.pdf");
    write_message(&message, &buf);
    assert_has(buf.data, " filename=\"Jazz Night.pdf\"\r\n\r\n");
    buf_release(&buf);
}

static void addresses_are_one_address(void **state)
{
    (void)state;
    struct str name, address;
    assert_true(mail_address_is_safe(STR("a@b")));
    assert_true(mail_address_is_safe(STR("zo\u00eb+x@example.org")));
    static const char *const bad[] = {"",      "a",        "@b",    "a@",    "a@b@c",   "a@b>",
                                      "a b@c", "a@b\r\nX", "a@b,c", "<a@b>", "\"a\"@b", "a@\xff"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(mail_address_is_safe(str_from_c(bad[i])));
    assert_int_equal(mail_address_parse(STR(" \"The Hall\" <x@y> "), &name, &address), ERR_OK);
    assert_true(str_eq(name, STR("The Hall")) && str_eq(address, STR("x@y")));
    assert_int_equal(mail_address_parse(STR("x@y"), &name, &address), ERR_OK);
    assert_true(name.len == 0 && str_eq(address, STR("x@y")));
    assert_int_equal(mail_address_parse(STR("Hall <x@y"), &name, &address), ERR_INVALID);
    assert_int_equal(mail_address_parse(STR("Hall <x>"), &name, &address), ERR_INVALID);
}

/* --- The mailer --- */

struct post {
    struct served *served;
    struct mailer *mailer;
    struct smtp_stub *stub;
};

static int set_up(void **state)
{
    struct post *post = calloc(1, sizeof(*post));
    if (!post || served_setup((void **)&post->served) != 0)
        return -1;
    post->stub = stub_start();
    *state = post;
    return 0;
}

static void stop(struct post *post)
{
    mailer_stop(post->mailer);
    post->mailer = NULL;
}

static int tear_down(void **state)
{
    struct post *post = *state;
    stop(post);
    stub_stop(post->stub);
    int result = served_teardown((void **)&post->served);
    free(post);
    return result;
}

static void start(struct post *post)
{
    assert_int_equal(mailer_start(post->served->fixture->tickets, &post->mailer), ERR_OK);
}

static void start_smtp(struct post *post, const char *credentials)
{
    struct config *config = &post->served->fixture->config;
    (void)snprintf(config->mail, sizeof(config->mail), "smtp://%s127.0.0.1:%u", credentials,
                   post->stub->port);
    start(post);
}

static int64_t ask(const struct post *post, struct sql *statement)
{
    char path[128];
    struct db *db;
    int64_t value = -1;
    (void)snprintf(path, sizeof(path), "%s/mail.db", post->served->fixture->dir);
    assert_int_equal(db_open(path, DB_ADMIN, &db), ERR_OK);
    assert_int_equal(db_get_i64(db_stmt(db, statement), &value), ERR_OK);
    db_close(db);
    return value;
}

static int64_t mail_count(const struct post *post, const char *sql)
{
    return ask(post, &(struct sql){.text = sql});
}

static void wait_for(const struct post *post, const char *sql, int64_t want)
{
    struct sql statement = {.text = sql};
    int64_t until_ns = clock_mono_ns() + WAIT_MS_MAX * 1000000LL;
    struct timespec pause = {.tv_nsec = 5000000};
    while (ask(post, &statement) != want && clock_mono_ns() < until_ns)
        (void)nanosleep(&pause, NULL);
    assert_int_equal(ask(post, &statement), want);
}

#define SENT    "SELECT COUNT(*) FROM mail WHERE state = 1"
#define DEAD    "SELECT COUNT(*) FROM mail WHERE state = 2"
#define WAITING "SELECT COUNT(*) FROM mail WHERE state = 0"

/* The only mail in the directory; the caller frees it. */
static char *new_file(const struct post *post)
{
    char path[160];
    char *text = calloc(1, STUB_TEXT_MAX);
    assert_non_null(text);
    (void)snprintf(path, sizeof(path), "%s/mail/%lld.eml", post->served->fixture->dir,
                   (long long)mail_count(post, "SELECT MAX(id) FROM mail"));
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_true(fread(text, 1, STUB_TEXT_MAX - 1, file) > 0);
    (void)fclose(file);
    return text;
}

/* The attachment as a file; what pdftotext reads in it. */
static void read_attachment(const struct post *post, const char *mail, char *ret_text, size_t size)
{
    char path[160], command[256];
    const char *at = strstr(mail, "Content-Type: application/pdf");
    assert_non_null(at);
    at = strstr(at, "\r\n\r\n") + 4;
    const char *end = strstr(at, "\r\n\r\n--=_m.");
    assert_non_null(end);
    char *base64 = calloc(1, (size_t)(end - at) + 1), *pdf = calloc(1, (size_t)(end - at));
    size_t base64_len = 0, pdf_len;
    assert_true(base64 && pdf);
    for (; at < end; at++)
        if (*at != '\r' && *at != '\n')
            base64[base64_len++] = *at;
    assert_int_equal(base64_decode(str_from(base64, base64_len), pdf, base64_len, &pdf_len),
                     ERR_OK);
    (void)snprintf(path, sizeof(path), "%s/attached.pdf", post->served->fixture->dir);
    write_file(path, pdf, pdf_len);
    (void)snprintf(command, sizeof(command), "pdftotext -raw %s - 2>/dev/null", path);
    run_tool(command, ret_text, size);
    free(base64);
    free(pdf);
}

static void a_confirmed_booking_is_mailed_with_its_tickets(void **state)
{
    struct post *post = *state;
    char text[8192], link[160], id[ID_TEXT_SIZE];
    start(post);
    struct booking booking = served_buy(post->served, 2, 4, 1);
    wait_for(post, SENT, 1);
    char *mail = new_file(post);
    assert_lines(mail);
    assert_has(mail, "<" BUYER_EMAIL ">\r\n");
    assert_has(mail, "Subject: Your tickets: Show\r\n");
    assert_has(mail, "Hello Zo=C3=AB");
    assert_has(mail, "    Block A, row 1, seat 4: 45.00 EUR\r\n");
    assert_has(mail, "    Floor: 45.00 EUR\r\n");
    assert_has(mail, "    Paid: 135.00 EUR\r\n");
    (void)id_format2(id, "bkg", booking.event_id, booking.id);
    (void)snprintf(link, sizeof(link), "https://tickets.example.org/bookings/%s\r\n", id);
    assert_has(mail, link);
    (void)snprintf(link, sizeof(link), "Message-ID: <confirmation.%s@localhost>\r\n", id);
    assert_has(mail, link);
    assert_has(mail, "filename=\"Show.pdf\"");
    if (has_tool("pdftotext")) {
        read_attachment(post, mail, text, sizeof(text));
        assert_has(text, "Ticket 3 of 3");
        assert_has(text, id);
    }
    free(mail);
}

static void names_of_strangers_are_escaped_in_html(void **state)
{
    struct post *post = *state;
    fixture_sql(post->served->fixture, "UPDATE event SET name = '<script>&\"x\"' WHERE id = 77");
    start(post);
    (void)served_buy(post->served, 2, 0, 0);
    wait_for(post, SENT, 1);
    char *mail = new_file(post);
    char *html = strstr(mail, "text/html");
    assert_non_null(html);
    *strstr(html, "\r\n--=_a.") = '\0';
    assert_has(html, "&lt;script&gt;&amp;");
    assert_null(strstr(html, "<script>"));
    free(mail);
}

static enum err refund_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    const struct booking *booking = ctx;
    char data[256];
    (void)fixture;
    int len = snprintf(data, sizeof(data),
                       "{\"booking\":%llu,\"payment\":1,\"refund\":42,\"amount\":4500,"
                       "\"currency\":\"EUR\",\"reason\":\"event_cancelled\"}",
                       (unsigned long long)booking->id);
    return journal_append(tx->journal, booking->event_id, "refund.succeeded",
                          str_from(data, (size_t)len), NULL);
}

static void a_refund_is_mailed_with_its_reason(void **state)
{
    struct post *post = *state;
    start(post);
    struct booking booking = served_buy(post->served, 2, 0, 0);
    wait_for(post, SENT, 1);
    assert_int_equal(fixture_write(post->served->fixture, refund_fn, &booking), ERR_OK);
    wait_for(post, SENT, 2);
    char *mail = new_file(post);
    assert_has(mail, "Subject: Refund: Show\r\n");
    assert_has(mail, "45.00 EUR");
    assert_has(mail, "The event has been cancelled.");
    assert_null(strstr(mail, "application/pdf"));
    free(mail);
}

static void who_has_no_address_gets_none(void **state)
{
    struct post *post = *state;
    start(post);
    (void)served_buy(post->served, 99, 0, 0); /* an operator's key: no account behind it */
    (void)served_buy(post->served, 2, 4, 0);
    wait_for(post, SENT, 1);
    assert_int_equal(mail_count(post, "SELECT COUNT(*) FROM mail"), 1);
}

static void read_again_the_journal_makes_no_second_mail(void **state)
{
    struct post *post = *state;
    char path[128];
    struct db *db;
    start(post);
    (void)served_buy(post->served, 2, 0, 0);
    wait_for(post, SENT, 1);
    stop(post);
    (void)snprintf(path, sizeof(path), "%s/mail.db", post->served->fixture->dir);
    assert_int_equal(db_open(path, DB_WRITER, &db), ERR_OK);
    assert_int_equal(db_script(db, STR("UPDATE cursor SET seq = 0")), ERR_OK);
    db_close(db);
    start(post);
    (void)served_buy(post->served, 2, 4, 0); /* when this one is there, the first was read again */
    wait_for(post, SENT, 2);
    assert_int_equal(mail_count(post, "SELECT COUNT(*) FROM mail"), 2);
    assert_int_equal(mail_count(post, "SELECT SUM(attempts) FROM mail"), 2);
}

static void what_was_confirmed_while_it_stood_is_mailed_later(void **state)
{
    struct post *post = *state;
    (void)served_buy(post->served, 2, 0, 0);
    start(post);
    wait_for(post, SENT, 1);
}

/* --- SMTP --- */

/* Of the last message; the caller frees it. */
static char *new_message_id(struct smtp_stub *stub)
{
    char *id = calloc(1, 256);
    assert_non_null(id);
    pthread_mutex_lock(&stub->lock);
    const char *at = stub->data ? strstr(stub->data, "Message-ID: ") : NULL;
    if (at)
        (void)snprintf(id, 256, "%.*s", (int)strcspn(at, "\r"), at);
    pthread_mutex_unlock(&stub->lock);
    assert_true(id[0]);
    return id;
}

static bool has_command(struct smtp_stub *stub, const char *command)
{
    pthread_mutex_lock(&stub->lock);
    bool is_there = strstr(stub->commands, command) != NULL;
    pthread_mutex_unlock(&stub->lock);
    return is_there;
}

static void mail_goes_out_by_smtp(void **state)
{
    struct post *post = *state;
    atomic_store(&post->stub->auth_code, 235);
    atomic_store(&post->stub->has_tls, true);
    start_smtp(post, "user:p%40ss@");
    (void)served_buy(post->served, 2, 0, 0);
    wait_for(post, SENT, 1);
    assert_int_equal(atomic_load(&post->stub->messages), 1);
    assert_true(has_command(post->stub, "STARTTLS"));
    assert_true(has_command(post->stub, "MAIL FROM:<tickets@localhost>"));
    assert_true(has_command(post->stub, "RCPT TO:<" BUYER_EMAIL ">"));
    assert_true(has_command(post->stub, "AHVzZXIAcEBzcw==")); /* \0user\0p@ss */
    free(new_message_id(post->stub));
}

static void a_busy_server_is_asked_again_later(void **state)
{
    struct post *post = *state;
    atomic_store(&post->stub->rcpt_code, 451);
    start_smtp(post, "");
    (void)served_buy(post->served, 2, 0, 0);
    wait_for(post, "SELECT COUNT(*) FROM mail WHERE state = 0 AND attempts = 1", 1);
    clock_advance_ms(MAIL_RETRY_MS + 1);
    wait_for(post, "SELECT COUNT(*) FROM mail WHERE state = 0 AND attempts = 2", 1);
    atomic_store(&post->stub->rcpt_code, 250);
    clock_advance_ms(MAIL_RETRY_MS + 1); /* the pause has doubled: not yet */
    assert_int_equal(mail_count(post, SENT), 0);
    clock_advance_ms(MAIL_RETRY_MS);
    wait_for(post, SENT, 1);
    assert_int_equal(atomic_load(&post->stub->messages), 1);
}

/* It was taken, but we crashed before we wrote that down. */
static void a_repeated_mail_has_the_same_id(void **state)
{
    struct post *post = *state;
    char path[128];
    struct db *db;
    start_smtp(post, "");
    (void)served_buy(post->served, 2, 0, 0);
    wait_for(post, SENT, 1);
    char *first = new_message_id(post->stub);
    stop(post);
    (void)snprintf(path, sizeof(path), "%s/mail.db", post->served->fixture->dir);
    assert_int_equal(db_open(path, DB_WRITER, &db), ERR_OK);
    assert_int_equal(db_script(db, STR("UPDATE mail SET state = 0, next_at = 0")), ERR_OK);
    db_close(db);
    start(post);
    wait_for(post, SENT, 1);
    char *second = new_message_id(post->stub);
    assert_int_equal(atomic_load(&post->stub->messages), 2);
    assert_string_equal(first, second);
    free(first);
    free(second);
}

static void a_refused_recipient_is_given_up_at_once(void **state)
{
    struct post *post = *state;
    atomic_store(&post->stub->rcpt_code, 550);
    start_smtp(post, "");
    (void)served_buy(post->served, 2, 0, 0);
    wait_for(post, DEAD, 1);
    assert_int_equal(atomic_load(&post->stub->rcpts), 1);
    assert_int_equal(mail_count(post, "SELECT COUNT(*) FROM mail WHERE last_error IS NOT NULL"), 1);
}

static void a_refused_login_is_not_the_mails_fault(void **state)
{
    struct post *post = *state;
    atomic_store(&post->stub->auth_code, 535);
    start_smtp(post, "user:wrong@");
    (void)served_buy(post->served, 2, 0, 0);
    wait_for(post, "SELECT COUNT(*) FROM mail WHERE state = 0 AND attempts = 1", 1);
    assert_int_equal(mail_count(post, DEAD), 0);
}

static void after_enough_attempts_it_is_given_up(void **state)
{
    struct post *post = *state;
    atomic_store(&post->stub->rcpt_code, 451);
    start_smtp(post, "");
    (void)served_buy(post->served, 2, 0, 0);
    for (int attempt = 1; attempt < MAIL_ATTEMPTS_MAX; attempt++) {
        char sql[96];
        (void)snprintf(sql, sizeof(sql),
                       "SELECT COUNT(*) FROM mail WHERE state = 0 AND attempts = %d", attempt);
        wait_for(post, sql, 1);
        clock_advance_ms(MAIL_RETRY_MS_MAX);
    }
    wait_for(post, DEAD, 1);
    assert_int_equal(atomic_load(&post->stub->rcpts), MAIL_ATTEMPTS_MAX);
}

static void stopping_does_not_wait_for_a_server_that_hangs(void **state)
{
    struct post *post = *state;
    struct timespec pause = {.tv_nsec = 5000000};
    atomic_store(&post->stub->rcpt_code, 0);
    start_smtp(post, "");
    (void)served_buy(post->served, 2, 0, 0);
    int64_t until_ns = clock_mono_ns() + WAIT_MS_MAX * 1000000LL;
    while (atomic_load(&post->stub->rcpts) == 0 && clock_mono_ns() < until_ns)
        (void)nanosleep(&pause, NULL);
    assert_int_equal(atomic_load(&post->stub->rcpts), 1);
    int64_t stop_ns = clock_mono_ns();
    stop(post);
    assert_true(clock_mono_ns() - stop_ns < (MAIL_TIMEOUT_MS / 2) * 1000000LL);
    assert_int_equal(mail_count(post, "SELECT COUNT(*) FROM mail WHERE state = 0 AND attempts = 0"),
                     1);
}

static void a_sender_that_is_no_address_is_refused(void **state)
{
    struct post *post = *state;
    struct config *config = &post->served->fixture->config;
    (void)snprintf(config->mail_from, sizeof(config->mail_from), "nobody");
    assert_int_equal(mailer_start(post->served->fixture->tickets, &post->mailer), ERR_INVALID);
    assert_null(post->mailer);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_has_its_headers_and_both_bodies),
        cmocka_unit_test(names_cannot_add_headers),
        cmocka_unit_test(long_subjects_are_folded_between_characters),
        cmocka_unit_test(bodies_are_quoted_printable),
        cmocka_unit_test(a_file_is_attached_under_its_name),
        cmocka_unit_test(addresses_are_one_address),
        TEST(a_confirmed_booking_is_mailed_with_its_tickets),
        TEST(names_of_strangers_are_escaped_in_html),
        TEST(a_refund_is_mailed_with_its_reason),
        TEST(who_has_no_address_gets_none),
        TEST(read_again_the_journal_makes_no_second_mail),
        TEST(what_was_confirmed_while_it_stood_is_mailed_later),
        TEST(mail_goes_out_by_smtp),
        TEST(a_busy_server_is_asked_again_later),
        TEST(a_repeated_mail_has_the_same_id),
        TEST(a_refused_recipient_is_given_up_at_once),
        TEST(a_refused_login_is_not_the_mails_fault),
        TEST(after_enough_attempts_it_is_given_up),
        TEST(stopping_does_not_wait_for_a_server_that_hangs),
        TEST(a_sender_that_is_no_address_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
