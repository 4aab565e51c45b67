/*
 * The audit's questions to the caps against bots: nobody has more than the highest cap that the event
 * ever had, for caps may be lowered during a sale. Only bookings with a network were counted when they
 * were made (see abuse.h). A device's and a card's are what they have paid for or are paying; those of
 * an account and a network are open holds, too.
 */
#include "tickets/audit_store.h"

#include "tickets/audit_relations.h"

#define SAID(cap) "MAX(CAST(data -> 'abuse' ->> '" cap "' AS BIGINT))"
#define CAPS                                                                                       \
    ", cap (event, device, card, network) AS MATERIALIZED (SELECT event, MAX(device), MAX(card), " \
    "MAX(network) FROM (SELECT event, " SAID("per_device") " AS device, " SAID(                    \
        "per_card") " AS card, " SAID("per_network") " AS network FROM told WHERE type IN "        \
                                                     "('event.created', 'event.updated', "         \
                                                     "'event.published', 'event.cancelled') "      \
                                                     "GROUP BY event UNION ALL SELECT id, "        \
                                                     "per_device, per_card, per_network FROM "     \
                                                     "event) x GROUP BY event) "
#define CAPS_SQLITE TOLD_SQLITE CAPS
#define CAPS_PGSQL  TOLD_PGSQL CAPS

/* Bookings by one of two columns, which may name the same. */
#define BY_EITHER(column, pay_column, states)                                                      \
    ", part (event, name, places) AS (SELECT event_id, " column ", places - given_back FROM "      \
    "booking WHERE network IS NOT NULL AND +state IN (" states ") AND " column                     \
    " IS NOT NULL UNION ALL SELECT event_id, " pay_column ", places - given_back FROM booking "    \
    "WHERE network IS NOT NULL AND +state IN (" states ") AND " pay_column " IS NOT NULL AND "     \
    "" pay_column " IS DISTINCT FROM " column ") "
#define OVER(what, cap)                                                                            \
    "SELECT '" what " ' || p.name || ' has ' || SUM(p.places) || ' places of event ' || p.event "  \
    "FROM part p JOIN cap c ON c.event = p.event GROUP BY p.event, p.name HAVING SUM(p.places) > " \
    "" cap " LIMIT $1"

struct audit_check audit_abuse_checks[AUDIT_ABUSE_CHECKS] = {
    {"given-back",
     ASK("SELECT 'booking ' || b.id || ' of event ' || b.event_id || ' counts ' || b.given_back || "
         "' places as given back, and has ' || COALESCE(t.revoked, 0) || ' revoked tickets' FROM "
         "booking b LEFT JOIN (SELECT event_id, booking_id, COUNT(*) AS revoked FROM ticket WHERE "
         "state = 1 GROUP BY event_id, booking_id) t ON t.event_id = b.event_id AND t.booking_id = "
         "b.id WHERE b.given_back <> COALESCE(t.revoked, 0) LIMIT $1")},
    {"cap-of-account",
     ASK("SELECT 'account ' || b.account_id || ' has ' || SUM(b.places - b.given_back) || ' places "
         "of event ' || b.event_id FROM booking b JOIN event e ON e.id = b.event_id WHERE "
         "b.network IS NOT NULL AND +b.state IN (1, 2, 3) GROUP BY b.event_id, b.account_id, "
         "e.per_account HAVING SUM(b.places - b.given_back) > e.per_account LIMIT $1")},
    {"cap-of-device",
     ASK_OF(CAPS, BY_EITHER("device", "pay_device", "2, 3")
                      OVER("device", "MAX(CASE WHEN c.card > c.device THEN c.card ELSE c.device "
                                     "END)"))},
    {"cap-of-card",
     ASK_OF(CAPS,
            ", part (event, name, places) AS (SELECT event_id, card, places - given_back "
            "FROM booking WHERE card IS NOT NULL AND +state = 3) " OVER("card", "MAX(c.card)"))},
    {"cap-of-network", ASK_OF(CAPS, BY_EITHER("network", "pay_network", "1, 2, 3")
                                        OVER("network", "MAX(c.network) * 20"))},
};
