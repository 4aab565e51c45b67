/*
 * Tickets: issued in the transaction that confirms their booking, one per place, and revoked one by
 * one when they are refunded. A ticket never changes hands or seats: a new place is a new ticket.
 *
 *   valid ──check-in──▶ used          valid ──refund──▶ revoked
 */
#include "tickets/ticket.h"

#include "tickets/sale_sum.h"
#include "tickets/ticket_store.h"

enum err ticket_issue(struct writer_tx *tx, const struct booking *booking)
{
    for (size_t i = 0; i < booking->seat_count; i++) {
        struct ticket ticket = {.event_id = booking->event_id,
                                .id = id_next(tx->ids),
                                .booking_id = booking->id,
                                .seat_no = booking->seats[i].seat_no,
                                .price = booking->seats[i].price};
        enum err err = ticket_store_insert(tx->db, &ticket);
        if (err)
            return err;
    }
    for (size_t i = 0; i < booking->area_count; i++) {
        for (uint32_t place = 0; place < booking->areas[i].quantity; place++) {
            struct ticket ticket = {.event_id = booking->event_id,
                                    .id = id_next(tx->ids),
                                    .booking_id = booking->id,
                                    .is_area = true,
                                    .area_no = booking->areas[i].area_no,
                                    .price = booking->areas[i].price};
            enum err err = ticket_store_insert(tx->db, &ticket);
            if (err)
                return err;
        }
    }
    struct sale_sum sold = {.places = booking->places, .revenue = booking->amount};
    return sale_sum_add(tx, booking->event_id, &sold);
}

enum err ticket_revoke(struct writer_tx *tx, const struct ticket *ticket, uint64_t refund_id)
{
    enum err err = ticket_store_revoke(tx->db, ticket->event_id, ticket->id, refund_id);
    struct sale_sum returned = {.returned = 1, .refunded = ticket->price};
    return err ? err : sale_sum_add(tx, ticket->event_id, &returned);
}
