/*
 * What our mails say, once as plain text and once as HTML with the same words. Names come from
 * organizers and buyers: escaped in the HTML. No pictures, no trackers: a mail client shows it all
 * without asking.
 */
#include "tickets/mail_text.h"

#include "tickets/money.h"

#define BODY_BYTES_MAX (64u << 10)

#define HTML_HEAD                                                                                  \
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"                            \
    "<meta name=\"viewport\" content=\"width=device-width\"></head>\n"                             \
    "<body style=\"margin:0;background:#f3f4f8;color:#171c29;"                                     \
    "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;line-height:1.5\">\n"  \
    "<div style=\"max-width:560px;margin:0 auto;padding:24px 16px\">\n"                            \
    "<div style=\"background:#1c294d;color:#fff;padding:20px 24px;border-radius:8px 8px 0 0\">\n"
#define HTML_CARD                                                                                  \
    "</div>\n<div style=\"background:#fff;padding:20px 24px;border-radius:0 0 8px 8px\">\n"
#define HTML_END "</div>\n</div>\n</body></html>\n"
#define HTML_BUTTON                                                                                \
    "style=\"display:inline-block;background:#2f5bd7;color:#fff;padding:10px 18px;"                \
    "border-radius:6px;text-decoration:none\""

struct body {
    const struct mail_facts *facts;
    struct buf *text, *html;
    struct str when, address;
};

/* The same sentence in both. */
static void add_paragraph(struct body *body, struct str sentence)
{
    buf_append_str(body->text, sentence);
    buf_append_str(body->text, STR("\n\n"));
    buf_append_str(body->html, STR("<p>"));
    buf_append_markup(body->html, sentence);
    buf_append_str(body->html, STR("</p>\n"));
}

static struct str money_str(struct arena *arena, int64_t amount, const char *currency)
{
    struct buf *buf = buf_new_in(arena, 64);
    if (!buf)
        return STR_NONE;
    money_append(buf, amount, currency);
    return buf_str(buf);
}

static void add_greeting(struct body *body, struct arena *arena)
{
    struct str name = body->facts->mail->to_name;
    add_paragraph(body,
                  name.len > 0 ? arena_printf(arena, "Hello %.*s,", STR_ARG(name)) : STR("Hello,"));
}

/* The event as a heading of its own. */
static void add_event(struct body *body)
{
    const struct event_model *model = body->facts->model;
    buf_append_str(body->html, STR(HTML_HEAD "<div style=\"font-size:20px;font-weight:700\">"));
    buf_append_markup(body->html, model->event.name);
    buf_append_str(body->html, STR("</div>\n<div style=\"color:#c9d3ee\">"));
    buf_append_markup(body->html, body->when);
    buf_append_str(body->html, STR("<br>"));
    buf_append_markup(body->html, model->venue_name);
    buf_append_str(body->html, STR(", "));
    buf_append_markup(body->html, body->address);
    buf_append_str(body->html, STR("</div>\n" HTML_CARD));
}

static void add_event_text(struct body *body)
{
    const struct event_model *model = body->facts->model;
    buf_printf(body->text, "    %.*s\n    %.*s\n    %.*s, %.*s\n\n", STR_ARG(model->event.name),
               STR_ARG(body->when), STR_ARG(model->venue_name), STR_ARG(body->address));
}

static void add_place(struct body *body, struct str place, struct str price)
{
    buf_printf(body->text, "    %.*s: %.*s\n", STR_ARG(place), STR_ARG(price));
    buf_append_str(body->html,
                   STR("<tr><td style=\"padding:6px 0;border-bottom:1px solid #e4e7ef\">"));
    buf_append_markup(body->html, place);
    buf_append_str(body->html, STR("</td><td style=\"padding:6px 0;border-bottom:1px solid "
                                   "#e4e7ef;text-align:right;white-space:nowrap\">"));
    buf_append_markup(body->html, price);
    buf_append_str(body->html, STR("</td></tr>\n"));
}

static struct str place_str(struct arena *arena, const struct ticket_place *place)
{
    if (place->area.len > 0)
        return place->area;
    return arena_printf(arena, "%.*s, row %.*s, seat %.*s", STR_ARG(place->section),
                        STR_ARG(place->row), STR_ARG(place->number));
}

