/*
 * Tickets as a PDF: A4, one card a page, the QR drawn as rectangles.
 *
 * Text is set in DejaVu Sans, embedded (libharu keeps the glyphs that are used), so that names of
 * most scripts come out right; where its files are missing, in Helvetica with what Windows-1252 has
 * of the text. libharu takes UTF-8 of the basic plane only; what lies beyond becomes '?'.
 *
 * Errors: libharu reports to a handler, which must not jump here: it notes the first one. After an
 * error the library refuses further calls on the document, so drawing goes on to its end harmlessly
 * and the note is looked at once.
 */
#include "tickets/pdf.h"

#include <hpdf.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/qr.h"
#include "tickets/pdf_font.h"

#define PAGE_WIDTH  595.0f /* A4 in points */
#define PAGE_HEIGHT 842.0f
#define CARD_LEFT   48.0f
#define CARD_RIGHT  (PAGE_WIDTH - CARD_LEFT)
#define CARD_TOP    (PAGE_HEIGHT - 56.0f)
#define CARD_HEIGHT 452.0f
#define CARD_BOTTOM (CARD_TOP - CARD_HEIGHT)
#define BAND_HEIGHT 108.0f
#define PADDING     24.0f
#define LEFT        (CARD_LEFT + PADDING)
#define QR_SIDE     206.0f
#define QR_LEFT     (CARD_RIGHT - PADDING - QR_SIDE)
#define QR_TOP      (CARD_TOP - BAND_HEIGHT - PADDING)
#define COLUMN      (QR_LEFT - PADDING - LEFT) /* width of the texts beside it */
#define LABEL_SIZE  7.5f
#define TEXT_MAX    400            /* bytes of a text */
#define TEXT_SIZE   (TEXT_MAX + 8) /* with an ellipsis and NUL */

struct color {
    float red, green, blue;
};
static const struct color ink = {0.09f, 0.11f, 0.16f};
static const struct color muted = {0.42f, 0.45f, 0.52f};
static const struct color white = {1, 1, 1};
static const struct color band = {0.11f, 0.16f, 0.30f};
static const struct color pale = {0.74f, 0.79f, 0.92f}; /* on the band */
static const struct color field = {0.955f, 0.962f, 0.976f};
static const struct color line = {0.80f, 0.82f, 0.86f};

struct sheet {
    HPDF_Doc doc;
    HPDF_Page page;
    HPDF_Font regular, bold;
    bool is_utf8;
    HPDF_STATUS error, detail; /* the first one; 0: none */
};

static void on_error(HPDF_STATUS error, HPDF_STATUS detail, void *ctx)
{
    struct sheet *sheet = ctx;
    if (sheet->error)
        return;
    sheet->error = error;
    sheet->detail = detail;
}

/* --- Text --- */

struct glyph {
    uint32_t code_point;
    size_t len;
};

/* The character at the beginning of text, which is UTF-8 and not empty. */
static struct glyph next_glyph(struct str text)
{
    const unsigned char *at = (const unsigned char *)text.data;
    if (at[0] < 0x80)
        return (struct glyph){at[0], 1};
    if (at[0] < 0xe0 && text.len >= 2)
        return (struct glyph){(uint32_t)(at[0] & 0x1f) << 6 | (at[1] & 0x3f), 2};
    if (at[0] < 0xf0 && text.len >= 3)
        return (struct glyph){
            (uint32_t)(at[0] & 0x0f) << 12 | (uint32_t)(at[1] & 0x3f) << 6 | (at[2] & 0x3f), 3};
    return (struct glyph){0xfffd, text.len < 4 ? text.len : 4};
}

