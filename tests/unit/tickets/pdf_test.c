/* Ticket PDFs, read back by poppler's and zbar's tools where they are installed. */
#include "served.h"

#include "tickets/pdf.h"
#include "tickets/pdf_font.h"

static const struct pdf_ticket seat_ticket = {
    .event = STR("Sinfonieorchester Z\u00fcrich \u2013 Gro\u00dfe Nacht der Filmmusik mit vielen "
                 "\u00dcberraschungsg\u00e4sten"),
    .when = STR("Friday, 15 January 2027, 20:00 UTC"),
    .venue = STR("\u0141\u00f3d\u017a Arena \u201eAtlas\u201c"),
    .address = STR("\u0141\u00f3d\u017a, PL"),
    .section = STR("Lower Tier 112"),
    .row = STR("AA"),
    .number = STR("114"),
    .category = STR("Standard"),
    .price = STR("1,245.00 EUR"),
    .holder = STR("Zo\u00eb \u00c5ngstr\u00f6m \U0001f389"),
    .booking_id = STR("bkg_0000000000005000000000000a"),
    .ticket_id = STR("tkt_0000000000005000000000000b"),
    .code = STR("F1.first-code"),
};
static const struct pdf_ticket area_ticket = {
    .event = STR("Jazz"),
    .when = STR("Friday, 15 January 2027, 20:00 UTC"),
    .venue = STR("The Blue Room"),
    .address = STR("London, GB"),
    .area = STR("Standing"),
    .category = STR("Standing"),
    .price = STR("45.00 GBP"),
    .booking_id = STR("bkg_0000000000005000000000000a"),
    .ticket_id = STR("tkt_0000000000005000000000000c"),
    .code = STR("F1.second-code"),
};

struct paper {
    char path[64], page_path[80];
    struct buf buf;
};

static int set_up(void **state)
{
    struct paper *paper = calloc(1, sizeof(*paper));
    if (!paper)
        return -1;
    (void)snprintf(paper->path, sizeof(paper->path), "/tmp/foyer-pdf-%d.pdf", (int)getpid());
    (void)snprintf(paper->page_path, sizeof(paper->page_path), "/tmp/foyer-pdf-%d.png",
                   (int)getpid());
    buf_init(&paper->buf, PDF_BYTES_MAX);
    *state = paper;
    return 0;
}

static int tear_down(void **state)
{
    struct paper *paper = *state;
    pdf_fonts_set_dir(NULL);
    (void)unlink(paper->path);      /* not every test writes it */
    (void)unlink(paper->page_path); /* the same */
    buf_release(&paper->buf);
    free(paper);
    return 0;
}

static void print(struct paper *paper)
{
    const struct pdf_ticket tickets[] = {seat_ticket, area_ticket};
    char message[64] = "";
    assert_int_equal(pdf_write_tickets(tickets, 2, &paper->buf, message), ERR_OK);
    assert_string_equal(message, "");
    write_file(paper->path, paper->buf.data, paper->buf.len);
}

static void read_page(const struct paper *paper, int page, char *ret_text, size_t size)
{
    char command[256];
    (void)snprintf(command, sizeof(command), "pdftotext -f %d -l %d -raw %s - 2>/dev/null", page,
                   page, paper->path);
    run_tool(command, ret_text, size);
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        print_error("\"%s\" is not in:\n%s\n", part, text);
    assert_non_null(strstr(text, part));
}

static void a_page_has_all_that_people_must_know(void **state)
{
    char text[8192];
    if (!has_tool("pdftotext") || access("/usr/share/fonts/truetype/dejavu", R_OK) != 0)
        skip();
    print(*state);
    read_page(*state, 1, text, sizeof(text));
    assert_has(text, "Ticket 1 of 2");
    assert_has(text, "Sinfonieorchester Z\u00fcrich \u2013 Gro\u00dfe");
    assert_has(text, "Friday, 15 January 2027, 20:00 UTC");
    assert_has(text, "\u0141\u00f3d\u017a Arena \u201eAtlas\u201c");
    assert_has(text, "Lower Tier 112");
    assert_has(text, "AA");
    assert_has(text, "114");
    assert_has(text, "1,245.00 EUR");
    assert_has(text, "Zo\u00eb \u00c5ngstr\u00f6m ?"); /* beyond the basic plane: replaced */
    assert_has(text, "bkg_0000000000005000000000000a");
    read_page(*state, 2, text, sizeof(text));
    assert_has(text, "Ticket 2 of 2");
    assert_has(text, "AREA");
    assert_null(strstr(text, "SEAT"));
    assert_null(strstr(text, "NAME"));
}

