/*
 * Fuzz target of tickets as PDF. The input's lines are the texts on the page: names in any script.
 * Whatever is in them: a whole document, the same twice. What must not come from outside, text that
 * is no UTF-8, is left out: what is stored was checked.
 *
 * Run: pdf_fuzz tests/fuzz/corpus/pdf
 */
#include "fuzz.h"

#include "tickets/pdf.h"

static void write_pdf(const struct pdf_ticket *ticket, struct buf *buf)
{
    char message[64] = "";
    buf_init(buf, PDF_BYTES_MAX);
    require(pdf_write_tickets(ticket, 1, buf, message) == ERR_OK);
    require(!buf->overflow && str_starts_with(buf_str(buf), STR("%PDF-")));
    require(str_ends_with(str_trim(buf_str(buf)), STR("%%EOF")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_from((const char *)data, size);
    if (size > 4096 || !str_is_utf8(rest))
        return 0;
    struct pdf_ticket ticket = {.when = STR("Fri, 30 Jan 2026, 19:30 UTC"),
                                .booking_id = STR("bkg_00000000000000000000000000"),
                                .ticket_id = STR("tkt_00000000000000000000000000"),
                                .code = STR("F1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.AAAA")};
    struct str *const texts[] = {&ticket.event, &ticket.venue,  &ticket.address, &ticket.section,
                                 &ticket.row,   &ticket.number, &ticket.area,    &ticket.category,
                                 &ticket.price, &ticket.holder};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = str_split(&rest, '\n');
    struct buf first, second;
    write_pdf(&ticket, &first);
    if (size % 8 == 0) { /* takes long */
        write_pdf(&ticket, &second);
        require_eq(buf_str(&first), buf_str(&second));
        buf_release(&second);
    }
    buf_release(&first);
    return 0;
}
