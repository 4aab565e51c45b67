/*
 * Fuzz target of mail. The input's lines, divided by NUL, are what strangers may have a say in: the
 * buyer's name and address, the event's name as subject and file, the text. Whatever comes: the
 * header has our fields and no other, the subject and the text read back as they were, nothing
 * leaves 7-bit lines of lawful length, and the HTML has the same tags whoever is called what.
 *
 * Run: mail_fuzz tests/fuzz/corpus/mail
 */
#include "fuzz.h"

#include "base/crypto.h"
#include "tickets/inventory.h"
#include "tickets/mail_mime.h"
#include "tickets/mail_text.h"

#define INPUT_MAX ((size_t)8 << 10)

static const char *const header_names[] = {"Date",           "From",        "To",
                                           "Subject",        "Message-ID",  "MIME-Version",
                                           "Auto-Submitted", "Content-Type"};
#define HEADERS (sizeof(header_names) / sizeof(header_names[0]))

/* The next line without its CRLF, which it must have. */
static struct str next_line(struct str *rest)
{
    size_t end = str_find(*rest, '\n', 0);
    require(end < rest->len && end > 0 && rest->data[end - 1] == '\r');
    struct str line = str_sub(*rest, 0, end - 1);
    *rest = str_sub(*rest, end + 1, rest->len);
    require(line.len <= 998);
    for (size_t i = 0; i < line.len; i++)
        require((line.data[i] >= ' ' && line.data[i] <= '~') || line.data[i] == '\t');
    return line;
}

/* The fields of the header, unfolded to slices that still have the line ends; rest: the body. */
static void read_header(struct str *rest, struct str ret_values[static HEADERS])
{
    size_t count = 0;
    for (;;) {
        const char *begin = rest->data;
        struct str line = next_line(rest);
        if (line.len == 0)
            break;
        if (line.data[0] == ' ') {
            require(count > 0);
            ret_values[count - 1].len = (size_t)(line.data + line.len - ret_values[count - 1].data);
            continue;
        }
        struct str value = line;
        struct str name = str_split(&value, ':');
        require(count < HEADERS && begin == line.data);
        require_eq(name, str_from_c(header_names[count]));
        ret_values[count++] = value;
    }
    require(count == HEADERS);
}

/* Encoded words (RFC 2047) decoded, or the value as it is. */
static void decode_words(struct str value, struct buf *out)
{
    char bytes[64];
    size_t len;
    value = str_trim(value);
    if (!memmem(value.data, value.len, "=?UTF-8?B?", 10)) {
        buf_append_str(out, value);
        return;
    }
    while (value.len > 0) {
        require(str_starts_with(value, STR("=?UTF-8?B?")));
        value = str_sub(value, 10, value.len);
        size_t end = str_find(value, '?', 0);
        require(end <= 60 && str_starts_with(str_sub(value, end, 2), STR("?=")));
        require(base64_decode(str_sub(value, 0, end), bytes, sizeof(bytes), &len) == ERR_OK);
        buf_append(out, bytes, len);
        value = str_sub(value, end + 2, value.len);
        if (value.len > 0) {
            require(str_starts_with(value, STR("\r\n ")));
            value = str_sub(value, 3, value.len);
        }
    }
}

static void check_subject(struct str value, struct str subject)
{
    struct buf read;
    buf_init(&read, 4 * INPUT_MAX);
    decode_words(value, &read);
    struct str plain = str_trim(subject);
    if (memmem(value.data, value.len, "=?UTF-8?B?", 10))
        plain = subject;
    require(read.len == plain.len);
    for (size_t i = 0; i < plain.len; i++) {
        bool is_control = (unsigned char)plain.data[i] < ' ' || plain.data[i] == 0x7f;
        require(read.data[i] == (is_control ? ' ' : plain.data[i]));
    }
    buf_release(&read);
}

static void check_to(struct str value, struct str address)
{
    struct buf end;
    buf_init(&end, 512);
    buf_printf(&end, "<%.*s>", STR_ARG(address));
    require(str_ends_with(value, buf_str(&end)));
    buf_release(&end);
}