/* What Windows-1252 has for it, or '?'. */
static char to_ansi(uint32_t code_point)
{
    static const struct {
        uint16_t code_point;
        uint8_t byte;
    } table[] = {{0x20ac, 0x80}, {0x201a, 0x82}, {0x201e, 0x84}, {0x2026, 0x85}, {0x0160, 0x8a},
                 {0x0152, 0x8c}, {0x017d, 0x8e}, {0x2018, 0x91}, {0x2019, 0x92}, {0x201c, 0x93},
                 {0x201d, 0x94}, {0x2022, 0x95}, {0x2013, 0x96}, {0x2014, 0x97}, {0x2122, 0x99},
                 {0x0161, 0x9a}, {0x0153, 0x9c}, {0x017e, 0x9e}, {0x0178, 0x9f}};
    if (code_point < 0x80 || (code_point >= 0xa0 && code_point <= 0xff))
        return (char)code_point;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].code_point == code_point)
            return (char)table[i].byte;
    return '?';
}

/* As the sheet's fonts take it: NUL-terminated, no control characters, cut at TEXT_MAX. */
static void encode(const struct sheet *sheet, struct str text, char ret_text[static TEXT_SIZE])
{
    size_t len = 0;
    while (text.len > 0) {
        struct glyph glyph = next_glyph(text);
        size_t room = sheet->is_utf8 ? glyph.len : 1;
        if (len + room > TEXT_MAX)
            break;
        if (glyph.code_point < 0x20 || glyph.code_point == 0x7f)
            ret_text[len++] = ' ';
        else if (glyph.len > 3 || glyph.code_point == 0xfffd)
            ret_text[len++] = '?';
        else if (!sheet->is_utf8)
            ret_text[len++] = to_ansi(glyph.code_point);
        else
            for (size_t i = 0; i < glyph.len; i++)
                ret_text[len++] = text.data[i];
        text = str_sub(text, glyph.len, text.len);
    }
    ret_text[len] = '\0';
}

static void set_fill(struct sheet *sheet, struct color color)
{
    HPDF_Page_SetRGBFill(sheet->page, color.red, color.green, color.blue);
}

static void fill_rect(struct sheet *sheet, float x, float y, float width, float height,
                      struct color color)
{
    set_fill(sheet, color);
    HPDF_Page_Rectangle(sheet->page, x, y, width, height);
    HPDF_Page_Fill(sheet->page);
}

struct style {
    HPDF_Font font;
    float size, size_min;
    struct color color;
};

static float text_width(struct sheet *sheet, const struct style *style, float size,
                        const char *text)
{
    HPDF_Page_SetFontAndSize(sheet->page, style->font, size);
    return HPDF_Page_TextWidth(sheet->page, text);
}

static void show(struct sheet *sheet, const struct style *style, float x, float y, const char *text)
{
    set_fill(sheet, style->color);
    HPDF_Page_BeginText(sheet->page);
    HPDF_Page_TextOut(sheet->page, x, y, text);
    HPDF_Page_EndText(sheet->page);
}

/* Takes the last character away; false when there is none. */
static bool drop_last(const struct sheet *sheet, char *text)
{
    size_t len = strlen(text);
    if (len == 0)
        return false;
    do
        len--;
    while (sheet->is_utf8 && len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80);
    text[len] = '\0';
    return true;
}

/* Cuts until the text and an ellipsis are no wider than width at that size. */
static void ellipsize(struct sheet *sheet, const struct style *style, float size, float width,
                      char text[static TEXT_SIZE])
{
    char ellipsis[TEXT_SIZE];
    if (text_width(sheet, style, size, text) <= width)
        return;
    encode(sheet, STR("\u2026"), ellipsis);
    while (!sheet->error && drop_last(sheet, text)) {
        size_t len = strlen(text);
        memcpy(text + len, ellipsis, strlen(ellipsis) + 1);
        if (text_width(sheet, style, size, text) <= width)
            return;
        text[len] = '\0';
    }
}

/* One line, shrunk to fit and cut where that is not enough. */
static void show_line(struct sheet *sheet, const struct style *style, float x, float y, float width,
                      struct str value)
{
    char text[TEXT_SIZE];
    encode(sheet, value, text);
    float size = style->size;
    while (size > style->size_min && text_width(sheet, style, size, text) > width)
        size -= 0.5f;
    ellipsize(sheet, style, size, width, text);
    HPDF_Page_SetFontAndSize(sheet->page, style->font, size);
    show(sheet, style, x, y, text);
}

