/*
 * The audit's questions to tables that tell the same fact. Each looks at it from two sides that
 * were written by different code paths: claims against bookings, tickets against bookings, counters
 * against sums, money against refunds. audit_journal_store.c holds the journal against all of them,
 * audit_rows_store.c looks at rows by themselves.
 *
 * booking.state: 1 held, 2 payment pending, 3 confirmed, 4 expired, 5 cancelled, 6 failed.
 * seat_claim.state: 1 held, 2 booked, 3 blocked. ticket.state: 0 valid, 1 revoked. refund.reason
 * 'requested' and 'event_cancelled' are refunds of a sale when the booking is a confirmed one; all
 * others, and money that came between the cancelling of an event and its booking's end
 * ('event_cancelled' for a failed booking), never became one.
 */
#include "tickets/audit_store.h"

#include "tickets/audit_relations.h"

/* Places of open bookings and of valid tickets: who owns what by the bookings' side. */
#define OWNED                                                                                      \
    ", owned (event_id, seat_no, booking_id, state) AS (SELECT event_id, seat_no, booking_id, 1 "  \
    "FROM booking_seat WHERE state IN (1, 2) UNION ALL SELECT event_id, seat_no, booking_id, 2 "   \
    "FROM ticket WHERE state = 0 AND seat_no IS NOT NULL) "
#define OWNED_SQLITE SEATS_SQLITE OWNED
#define OWNED_PGSQL  SEATS_PGSQL OWNED

