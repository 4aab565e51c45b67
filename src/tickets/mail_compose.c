/* From a row of mail.db to the bytes of the message. */
#include "tickets/mail_compose.h"

#include "tickets/mail_mime.h"
#include "tickets/mail_text.h"
#include "tickets/pdf.h"

#define FILE_STEM_MAX 36

/* The same for each attempt, and for nothing else: receivers drop what they have already. */
static struct str message_id(const struct mail_composer *composer, const struct mail *mail,
                             struct arena *arena)
{
    char id[ID_TEXT_SIZE];
    struct str address = composer->from_address;
    struct str domain = str_sub(address, str_find(address, '@', 0) + 1, address.len);
    bool is_refund = mail->kind == MAIL_REFUND;
    uint64_t subject_id = is_refund ? mail->refund_id : mail->booking_id;
    struct str text = id_format2(id, is_refund ? "ref" : "bkg", mail->event_id, subject_id);
    return arena_printf(arena, "%s.%.*s@%.*s", is_refund ? "refund" : "confirmation", STR_ARG(text),
                        STR_ARG(domain));
}

/* The valid tickets of the booking stay in facts->tickets. */
static enum err load_tickets(const struct mail_composer *composer, struct ticket *tickets,
                             struct mail_facts *facts)
{
    size_t all;
    const struct mail *mail = facts->mail;
    enum err err = ticket_list(composer->db, mail->event_id, mail->booking_id, tickets, &all);
    for (size_t i = 0; !err && i < all; i++)
        if (!tickets[i].is_revoked)
            tickets[facts->ticket_count++] = tickets[i];
    facts->tickets = tickets;
    return err;
}

/* The beginning of the event's name, whole characters; the extension must fit behind it. */
static struct str file_stem(struct str name)
{
    size_t len = name.len < FILE_STEM_MAX ? name.len : FILE_STEM_MAX;
    while (len > 0 && len < name.len && ((unsigned char)name.data[len] & 0xc0) == 0x80)
        len--;
    return len > 0 ? str_trim(str_sub(name, 0, len)) : STR("tickets");
}

static enum err attach_tickets(const struct mail_composer *composer, const struct mail_facts *facts,
                               struct arena *arena, struct mail_message *message)
{
    if (facts->mail->kind != MAIL_CONFIRMATION || facts->ticket_count == 0)
        return ERR_OK;
    struct ticket_sheets sheets = {.service = composer->service,
                                   .model = facts->model,
                                   .tickets = facts->tickets,
                                   .count = facts->ticket_count,
                                   .holder = facts->mail->to_name,
                                   .currency = str_from_c(facts->booking->currency)};
    struct buf *pdf = buf_new_in(arena, PDF_BYTES_MAX);
    if (!pdf)
        return ERR_NOMEM;
    enum err err = ticket_write_pdf(&sheets, arena, pdf);
    message->file = buf_str(pdf);
    message->file_name =
        arena_printf(arena, "%.*s.pdf", STR_ARG(file_stem(facts->model->event.name)));
    return err;
}

static enum err write_message(const struct mail_composer *composer, const struct mail_facts *facts,
                              struct arena *arena, struct buf *buf)
{
    const struct mail *mail = facts->mail;
    struct mail_texts texts;
    enum err err = mail_texts_make(facts, arena, &texts);
    if (err)
        return err;
    struct mail_message message = {.from_name = composer->from_name,
                                   .from_address = composer->from_address,
                                   .to_name = mail->to_name,
                                   .to_address = mail->to_email,
                                   .subject = texts.subject,
                                   .message_id = message_id(composer, mail, arena),
                                   .date_ms = mail->created_at,
                                   .text = buf_str(texts.text),
                                   .html = buf_str(texts.html)};
    err = attach_tickets(composer, facts, arena, &message);
    if (err)
        return err;
    if (arena->overflow)
        return ERR_NOMEM;
    mail_write(&message, buf);
    return buf->overflow ? ERR_NOMEM : ERR_OK;
}

enum err mail_compose(const struct mail_composer *composer, const struct mail *mail,
                      struct arena *arena, struct buf *buf)
{
    struct booking booking;
    struct ticket tickets[BOOKING_PLACES_MAX];
    struct event_model *model;
    char id[ID_TEXT_SIZE];
    struct mail_facts facts = {.mail = mail, .booking = &booking};
    enum err err = booking_load(composer->db, mail->event_id, mail->booking_id, &booking);
    if (!err)
        err = load_tickets(composer, tickets, &facts);
    if (!err)
        err = inventory_load(composer->service->inventory, composer->db, mail->event_id, &model);
    if (err)
        return err;
    struct str id_text = id_format2(id, "bkg", mail->event_id, mail->booking_id);
    facts.model = model;
    facts.booking_url =
        arena_printf(arena, "%s/bookings/%.*s", composer->service->base_url, STR_ARG(id_text));
    err = write_message(composer, &facts, arena, buf);
    event_model_unref(model);
    return err;
}
