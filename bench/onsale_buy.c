/* What people do with seats that they hold: check out, pay at the bank, and wait for the end. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/ids.h"
#include "onsale_person.h"

#define URL_MS     150
#define END_MS     400
#define END_MS_MAX 2000
#define RETRY_MS   300
#define POLLS_MAX  400
#define FAILURES   3
#define AFTER_ALL  INT64_MAX

static enum person_mood draw_mood(struct person *person)
{
    static const struct {
        unsigned below;
        enum person_mood mood;
    } table[] = {{3, MOOD_GIVES_BACK},
                 {6, MOOD_CARD_FAILS},
                 {14, MOOD_TOLD_TWICE},
                 {20, MOOD_TOLD_LATE},
                 {21, MOOD_NEVER_TOLD}};
    struct onsale_orders *orders = person->process->orders;
    bool is_ending = atomic_load_explicit(&orders->is_ending, memory_order_relaxed);
    double dice = (double)(rand() % 10000) / 10000;
    if (!is_ending && dice < orders->abandon_share)
        return MOOD_ABANDONS;
    unsigned percent = (unsigned)(rand() % 100);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (percent < table[i].below && !(is_ending && table[i].mood <= MOOD_CARD_FAILS))
            return table[i].mood;
    return MOOD_PAYS;
}

static void set_held_until(struct person *person, int64_t until_ns)
{
    for (unsigned i = 0; i < ONSALE_SEATS; i++)
        atomic_store(&person->process->people->held_until_ns[person->seats[i]], until_ns);
}

static void send_booking(struct person *person, const char *method, const char *suffix)
{
    char path[128];
    snprintf(path, sizeof(path), "/v1/bookings/%s%s", person->booking, suffix);
    person_send(person, method, path, STR_NONE, NULL, 0);
}

static void ask_state(struct person *person)
{
    person->is_asking = true;
    send_booking(person, "GET", "");
}

void buy_begin(struct person *person)
{
    struct onsale_tally *tally = &person->process->figures->tally;
    person->polls = 0;
    person->pay_path[0] = '\0';
    person->mood = draw_mood(person);
    if (person->mood == MOOD_ABANDONS) {
        tally->abandoned++;
        person_goes(person);
    } else if (person->mood == MOOD_GIVES_BACK) {
        person->step = PERSON_GIVE_BACK;
        set_held_until(person, 0); /* before the server can give them to others */
        send_booking(person, "DELETE", "");
    } else {
        person->step = PERSON_CHECKOUT;
        send_booking(person, "POST", "/checkout");
    }
}

/* --- The bank --- */

static const char *bank_order(struct person *person)
{
    struct onsale_tally *tally = &person->process->figures->tally;
    switch (person->mood) {
    case MOOD_CARD_FAILS:
        tally->cards_failed++;
        return "{\"outcome\":\"failed\",\"callbacks\":{\"count\":1}}";
    case MOOD_TOLD_TWICE:
        tally->told_twice++;
        return "{\"outcome\":\"succeeded\",\"callbacks\":{\"count\":3,\"shuffle\":true}}";
    case MOOD_TOLD_LATE:
        tally->told_late++;
        return "{\"outcome\":\"succeeded\",\"callbacks\":{\"count\":1,\"delay_ms\":4000}}";
    case MOOD_NEVER_TOLD:
        tally->never_told++;
        return "{\"outcome\":\"succeeded\",\"callbacks\":{\"count\":0}}";
    default:
        return "{\"outcome\":\"succeeded\",\"callbacks\":{\"count\":1}}";
    }
}

static void pay_next(struct crowd_process *process)
{
    for (unsigned i = 0; i < TILLS && process->paying_count > 0; i++) {
        struct till *till = &process->tills[i];
        if (till->person)
            continue;
        till->person = process->paying[process->paying_first];
        process->paying_first = (process->paying_first + 1) % process->count;
        process->paying_count--;
        struct load_request request = {.method = "POST",
                                       .path = str_from_c(till->person->pay_path),
                                       .body = str_from_c(bank_order(till->person))};
        load_send(load_conn_at(process->load, process->count + i), &request);
    }
}

static void go_to_the_bank(struct person *person)
{
    struct crowd_process *process = person->process;
    person->step = PERSON_PAYS;
    /* Among what is told in any order is one "failed": if it comes first, the seats are free. */
    if (person->mood == MOOD_CARD_FAILS || person->mood == MOOD_TOLD_TWICE)
        set_held_until(person, 0);
    process->paying[(process->paying_first + process->paying_count) % process->count] = person;
    process->paying_count++;
    pay_next(process);
}