/* Quoted-printable up to the line that ends the part. */
static void check_text(struct str body, struct str text)
{
    struct buf read;
    struct str line;
    buf_init(&read, 4 * INPUT_MAX);
    do
        line = next_line(&body);
    while (!str_starts_with(line, STR("Content-Transfer-Encoding: quoted-printable")));
    require(next_line(&body).len == 0);
    while (line = next_line(&body), !str_starts_with(line, STR("--=_a."))) {
        bool is_soft = str_ends_with(line, STR("="));
        require(line.len <= 76);
        for (size_t i = 0; i < line.len - (is_soft ? 1 : 0); i++) {
            unsigned char c = (unsigned char)line.data[i];
            size_t len = 0;
            if (c == '=') {
                char hex[2] = {(char)(line.data[i + 1] | 0x20), (char)(line.data[i + 2] | 0x20)};
                require(hex_decode(str_from(hex, 2), &c, 1, &len) == ERR_OK && len == 1);
                i += 2;
            }
            buf_append_char(&read, (char)c);
        }
        if (!is_soft)
            buf_append_char(&read, '\n');
    }
    /* One line end stands before the boundary, and one ends a text without. */
    require(read.len >= text.len && read.len <= text.len + 2);
    require_eq(str_sub(buf_str(&read), 0, text.len), text);
    buf_release(&read);
}

static void check_message(const struct mail_message *message, struct str rest)
{
    struct str values[HEADERS];
    read_header(&rest, values);
    check_subject(values[3], message->subject);
    check_to(values[2], message->to_address);
    check_text(rest, message->text);
    size_t files = 0;
    while (rest.len > 0) {
        if (str_starts_with(next_line(&rest), STR("--=_m.")) && rest.len > 0)
            files += str_starts_with(next_line(&rest), STR("Content-Type: application/pdf"));
    }
    require(files == (message->file.len > 0));
}

/* ---- HTML ---- */

struct marks {
    size_t open, close, quotes;
};

/* A mail about money given back, which has every name a stranger chose, by those names. */
static struct marks count_marks(struct str name, struct str other)
{
    struct arena arena;
    struct event_model model = {.venue_name = other, .venue_city = name, .venue_country = other};
    struct booking booking = {.event_id = 1, .id = 2};
    struct mail mail = {
        .kind = MAIL_REFUND, .to_name = name, .currency = "EUR", .reason = STR("late")};
    struct mail_texts texts;
    struct marks marks = {0};
    model.event = (struct event){.name = other, .starts_at = INT64_C(1770000000000)};
    const struct mail_facts facts = {.mail = &mail,
                                     .model = &model,
                                     .booking = &booking,
                                     .booking_url = STR("https://example.org/b")};
    arena_init(&arena, (size_t)1 << 20);
    require(mail_texts_make(&facts, &arena, &texts) == ERR_OK);
    for (size_t i = 0; i < texts.html->len; i++) {
        marks.open += texts.html->data[i] == '<';
        marks.close += texts.html->data[i] == '>';
        marks.quotes += texts.html->data[i] == '"';
    }
    arena_release(&arena);
    return marks;
}

static void check_html(struct str name, struct str other)
{
    struct marks plain = count_marks(STR("Ada"), STR("Evening"));
    struct marks odd = count_marks(str_sub(name, 0, 200), str_sub(other, 0, 200));
    require(odd.open == plain.open && odd.close == plain.close && odd.quotes == plain.quotes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_from((const char *)data, size);
    if (size > INPUT_MAX)
        return 0;
    struct mail_message message = {.from_name = STR("Foyer"),
                                   .from_address = STR("tickets@example.org"),
                                   .message_id = STR("confirmation.bkg_0@example.org"),
                                   .date_ms = INT64_C(1770000000000)};
    message.to_name = str_split(&rest, '\0');
    message.to_address = str_split(&rest, '\0');
    message.subject = str_split(&rest, '\0');
    message.file_name = str_split(&rest, '\0');
    message.file = str_sub(str_split(&rest, '\0'), 0, 200);
    message.text = rest;
    message.html = STR("<p>Hello</p>\n");
    if (!mail_address_is_safe(message.to_address) || !str_is_utf8(message.to_address))
        message.to_address = STR("fay@example.org");
    for (size_t i = 0; i < message.to_address.len; i++) { /* accounts have addresses of ASCII */
        if ((unsigned char)message.to_address.data[i] >= 0x80)
            message.to_address = STR("fay@example.org");
    }
    struct buf buf;
    buf_init(&buf, MAIL_BYTES_MAX);
    mail_write(&message, &buf);
    require(!buf.overflow);
    check_message(&message, buf_str(&buf));
    check_html(message.to_name, message.subject);
    buf_release(&buf);
    return 0;
}