/* Length of the longest beginning of text that ends before a space and is no wider than width; 0
 * when not even a word is. */
static size_t fitting_words(struct sheet *sheet, const struct style *style, float size, float width,
                            const char *text)
{
    char head[TEXT_SIZE];
    size_t fitting = 0;
    for (size_t i = 0;; i++) {
        if (text[i] != ' ' && text[i] != '\0')
            continue;
        memcpy(head, text, i);
        head[i] = '\0';
        if (text_width(sheet, style, size, head) > width)
            return fitting;
        fitting = i;
        if (text[i] == '\0')
            return fitting;
    }
}

/* Up to two lines, the first at y; returns how many. */
static int show_two_lines(struct sheet *sheet, const struct style *style, float x, float y,
                          float width, struct str value)
{
    char text[TEXT_SIZE], head[TEXT_SIZE];
    encode(sheet, value, text);
    size_t fitting = fitting_words(sheet, style, style->size_min, width, text);
    if (text_width(sheet, style, style->size, text) <= width || fitting == 0 ||
        text[fitting] == '\0') {
        show_line(sheet, style, x, y, width, value);
        return 1;
    }
    memcpy(head, text, fitting);
    head[fitting] = '\0';
    char *rest = text + fitting + 1;
    memmove(text, rest, strlen(rest) + 1);
    ellipsize(sheet, style, style->size_min, width, text);
    HPDF_Page_SetFontAndSize(sheet->page, style->font, style->size_min);
    show(sheet, style, x, y, head);
    show(sheet, style, x, y - style->size_min * 1.25f, text);
    return 2;
}

/* --- The card --- */

static void draw_frame(struct sheet *sheet)
{
    HPDF_Page_SetLineWidth(sheet->page, 0.8f);
    HPDF_Page_SetRGBStroke(sheet->page, line.red, line.green, line.blue);
    fill_rect(sheet, CARD_LEFT, CARD_TOP - BAND_HEIGHT, CARD_RIGHT - CARD_LEFT, BAND_HEIGHT, band);
    HPDF_Page_Rectangle(sheet->page, CARD_LEFT, CARD_BOTTOM, CARD_RIGHT - CARD_LEFT, CARD_HEIGHT);
    HPDF_Page_Stroke(sheet->page);
}

static void draw_band(struct sheet *sheet, const struct pdf_ticket *ticket, size_t index,
                      size_t count)
{
    const struct style small = {sheet->regular, 9, 9, pale};
    const struct style name = {sheet->bold, 25, 15, white};
    char number[56];
    (void)snprintf(number, sizeof(number), "Ticket %zu of %zu", index + 1, count);
    float width = text_width(sheet, &small, small.size, number);
    show(sheet, &small, CARD_RIGHT - PADDING - width, CARD_TOP - 28, number);
    show(sheet, &small, LEFT, CARD_TOP - 28, "ADMIT ONE");
    show_two_lines(sheet, &name, LEFT, CARD_TOP - 66, CARD_RIGHT - PADDING - LEFT, ticket->event);
}

static void draw_qr(struct sheet *sheet, const struct qr *qr, struct str ticket_id)
{
    float module = QR_SIDE / (float)qr->width;
    set_fill(sheet, (struct color){0, 0, 0});
    for (unsigned y = 0; y < qr->width; y++) {
        unsigned len;
        for (unsigned x = 0; qr_next_run(qr, y, &x, &len); x += len)
            HPDF_Page_Rectangle(sheet->page, QR_LEFT + (float)x * module,
                                QR_TOP - (float)(y + 1) * module, (float)len * module, module);
    }
    HPDF_Page_Fill(sheet->page);
    const struct style caption = {sheet->regular, 8, 6, muted};
    show_line(sheet, &caption, QR_LEFT, QR_TOP - QR_SIDE - 16, QR_SIDE, ticket_id);
}