static struct audit_check checks[] = {
    {"seat-in-two-bookings",
     ASK_OF(OWNED,
            "SELECT 'event ' || event_id || ' seat ' || seat_no || ' belongs to ' || COUNT(*) || ' "
            "bookings' FROM owned GROUP BY event_id, seat_no HAVING COUNT(*) > 1 LIMIT $1")},
    {"booking-without-claim",
     ASK_OF(OWNED, "SELECT 'event ' || o.event_id || ' seat ' || o.seat_no || ' of booking ' || "
                   "o.booking_id || ' is not claimed by it' FROM owned o LEFT JOIN seat_claim c ON "
                   "c.event_id = o.event_id AND c.seat_no = o.seat_no WHERE c.booking_id IS NULL "
                   "OR c.booking_id <> o.booking_id OR c.state <> o.state LIMIT $1")},
    {"claim-without-booking",
     ASK_OF(OWNED,
            "SELECT 'event ' || c.event_id || ' seat ' || c.seat_no || ' is claimed for booking ' "
            "|| c.booking_id || ', which does not own it' FROM seat_claim c WHERE c.state IN (1, "
            "2) EXCEPT SELECT 'event ' || event_id || ' seat ' || seat_no || ' is claimed for "
            "booking ' || booking_id || ', which does not own it' FROM owned LIMIT $1")},
    {"seat-outside-plan",
     ASK("SELECT 'event ' || c.event_id || ' seat ' || c.seat_no || ' is not in the plan' FROM "
         "seat_claim c LEFT JOIN event e ON e.id = c.event_id LEFT JOIN venue_seat v ON v.venue_id "
         "= e.venue_id AND v.plan_version = e.plan_version AND v.seat_no = c.seat_no WHERE v.guid "
         "IS NULL LIMIT $1")},
    {"area-counter",
     ASK_OF(AREAS,
            ", used (event_id, area_no, quantity) AS (SELECT event_id, area_no, quantity FROM "
            "booking_area WHERE state IN (1, 2) UNION ALL SELECT event_id, area_no, 1 FROM ticket "
            "WHERE state = 0 AND area_no IS NOT NULL), total AS (SELECT event_id, area_no, "
            "SUM(quantity) AS quantity FROM used GROUP BY event_id, area_no) SELECT 'event ' || "
            "e.event_id || ' area ' || e.area_no || ': ' || e.available || ' of ' || e.capacity || "
            "' available, but ' || COALESCE(t.quantity, 0) || ' in use' FROM event_area e LEFT "
            "JOIN total t ON t.event_id = e.event_id AND t.area_no = e.area_no WHERE e.capacity - "
            "e.available <> COALESCE(t.quantity, 0) LIMIT $1")},
    {"ticket-without-booking",
     ASK("SELECT 'ticket ' || t.id || ' of event ' || t.event_id || ' has no confirmed booking ' "
         "|| t.booking_id FROM ticket t LEFT JOIN booking b ON b.event_id = t.event_id AND b.id = "
         "t.booking_id WHERE b.state IS DISTINCT FROM 3 LIMIT $1")},
    {"ticket-not-of-booking",
     ASK_OF(
         SEATS,
         "SELECT 'ticket ' || t.id || ' of event ' || t.event_id || ' is for seat ' || t.seat_no "
         "|| ', which booking ' || t.booking_id || ' never had at that price' FROM ticket t JOIN "
         "booking b ON b.event_id = t.event_id AND b.id = t.booking_id WHERE t.seat_no IS NOT NULL "
         "AND NOT EXISTS (SELECT 1 FROM booking_seat s WHERE s.event_id = t.event_id AND "
         "s.booking_id = t.booking_id AND s.seat_no = t.seat_no AND s.price = t.price) LIMIT $1")},
    {"ticket-count",
     ASK("SELECT 'booking ' || b.id || ' of event ' || b.event_id || ' has ' || b.places || ' "
         "places and ' || COUNT(t.id) || ' tickets' FROM booking b LEFT JOIN ticket t ON "
         "t.event_id = b.event_id AND t.booking_id = b.id WHERE b.state = 3 GROUP BY b.event_id, "
         "b.id, b.places HAVING COUNT(t.id) <> b.places LIMIT $1")},
    /* Each span by itself adds up to the event's tickets. */
    {"sale-sum",
     ASK("SELECT 'event ' || event_id || ' has other sales than its tickets, summed by ' || "
         "span_ms "
         "|| ' ms' FROM (SELECT event_id, span_ms, places, revenue, returned, refunded FROM "
         "sale_sum UNION ALL SELECT t.event_id, s.span_ms, -t.places, -t.revenue, -t.returned, "
         "-t.refunded FROM (SELECT event_id, COUNT(*) AS places, SUM(price) AS revenue, SUM(CASE "
         "state WHEN 1 THEN 1 ELSE 0 END) AS returned, SUM(CASE state WHEN 1 THEN price ELSE 0 "
         "END) AS refunded FROM ticket GROUP BY event_id) t CROSS JOIN (SELECT 0 AS span_ms UNION "
         "ALL SELECT 60000 UNION ALL SELECT 3600000) s) f GROUP BY event_id, span_ms HAVING "
         "SUM(places) <> 0 OR SUM(revenue) <> 0 OR SUM(returned) <> 0 OR SUM(refunded) <> 0 LIMIT "
         "$1")},
    {"booking-amount",
     ASK_OF(PLACES,
            "SELECT 'booking ' || b.id || ' of event ' || b.event_id || ' costs ' || b.amount || "
            "', its places cost something else' FROM booking b WHERE b.amount <> COALESCE((SELECT "
            "SUM(p.price) FROM booking_seat p WHERE p.event_id = b.event_id AND p.booking_id = "
            "b.id), 0) + COALESCE((SELECT SUM(p.quantity * p.price) FROM booking_area p WHERE "
            "p.event_id = b.event_id AND p.booking_id = b.id), 0) OR b.places <> COALESCE((SELECT "
            "SUM(1) FROM booking_seat p WHERE p.event_id = b.event_id AND p.booking_id = b.id), 0) "
            "+ COALESCE((SELECT SUM(p.quantity) FROM booking_area p WHERE p.event_id = b.event_id "
            "AND p.booking_id = b.id), 0) LIMIT $1")},
    {"payment-amount",
     ASK("SELECT 'payment ' || p.id || ' of event ' || p.event_id || ' asks for ' || p.amount || ' "
         "' || p.currency || ', its booking costs ' || COALESCE(b.amount || ' ' || b.currency, "
         "'nothing, it is gone') FROM payment p LEFT JOIN booking b ON b.event_id = p.event_id AND "
         "b.id = p.booking_id WHERE b.id IS NULL OR b.amount <> p.amount OR b.currency <> "
         "p.currency LIMIT $1")},
    {"confirmed-unpaid",
     ASK("SELECT 'booking ' || b.id || ' of event ' || b.event_id || ' is confirmed without the "
         "money for it' FROM booking b LEFT JOIN payment p ON p.event_id = b.event_id AND "
         "p.booking_id = b.id WHERE b.state = 3 AND b.amount > 0 AND (p.state IS NULL OR p.state "
         "<> 3 OR p.captured < b.amount) LIMIT $1")},
    {"captures",
     ASK("SELECT 'payment ' || p.id || ' of event ' || p.event_id || ' counts ' || p.captured || ' "
         "captured, its captures are ' || COALESCE(c.amount, 0) FROM payment p LEFT JOIN (SELECT "
         "event_id, payment_id, SUM(amount) amount FROM capture GROUP BY 1, 2) c ON c.event_id = "
         "p.event_id AND c.payment_id = p.id WHERE p.captured <> COALESCE(c.amount, 0) LIMIT $1")},
    {"refunds",
     ASK("SELECT 'payment ' || p.id || ' of event ' || p.event_id || ' counts ' || p.refunded || ' "
         "refunded, its refunds are ' || COALESCE(r.amount, 0) FROM payment p LEFT JOIN (SELECT "
         "event_id, payment_id, SUM(amount) amount FROM refund GROUP BY 1, 2) r ON r.event_id = "
         "p.event_id AND r.payment_id = p.id WHERE p.refunded <> COALESCE(r.amount, 0) LIMIT $1")},
    {"refund-above-capture",
     ASK("SELECT 'capture ' || c.provider_ref || ' of ' || c.amount || ' is refunded ' || "
         "SUM(r.amount) FROM capture c JOIN refund r ON r.event_id = c.event_id AND r.payment_id = "
         "c.payment_id AND r.provider_ref = c.provider_ref GROUP BY c.provider, c.provider_ref, "
         "c.amount HAVING SUM(r.amount) > c.amount LIMIT $1")},
    /* A refund of a sale leaves the booking confirmed; all others are of money that bought nothing,
     * whatever their reason: money that meets a booking of a cancelled event is one of these. */
    {"missing-refund",
     ASK("SELECT 'payment ' || p.id || ' of event ' || p.event_id || ' kept ' || (p.captured - "
         "COALESCE(SUM(r.amount), 0)) || ', the booking is worth ' || CASE b.state WHEN 3 THEN "
         "b.amount ELSE 0 END FROM payment p JOIN booking b ON b.event_id = p.event_id AND b.id = "
         "p.booking_id LEFT JOIN refund r ON r.event_id = p.event_id AND r.payment_id = p.id AND "
         "NOT (b.state = 3 AND r.reason IN ('requested', 'event_cancelled')) GROUP BY p.event_id, "
         "p.id, p.captured, b.state, b.amount HAVING p.captured - COALESCE(SUM(r.amount), 0) <> "
         "CASE b.state WHEN 3 THEN b.amount ELSE 0 END LIMIT $1")},
    {"revoked-unpaid",
     ASK("SELECT 'refund ' || r.id || ' of event ' || r.event_id || ' gives back ' || r.amount || "
         "', its tickets cost ' || COALESCE((SELECT SUM(t.price) FROM ticket t WHERE t.event_id = "
         "r.event_id AND t.booking_id = r.booking_id AND t.refund_id = r.id), 0) FROM refund r "
         "JOIN booking b ON b.event_id = r.event_id AND b.id = r.booking_id WHERE CASE WHEN "
         "b.state = 3 AND r.reason IN ('requested', 'event_cancelled') THEN r.amount ELSE 0 END <> "
         "COALESCE((SELECT SUM(t.price) FROM ticket t WHERE t.event_id = r.event_id AND "
         "t.booking_id = r.booking_id AND t.refund_id = r.id AND t.state = 1), 0) LIMIT $1")},
};