void till_on_answer(struct load_conn *conn, const struct load_answer *answer)
{
    struct till *till = conn->actor;
    struct person *person = till->person;
    till->person = NULL;
    if (answer->status == 0 || answer->status == 503) {
        go_to_the_bank(person);
        return;
    }
    if (answer->status != 200 && answer->status != 409 &&
        person->process->figures->tally.unexpected++ < FAILURES)
        fprintf(stderr, "onsale: bank: %d %.*s\n", answer->status, STR_ARG(answer->body));
    person->step = PERSON_END;
    person->pause_ms = END_MS;
    person_wake(person, END_MS);
    pay_next(person->process);
}

/* "http://127.0.0.1:PORT/pay/ID" in the booking. */
static bool take_url(struct person *person, struct str body)
{
    char url[PEEK_SIZE];
    unsigned port;
    int at = 0;
    if (!peek_text(body, "url", url, sizeof(url)) ||
        sscanf(url, "http://127.0.0.1:%u%n", &port, &at) != 1 || !url[at])
        return false;
    snprintf(person->pay_path, sizeof(person->pay_path), "%.100s/complete", url + at);
    return true;
}

/* --- The end --- */

static void note_sale(struct person *person)
{
    struct crowd_process *process = person->process;
    struct onsale_sold *sold = &process->sold[process->figures->sold_count];
    uint64_t event_id;
    process->figures->tally.confirmed++;
    set_held_until(person, AFTER_ALL);
    if (id_parse2(str_from_c(person->booking), "bkg", &event_id, &sold->booking_id))
        process->figures->tally.unexpected++;
    for (unsigned i = 0; i < ONSALE_SEATS; i++) {
        sold->seats[i] = person->seats[i];
        if (atomic_fetch_add(&process->people->sold_times[person->seats[i]], 1) > 0)
            process->figures->tally.double_sales++;
    }
    process->figures->sold_count++;
}

static void back_inside(struct person *person)
{
    person->step = PERSON_POLL;
    person_poll(person);
}

/* False: it is still under way. */
static bool take_end(struct person *person, const char *status)
{
    struct onsale_tally *tally = &person->process->figures->tally;
    if (strcmp(status, "confirmed") == 0) {
        note_sale(person);
        person_end_stay(person);
        person_goes(person);
    } else if (strcmp(status, "expired") == 0 || strcmp(status, "failed") == 0 ||
               strcmp(status, "cancelled") == 0) {
        tally->expired += status[0] == 'e';
        tally->failed += status[0] == 'f';
        back_inside(person);
    } else {
        return false;
    }
    return true;
}

static void on_state(struct person *person, const struct load_answer *answer)
{
    char status[32] = "";
    person->is_asking = false;
    if (answer->status != 200 || !peek_text(answer->body, "status", status, sizeof(status))) {
        person_wake(person, RETRY_MS);
        return;
    }
    if (strcmp(status, "held") == 0 || strcmp(status, "payment_pending") == 0)
        person_note_stay(person);
    if (take_end(person, status))
        return;
    if (person->polls++ > POLLS_MAX) {
        if (person->process->figures->tally.unexpected++ < FAILURES)
            fprintf(stderr, "onsale: %s is %s for ever\n", person->booking, status);
        person_goes(person);
    } else if (person->step == PERSON_URL && take_url(person, answer->body)) {
        go_to_the_bank(person);
    } else {
        person->pause_ms = person->step == PERSON_URL ? URL_MS : person->pause_ms * 3 / 2;
        if (person->pause_ms > END_MS_MAX)
            person->pause_ms = END_MS_MAX;
        person_wake(person, person->pause_ms);
    }
}

void buy_on_answer(struct person *person, const struct load_answer *answer)
{
    if (person->is_asking) {
        on_state(person, answer);
    } else if (answer->status == 0 || answer->status == 503 || answer->status == 429) {
        person_wake(person, RETRY_MS); /* the same step again */
    } else if (person->step == PERSON_GIVE_BACK) {
        person->process->figures->tally.given_back++;
        back_inside(person);
    } else {
        person->step = PERSON_URL; /* 202, or the hold has ended: its state says it */
        person->pause_ms = URL_MS;
        person_wake(person, URL_MS);
    }
}

void buy_on_timer(struct person *person)
{
    if (person->step == PERSON_GIVE_BACK)
        send_booking(person, "DELETE", "");
    else if (person->step == PERSON_CHECKOUT)
        send_booking(person, "POST", "/checkout");
    else
        ask_state(person);
}