static void draw_label(struct sheet *sheet, float x, float y, const char *label)
{
    const struct style style = {sheet->regular, LABEL_SIZE, LABEL_SIZE, muted};
    HPDF_Page_SetFontAndSize(sheet->page, style.font, style.size);
    HPDF_Page_SetCharSpace(sheet->page, 0.6f);
    show(sheet, &style, x, y, label);
    HPDF_Page_SetCharSpace(sheet->page, 0);
}

/* A label with a value below it, and how far down the next one begins. */
static float draw_field(struct sheet *sheet, float y, const char *label, struct str value)
{
    const struct style style = {sheet->regular, 11.5f, 8, ink};
    if (value.len == 0)
        return y;
    draw_label(sheet, LEFT, y, label);
    show_line(sheet, &style, LEFT, y - 15, COLUMN, value);
    return y - 36;
}

static void draw_box(struct sheet *sheet, float x, float width, float y, const char *label,
                     struct str value)
{
    const struct style style = {sheet->bold, 21, 9, ink};
    fill_rect(sheet, x, y - 48, width, 58, field);
    draw_label(sheet, x + 10, y - 6, label);
    show_line(sheet, &style, x + 10, y - 34, width - 20, value);
}

static void draw_place(struct sheet *sheet, const struct pdf_ticket *ticket, float y)
{
    const float gap = 6, narrow = 52;
    if (ticket->area.len > 0) {
        draw_box(sheet, LEFT, COLUMN, y, "AREA", ticket->area);
        return;
    }
    float wide = COLUMN - 2 * narrow - 2 * gap;
    draw_box(sheet, LEFT, wide, y, "SECTION", ticket->section);
    draw_box(sheet, LEFT + wide + gap, narrow, y, "ROW", ticket->row);
    draw_box(sheet, LEFT + wide + gap + narrow + gap, narrow, y, "SEAT", ticket->number);
}

static void draw_texts(struct sheet *sheet, const struct pdf_ticket *ticket)
{
    const struct style strong = {sheet->bold, 12.5f, 8, ink};
    const struct style plain = {sheet->regular, 11.5f, 8, ink};
    float y = QR_TOP - 8;
    draw_label(sheet, LEFT, y, "WHEN");
    show_line(sheet, &strong, LEFT, y - 16, COLUMN, ticket->when);
    y -= 40;
    draw_label(sheet, LEFT, y, "WHERE");
    show_line(sheet, &strong, LEFT, y - 16, COLUMN, ticket->venue);
    show_line(sheet, &plain, LEFT, y - 31, COLUMN, ticket->address);
    y -= 58;
    draw_place(sheet, ticket, y);
    y -= 68;
    y = draw_field(sheet, y, "CATEGORY", ticket->category);
    y = draw_field(sheet, y, "PRICE", ticket->price);
    y = draw_field(sheet, y, "NAME", ticket->holder);
    (void)draw_field(sheet, y, "BOOKING", ticket->booking_id);
}

static void draw_footer(struct sheet *sheet)
{
    static const char *const lines[] = {
        "Bring this page on paper or on a screen; the code must be readable.",
        "The code admits one person, once. Whoever shows it first is let in: keep it to yourself.",
    };
    const struct style style = {sheet->regular, 9, 9, muted};
    HPDF_Page_SetFontAndSize(sheet->page, style.font, style.size);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        show(sheet, &style, LEFT, CARD_BOTTOM - 24 - 14 * (float)i, lines[i]);
}