static void each_page_carries_its_own_code(void **state)
{
    struct paper *paper = *state;
    char command[256], read[128];
    if (!has_tool("pdftoppm") || !has_tool("zbarimg"))
        skip();
    print(paper);
    for (int page = 1; page <= 2; page++) {
        (void)snprintf(command, sizeof(command),
                       "pdftoppm -r 80 -png -singlefile -f %d -l %d %s %.*s 2>/dev/null && "
                       "zbarimg -q --raw %s 2>/dev/null",
                       page, page, paper->path, (int)strlen(paper->page_path) - 4, paper->page_path,
                       paper->page_path);
        run_tool(command, read, sizeof(read));
        assert_string_equal(read, page == 1 ? "F1.first-code\n" : "F1.second-code\n");
    }
}

static void without_its_fonts_it_prints_what_latin_has(void **state)
{
    char text[8192];
    if (!has_tool("pdftotext"))
        skip();
    pdf_fonts_set_dir("/nonexistent");
    print(*state);
    read_page(*state, 1, text, sizeof(text));
    assert_has(text, "Sinfonieorchester Z\u00fcrich \u2013 Gro\u00dfe");
    assert_has(text, "?\u00f3d? Arena \u201eAtlas\u201c");
    assert_has(text, "Zo\u00eb \u00c5ngstr\u00f6m ?");
}

/* The first len bytes of the real font, or, when it isn't there, of something else. */
static void write_font(const char *dir, const char *name, size_t len)
{
    char path[160];
    static char bytes[100000];
    (void)snprintf(path, sizeof(path), "/usr/share/fonts/truetype/dejavu/%s", name);
    FILE *file = fopen(path, "rb");
    if (file) {
        (void)fread(bytes, 1, sizeof(bytes), file); /* as much as there is */
        (void)fclose(file);
    }
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    write_file(path, bytes, len);
}

/* Font files may be there and damaged. */
static void damaged_fonts_are_as_good_as_none(void **state)
{
    struct paper *paper = *state;
    static const size_t lengths[] = {0, 11, 100, 1000, 100000};
    char dir[64], path[96];
    struct pdf_fonts fonts;
    (void)snprintf(dir, sizeof(dir), "/tmp/foyer-fonts-XXXXXX");
    assert_non_null(mkdtemp(dir));
    pdf_fonts_set_dir(dir);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        write_font(dir, "DejaVuSans.ttf", lengths[i]);
        write_font(dir, "DejaVuSans-Bold.ttf", lengths[i]);
        assert_false(pdf_fonts_find(&fonts));
        buf_clear(&paper->buf);
        print(paper);
        assert_memory_equal(paper->buf.data, "%PDF-", 5);
    }
    (void)snprintf(path, sizeof(path), "%s/DejaVuSans.ttf", dir);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof(path), "%s/DejaVuSans-Bold.ttf", dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void the_same_tickets_give_the_same_bytes(void **state)
{
    struct paper *paper = *state;
    struct buf again;
    const struct pdf_ticket tickets[] = {seat_ticket, area_ticket};
    buf_init(&again, PDF_BYTES_MAX);
    print(paper);
    assert_int_equal(pdf_write_tickets(tickets, 2, &again, NULL), ERR_OK);
    assert_true(str_eq(buf_str(&again), buf_str(&paper->buf)));
    buf_release(&again);
}

static void endless_texts_are_cut(void **state)
{
    struct paper *paper = *state;
    static char endless[3000];
    memset(endless, 'M', sizeof(endless));
    for (size_t i = 40; i < sizeof(endless) / 2; i += 40)
        endless[i] = ' ';
    struct str text = str_from(endless, sizeof(endless));
    struct pdf_ticket ticket = {.event = text,
                                .when = text,
                                .venue = text,
                                .address = text,
                                .section = text,
                                .row = text,
                                .number = text,
                                .category = text,
                                .price = text,
                                .holder = text,
                                .booking_id = text,
                                .ticket_id = text,
                                .code = STR("x")};
    assert_int_equal(pdf_write_tickets(&ticket, 1, &paper->buf, NULL), ERR_OK);
    buf_clear(&paper->buf);
    ticket.code = text;
    assert_int_equal(pdf_write_tickets(&ticket, 1, &paper->buf, NULL), ERR_INVALID);
}

static void a_full_buffer_is_an_error(void **state)
{
    (void)state;
    struct buf small;
    buf_init(&small, 100);
    assert_int_equal(pdf_write_tickets(&area_ticket, 1, &small, NULL), ERR_NOMEM);
    buf_release(&small);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_page_has_all_that_people_must_know),
        TEST(each_page_carries_its_own_code),
        TEST(without_its_fonts_it_prints_what_latin_has),
        TEST(damaged_fonts_are_as_good_as_none),
        TEST(the_same_tickets_give_the_same_bytes),
        TEST(endless_texts_are_cut),
        TEST(a_full_buffer_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
