/*
 * Fuzz target of what we write for other programs: CSV for spreadsheets, JSON, and the log. Fields
 * are divided by NUL. Whatever is in them: a reader of CSV gets them back, and no spreadsheet a
 * formula; jansson reads our JSON; a log line is one line, one object, with our members and no
 * other.
 *
 * Run: output_fuzz tests/fuzz/corpus/output
 */
#include "fuzz.h"
#include "witness.h"

#include "base/json.h"
#include "base/log.h"
#include "tickets/report_csv.h"

#include <math.h>
#include <sys/mman.h>
#include <unistd.h>

#define INPUT_MAX ((size_t)16 << 10)

/* ---- CSV (RFC 4180) ---- */

/* The next field, unquoted, into out. */
static struct str read_csv_field(struct str rest, struct buf *out)
{
    require(rest.len >= 2 && rest.data[0] == '"');
    size_t i = 1;
    for (; i < rest.len; i++) {
        if (rest.data[i] != '"')
            buf_append_char(out, rest.data[i]);
        else if (i + 1 < rest.len && rest.data[i + 1] == '"')
            buf_append_char(out, rest.data[i++]);
        else
            break;
    }
    require(i < rest.len);
    return str_sub(rest, i + 1, rest.len);
}

static void check_csv_field(struct str field, struct str read)
{
    bool is_formula = field.len > 0 && memchr("=+-@\t\r\n", field.data[0], 7);
    require_eq(str_sub(read, is_formula ? 1 : 0, read.len), field);
    require(!is_formula || read.data[0] == '\'');
}

static void write_csv(struct str text)
{
    struct buf written, read;
    buf_init(&written, 8 * INPUT_MAX);
    buf_init(&read, 8 * INPUT_MAX);
    struct csv csv = {.buf = &written};
    for (struct str rest = text; rest.len > 0;)
        csv_text(&csv, str_split(&rest, '\0'));
    csv_number(&csv, -1);
    csv_end_line(&csv);
    struct str line = buf_str(&written);
    for (struct str rest = text; rest.len > 0;) {
        struct str field = str_split(&rest, '\0');
        buf_clear(&read);
        line = read_csv_field(line, &read);
        check_csv_field(field, buf_str(&read));
        require(str_starts_with(line, STR(",")));
        line = str_sub(line, 1, line.len);
    }
    require_eq(line, STR("-1\r\n"));
    buf_release(&read);
    buf_release(&written);
}

/* ---- JSON ---- */

static void write_json(struct str text)
{
    struct buf buf;
    struct json_writer writer;
    int64_t integer = 0;
    double number = 0;
    memcpy(&integer, text.data, text.len < 8 ? text.len : 8);
    memcpy(&number, text.data, text.len < 8 ? text.len : 8);
    buf_init(&buf, 8 * INPUT_MAX);
    json_begin(&writer, &buf);
    json_open_object(&writer);
    json_put_str(&writer, "text", text);
    json_put_i64(&writer, "integer", integer);
    json_key(&writer, "number");
    json_f64(&writer, number);
    json_close_object(&writer);
    struct str json = buf_str(&buf), read;
    int64_t integer_again = 0;
    double number_again = 0;
    require(!buf.overflow && witness_count(json) == 3);
    require(witness_i64(json, "integer", &integer_again) && integer_again == integer);
    require(witness_text(json, "text", &read));
    require(!str_is_utf8(text) || str_eq(read, text));
    require(witness_f64(json, "number", &number_again) == isfinite(number));
    require(fabs(number_again - number) <= fabs(number) * 1e-9 || !isfinite(number));
    buf_release(&buf);
}

/* ---- the log ---- */

/* What log_write() writes to standard error, into text. */
static size_t logged(const char *message, const char *first, const char *second, char *text,
                     size_t size)
{
    static int file = -1;
    int standard = dup(STDERR_FILENO);
    if (file < 0)
        file = memfd_create("log", MFD_CLOEXEC);
    require(file >= 0 && standard >= 0 && ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0);
    require(dup2(file, STDERR_FILENO) >= 0);
    log_write(LOG_ERROR, message, "first=%s second=\"so %s\"", first, second);
    require(dup2(standard, STDERR_FILENO) >= 0 && close(standard) == 0);
    ssize_t len = pread(file, text, size, 0);
    require(len > 0);
    return (size_t)len;
}

static void write_log(struct str text)
{
    char line[2 * LOG_LINE_MAX], first[600], second[600];
    struct str one = str_sub(str_split(&text, '\0'), 0, sizeof(first) - 1);
    struct str two = str_sub(str_split(&text, '\0'), 0, sizeof(second) - 1);
    require(str_to_c(one, first, sizeof(first)) == ERR_OK);
    require(str_to_c(two, second, sizeof(second)) == ERR_OK);
    size_t len = logged(second, first, second, line, sizeof(line));
    require(len <= LOG_LINE_MAX && memchr(line, '\n', len) == line + len - 1);
    struct str json = str_from(line, len), value;
    require(witness_count(json) == 5 && witness_text(json, "at", &value));
    require(witness_text(json, "level", &value) && str_eq(value, STR("error")));
    require(witness_text(json, "msg", &value));
    require(witness_text(json, "first", &value));
    require(!str_is_utf8(one) || !str_is_utf8(two) || str_eq(value, one));
    require(witness_text(json, "second", &value));
    if (str_is_utf8(one) && str_is_utf8(two)) {
        require(str_starts_with(value, STR("so ")));
        require_eq(str_sub(value, 3, value.len), two);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_from((const char *)data, size);
    if (size == 0 || size > INPUT_MAX)
        return 0;
    write_csv(text);
    write_json(text);
    write_log(text);
    return 0;
}