static enum err draw_ticket(struct sheet *sheet, const struct pdf_ticket *ticket, size_t index,
                            size_t count)
{
    struct qr *qr = malloc(sizeof(*qr));
    if (!qr)
        return ERR_NOMEM;
    enum err err = qr_encode(ticket->code, qr);
    if (!err) {
        sheet->page = HPDF_AddPage(sheet->doc);
        HPDF_Page_SetSize(sheet->page, HPDF_PAGE_SIZE_A4, HPDF_PAGE_PORTRAIT);
        draw_frame(sheet);
        draw_band(sheet, ticket, index, count);
        draw_qr(sheet, qr, ticket->ticket_id);
        draw_texts(sheet, ticket);
        draw_footer(sheet);
    }
    free(qr);
    return err;
}

/* --- The document --- */

/* False when there are none, or the library refuses them: then the document may have failed. */
static bool load_truetype(struct sheet *sheet)
{
    struct pdf_fonts fonts;
    if (!pdf_fonts_find(&fonts))
        return false;
    HPDF_UseUTFEncodings(sheet->doc);
    HPDF_SetCurrentEncoder(sheet->doc, "UTF-8");
    const char *name = HPDF_LoadTTFontFromFile(sheet->doc, fonts.regular, HPDF_TRUE);
    sheet->regular = name ? HPDF_GetFont(sheet->doc, name, "UTF-8") : NULL;
    name = HPDF_LoadTTFontFromFile(sheet->doc, fonts.bold, HPDF_TRUE);
    sheet->bold = name ? HPDF_GetFont(sheet->doc, name, "UTF-8") : NULL;
    sheet->is_utf8 = sheet->regular && sheet->bold && !sheet->error;
    return sheet->is_utf8;
}

static bool new_doc(struct sheet *sheet)
{
    *sheet = (struct sheet){0};
    sheet->doc = HPDF_New(on_error, sheet);
    if (sheet->doc)
        HPDF_SetCompressionMode(sheet->doc, HPDF_COMP_ALL);
    return sheet->doc != NULL;
}

static enum err open_doc(struct sheet *sheet)
{
    if (!new_doc(sheet))
        return ERR_NOMEM;
    if (load_truetype(sheet))
        return ERR_OK;
    if (sheet->error) {
        HPDF_Free(sheet->doc);
        if (!new_doc(sheet))
            return ERR_NOMEM;
    }
    sheet->regular = HPDF_GetFont(sheet->doc, "Helvetica", "WinAnsiEncoding");
    sheet->bold = HPDF_GetFont(sheet->doc, "Helvetica-Bold", "WinAnsiEncoding");
    return ERR_OK;
}

static void save_doc(struct sheet *sheet, struct buf *buf)
{
    HPDF_BYTE chunk[4096];
    if (HPDF_SaveToStream(sheet->doc) != HPDF_OK)
        return; /* noted by on_error */
    HPDF_ResetStream(sheet->doc);
    for (;;) {
        HPDF_UINT32 size = sizeof(chunk);
        HPDF_STATUS status = HPDF_ReadFromStream(sheet->doc, chunk, &size);
        if (size > 0)
            buf_append(buf, chunk, size);
        if (status != HPDF_OK || size < sizeof(chunk))
            return;
    }
}

enum err pdf_write_tickets(const struct pdf_ticket *tickets, size_t count, struct buf *buf,
                           char ret_message[64])
{
    struct sheet sheet;
    enum err err = open_doc(&sheet);
    if (err)
        return err;
    HPDF_SetInfoAttr(sheet.doc, HPDF_INFO_TITLE, "Tickets");
    for (size_t i = 0; !err && i < count; i++)
        err = draw_ticket(&sheet, &tickets[i], i, count);
    if (!err && !sheet.error)
        save_doc(&sheet, buf);
    HPDF_Free(sheet.doc);
    if (err)
        return err;
    if (sheet.error && ret_message)
        (void)snprintf(ret_message, 64, "PDF library: error 0x%04lx, detail %lu",
                       (unsigned long)sheet.error, (unsigned long)sheet.detail);
    if (sheet.error)
        return sheet.error == HPDF_FAILD_TO_ALLOC_MEM ? ERR_NOMEM : ERR_IO;
    return buf->overflow ? ERR_NOMEM : ERR_OK;
}