const struct audit_table audit_tables[AUDIT_TABLES] = {
    {checks, sizeof(checks) / sizeof(checks[0])}, {audit_row_checks, AUDIT_ROW_CHECKS},
    {audit_journal_checks, AUDIT_JOURNAL_CHECKS}, {audit_abuse_checks, AUDIT_ABUSE_CHECKS},
    {audit_queue_checks, AUDIT_QUEUE_CHECKS},
};

SQL(SQL_TOTALS, "SELECT (SELECT COUNT(*) FROM seat_claim WHERE state = 2), (SELECT COUNT(*) FROM "
                "seat_claim WHERE state = 1), "
                "(SELECT COUNT(*) FROM booking WHERE state = 3), (SELECT COUNT(*) FROM booking "
                "WHERE state IN (1, 2)), "
                "(SELECT COUNT(*) FROM booking WHERE state > 3), (SELECT COUNT(*) FROM ticket "
                "WHERE state = 0), "
                "(SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM capture), (SELECT "
                "CAST(COALESCE(SUM(amount), 0) AS BIGINT) "
                "FROM refund), "
                "(SELECT COUNT(*) FROM refund WHERE state = 0)");

enum err audit_store_totals(struct db *db, struct audit_totals *ret_totals)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_TOTALS);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    *ret_totals = (struct audit_totals){
        .seats_booked = db_col_i64(stmt, 0),
        .seats_held = db_col_i64(stmt, 1),
        .bookings_confirmed = db_col_i64(stmt, 2),
        .bookings_open = db_col_i64(stmt, 3),
        .bookings_ended = db_col_i64(stmt, 4),
        .tickets_valid = db_col_i64(stmt, 5),
        .captured = db_col_i64(stmt, 6),
        .refunded = db_col_i64(stmt, 7),
        .refunds_pending = db_col_i64(stmt, 8),
    };
    db_done(stmt);
    return ERR_OK;
}