static void add_places(struct body *body, struct arena *arena)
{
    const struct mail_facts *facts = body->facts;
    const char *currency = facts->booking->currency;
    buf_append_str(body->html, STR("<table style=\"width:100%;border-collapse:collapse\">\n"));
    for (size_t i = 0; i < facts->ticket_count; i++) {
        struct ticket_place place;
        ticket_place_of(facts->model, &facts->tickets[i], &place);
        add_place(body, place_str(arena, &place),
                  money_str(arena, facts->tickets[i].price, currency));
    }
    add_place(body, STR("Paid"), money_str(arena, facts->booking->amount, currency));
    buf_append_str(body->html, STR("</table>\n"));
    buf_append_char(body->text, '\n');
}

static void add_link(struct body *body, struct str label)
{
    struct str url = body->facts->booking_url;
    buf_printf(body->text, "%.*s:\n%.*s\n\n", STR_ARG(label), STR_ARG(url));
    buf_append_str(body->html, STR("<p><a " HTML_BUTTON " href=\""));
    buf_append_markup(body->html, url);
    buf_append_str(body->html, STR("\">"));
    buf_append_markup(body->html, label);
    buf_append_str(body->html, STR("</a></p>\n"));
}

static void add_footer(struct body *body)
{
    const struct booking *booking = body->facts->booking;
    char id[ID_TEXT_SIZE];
    struct str id_text = id_format2(id, "bkg", booking->event_id, booking->id);
    buf_printf(body->text, "Booking %.*s\n", STR_ARG(id_text));
    buf_append_str(body->html, STR("<p style=\"color:#6b7385;font-size:13px\">Booking "));
    buf_append_markup(body->html, id_text);
    buf_append_str(body->html, STR("</p>\n" HTML_END));
}

static void write_confirmation(struct body *body, struct arena *arena)
{
    add_greeting(body, arena);
    add_paragraph(body, STR("your booking is confirmed. See you there!"));
    add_event_text(body);
    add_places(body, arena);
    if (body->facts->ticket_count > 0)
        add_paragraph(body, STR("Your tickets are attached as a PDF, to print or to show on your "
                                "phone. Each code lets one person in, once."));
    add_link(body, STR("Open your booking"));
}

static struct str reason_sentence(struct str reason)
{
    static const struct {
        const char *reason, *sentence;
    } table[] = {
        {"late", "Your payment came after the time was up, when the places had been given on."},
        {"already_paid", "This booking had been paid before."},
        {"card_limit",
         "So many places of this event were paid with this card already that it may buy "
         "no more."},
        {"mismatch", "The payment did not match the price of the booking."},
        {"cancelled", "The booking had been cancelled before the payment came."},
        {"event_cancelled", "The event has been cancelled. We are sorry."},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (str_eq(reason, str_from_c(table[i].reason)))
            return str_from_c(table[i].sentence);
    return STR_NONE;
}

static void write_refund(struct body *body, struct arena *arena)
{
    const struct mail *mail = body->facts->mail;
    struct str amount = money_str(arena, mail->amount, mail->currency);
    struct str reason = reason_sentence(mail->reason);
    add_greeting(body, arena);
    add_paragraph(body, arena_printf(arena,
                                     "we have given %.*s back to you, the way you paid. Banks take "
                                     "some days to show it.",
                                     STR_ARG(amount)));
    if (reason.len > 0)
        add_paragraph(body, reason);
    add_event_text(body);
    add_link(body, STR("Open your booking"));
}

enum err mail_texts_make(const struct mail_facts *facts, struct arena *arena,
                         struct mail_texts *ret_texts)
{
    char when[EVENT_WHEN_SIZE];
    struct body body = {.facts = facts,
                        .text = buf_new_in(arena, BODY_BYTES_MAX),
                        .html = buf_new_in(arena, BODY_BYTES_MAX),
                        .when = event_when(facts->model->event.starts_at, when),
                        .address = event_address(facts->model, arena)};
    if (!body.text || !body.html)
        return ERR_NOMEM;
    bool is_refund = facts->mail->kind == MAIL_REFUND;
    add_event(&body);
    if (is_refund)
        write_refund(&body, arena);
    else
        write_confirmation(&body, arena);
    add_footer(&body);
    ret_texts->subject = arena_printf(arena, is_refund ? "Refund: %.*s" : "Your tickets: %.*s",
                                      STR_ARG(facts->model->event.name));
    ret_texts->text = body.text;
    ret_texts->html = body.html;
    return arena->overflow || body.text->overflow || body.html->overflow ? ERR_NOMEM : ERR_OK;
}
