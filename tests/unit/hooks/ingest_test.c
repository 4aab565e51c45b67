/* Ingest: one commit with its deliveries, bytes as they came, and what comes again. */
#include "hooks/hooks_rig.h"

#include <sys/stat.h>

static struct message paid(struct str payload)
{
    return (struct message){.event_type = STR("invoice.paid"), .payload = payload};
}

static struct message named(struct str event_id, struct str payload)
{
    struct message message = paid(payload);
    message.event_id = event_id;
    return message;
}

static void test_a_message_and_its_deliveries_are_there_at_once(void **state)
{
    struct rig *rig = *state;
    struct message message;
    uint64_t id = rig_message(rig);
    assert_ok(rig_get(rig, id, &message));
    assert_str(message.event_type, "invoice.paid");
    assert_true(rig_has_delivery(rig, rig->all_id, id));
    assert_true(rig_has_delivery(rig, rig->paid_id, id));
    assert_false(rig_has_delivery(rig, rig->vip_id, id));
    struct delivery delivery;
    struct delivery_key key = {rig->app_id, rig->paid_id, id};
    assert_ok(delivery_store_get(rig->db, &key, &delivery));
    assert_int_equal(delivery.state, DELIVERY_PENDING);
    assert_int_equal(delivery.attempts, 0);
    assert_true(delivery.next_at > 0);
}

static void test_types_and_channels_choose_endpoints(void **state)
{
    struct rig *rig = *state;
    struct message message = {
        .event_type = STR("invoice.sent"), .payload = STR("{}"), .channels = STR("blue\ngold")};
    struct rig_ingest taken = rig_take(rig, message, STR_NONE);
    uint64_t id = taken.ingest.message.id;
    assert_true(rig_has_delivery(rig, rig->all_id, id));
    assert_false(rig_has_delivery(rig, rig->paid_id, id));
    assert_true(rig_has_delivery(rig, rig->vip_id, id));
}

/* The message is in the group, and something after it fails. */
static enum err take_and_fail(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    assert_ok(rig_take_apply(rig, tx, ctx));
    return ERR_DENIED;
}

static void test_nothing_stays_of_what_is_not_committed(void **state)
{
    struct rig *rig = *state;
    struct rig_ingest taken = {.ingest = {.message = named(STR("e"), STR("{}"))}};
    taken.ingest.message.app_id = rig->app_id;
    taken.ingest.message.channels = STR("");
    assert_err(rig_run(rig, take_and_fail, &taken), ERR_DENIED);
    struct message message;
    uint64_t lost = taken.ingest.message.id;
    assert_err(rig_get(rig, lost, &message), ERR_NOT_FOUND);
    assert_false(rig_has_delivery(rig, rig->all_id, lost));
    /* The day that it opened was rolled back with it, and is opened again. */
    struct rig_ingest again = rig_take(rig, named(STR("e"), STR("{}")), STR_NONE);
    assert_int_equal(again.outcome, INGEST_TAKEN);
    assert_ok(rig_get(rig, again.ingest.message.id, &message));
}

static void test_payloads_are_kept_byte_for_byte(void **state)
{
    struct rig *rig = *state;
    static const char *const payloads[] = {
        "{}",
        "{\"n\":12345678901234567890}",
        "{ \"a\" :\t1.0 ,\n \"a\": 1.00e+2 }",
        "{\"z\":1,\"a\":{\"\\u0061\":\"\\/\\ud800\\u0000\"}}",
        "{\"\xC3\xA4\":[ [],{ } , -0 ,1E400]}",
    };
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        struct message message;
        struct rig_ingest taken = rig_take(rig, paid(str_from_c(payloads[i])), STR_NONE);
        assert_ok(rig_get(rig, taken.ingest.message.id, &message));
        assert_str(message.payload, payloads[i]);
    }
}

/* ---- again ---- */

static void test_an_event_id_counts_once(void **state)
{
    struct rig *rig = *state;
    struct rig_ingest first = rig_take(rig, named(STR("e-1"), STR("{\"a\":1}")), STR_NONE);
    struct rig_ingest again = rig_take(rig, named(STR("e-1"), STR("{\"a\":1}")), STR_NONE);
    assert_int_equal(first.outcome, INGEST_TAKEN);
    assert_int_equal(again.outcome, INGEST_SAME);
    assert_int_equal(again.ingest.message.id, first.ingest.message.id);
    assert_int_equal(again.ingest.message.created_at, first.ingest.message.created_at);
    assert_str(again.ingest.message.payload, "{\"a\":1}");
    struct rig_ingest other = rig_take(rig, named(STR("e-2"), STR("{\"a\":1}")), STR_NONE);
    assert_int_equal(other.outcome, INGEST_TAKEN);
}

static void test_an_event_id_with_another_body_is_refused(void **state)
{
    struct rig *rig = *state;
    (void)rig_take(rig, named(STR("e-1"), STR("{\"a\":1}")), STR_NONE);
    struct message others[] = {named(STR("e-1"), STR("{\"a\": 1}")),
                               named(STR("e-1"), STR("{\"a\":1}")),
                               named(STR("e-1"), STR("{\"a\":1}"))};
    others[1].event_type = STR("invoice.sent");
    others[2].channels = STR("vip");
    for (size_t i = 0; i < 3; i++) {
        struct rig_ingest taken = rig_take(rig, others[i], STR_NONE);
        assert_int_equal(taken.outcome, INGEST_OTHER_EVENT);
    }
}

static void test_a_key_counts_once_for_its_caller(void **state)
{
    struct rig *rig = *state;
    struct rig_ingest first = rig_take(rig, paid(STR("{\"a\":1}")), STR("k"));
    struct rig_ingest again = rig_take(rig, paid(STR("{\"a\":1}")), STR("k"));
    struct rig_ingest other = rig_take(rig, paid(STR("{\"a\":2}")), STR("k"));
    assert_int_equal(again.outcome, INGEST_SAME);
    assert_int_equal(again.ingest.message.id, first.ingest.message.id);
    assert_int_equal(other.outcome, INGEST_OTHER_REQUEST);
    struct rig_ingest stranger = {
        .ingest = {.message = paid(STR("{\"a\":2}")), .idempotency_key = STR("k"), .caller_id = 8}};
    stranger.ingest.message.app_id = rig->app_id;
    stranger.ingest.message.channels = STR("");
    assert_ok(rig_run(rig, rig_take_apply, &stranger));
    assert_int_equal(stranger.outcome, INGEST_TAKEN);
}

/* An eventId that reads like a key of somebody's is no key. */
static void test_keys_and_event_ids_do_not_meet(void **state)
{
    struct rig *rig = *state;
    (void)rig_take(rig, paid(STR("{}")), STR("k"));
    struct rig_ingest taken = rig_take(rig, named(STR("key:7:k"), STR("{}")), STR_NONE);
    assert_int_equal(taken.outcome, INGEST_TAKEN);
    (void)rig_take(rig, named(STR("k2"), STR("{}")), STR_NONE);
    taken = rig_take(rig, paid(STR("{}")), STR("k2"));
    assert_int_equal(taken.outcome, INGEST_TAKEN);
}

static void test_applications_do_not_share_event_ids(void **state)
{
    struct rig *rig = *state;
    (void)rig_take(rig, named(STR("e"), STR("{}")), STR_NONE);
    struct rig_ingest taken = {.ingest = {.message = named(STR("e"), STR("{\"b\":1}"))}};
    taken.ingest.message.app_id = rig->app_id + 1;
    taken.ingest.message.channels = STR("");
    assert_ok(rig_run(rig, rig_take_apply, &taken));
    assert_int_equal(taken.outcome, INGEST_TAKEN);
}

static void test_what_was_taken_is_there_after_a_restart(void **state)
{
    struct rig *rig = *state;
    struct rig_ingest first = rig_take(rig, named(STR("e"), STR("{\"a\":1.0}")), STR_NONE);
    rig_close(rig);
    rig_open(rig);
    struct message message;
    assert_ok(rig_get(rig, first.ingest.message.id, &message));
    assert_str(message.payload, "{\"a\":1.0}");
    struct rig_ingest again = rig_take(rig, named(STR("e"), STR("{\"a\":1.0}")), STR_NONE);
    assert_int_equal(again.outcome, INGEST_SAME);
}

/* ---- secrets ---- */

static void test_secrets_are_sealed_and_open_with_their_key_alone(void **state)
{
    struct rig *rig = *state;
    struct endpoint endpoint;
    struct str sealed;
    assert_ok(endpoint_load(rig->db, rig->hooks->keyring, &rig->arena, rig->app_id, rig->all_id,
                            clock_now_ms(), &endpoint));
    assert_int_equal(endpoint.secret_count, 1);
    assert_memory_equal(endpoint.secrets[0].key, "0123456789abcdef0123456789abcdef", 32);
    assert_int_equal(endpoint.header_count, 1);
    assert_str(endpoint.headers[0].name, "X-A");
    assert_ok(endpoint_store_secret(rig->db, &rig->arena, rig->app_id, rig->all_id, &sealed));
    assert_int_equal(sealed.len, 32 + CRYPTO_SEAL_EXTRA);
    assert_null(memmem(sealed.data, sealed.len, "0123456789abcdef", 16));
    struct keyring *other;
    struct config config = rig->config;
    struct str plain;
    memset(config.hooks_key, 'a', 64);
    assert_ok(keyring_new(&config, rig->db, &other));
    assert_err(keyring_open(other, &rig->arena, sealed, &plain), ERR_CORRUPT);
    keyring_free(other);
    strcpy(config.hooks_key, "abc");
    assert_err(keyring_new(&config, rig->db, &other), ERR_INVALID);
}

/* What would not open is not begun with; the right key finds all as it was. */
static void test_a_database_starts_with_its_own_key_alone(void **state)
{
    struct rig *rig = *state;
    struct hooks *hooks = NULL;
    struct config right = rig->config;
    rig_close(rig);
    memset(rig->config.hooks_key, 'a', 64);
    assert_err(hooks_new(&rig->config, &hooks), ERR_CORRUPT);
    assert_null(hooks);
    rig->config = right;
    /* Nor with none, and none is made that would stand in the way of the right one. */
    char path[128], away[128];
    (void)snprintf(path, sizeof(path), "%s/hooks.key", rig->dir);
    (void)snprintf(away, sizeof(away), "%s/away", rig->dir);
    assert_int_equal(rename(path, away), 0);
    assert_err(hooks_new(&rig->config, &hooks), ERR_NOT_FOUND);
    assert_null(hooks);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(rename(away, path), 0);
    rig_open(rig);
    struct endpoint endpoint;
    assert_ok(endpoint_load(rig->db, rig->hooks->keyring, &rig->arena, rig->app_id, rig->all_id,
                            clock_now_ms(), &endpoint));
}

static void test_the_key_that_was_made_is_its_owners_alone(void **state)
{
    struct rig *rig = *state;
    char path[128];
    struct stat status;
    (void)snprintf(path, sizeof(path), "%s/hooks.key", rig->dir);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(status.st_size, 65);
}

static enum err rotate(struct rig *rig, struct writer_tx *tx, void *ctx)
{
    struct str secret = keyring_seal(rig->hooks->keyring, &rig->arena, STR("new new new new!"));
    struct old_secret old = {.id = id_next(tx->ids), .until_ms = tx->now_ms + *(int64_t *)ctx};
    assert_ok(endpoint_store_secret(tx->db, &rig->arena, rig->app_id, rig->all_id, &old.sealed));
    assert_ok(endpoint_store_add_old_secret(tx->db, rig->app_id, rig->all_id, &old, tx->now_ms));
    return endpoint_store_set_secret(tx->db, rig->app_id, rig->all_id, secret, tx->now_ms);
}

static size_t secrets_at(struct rig *rig, int64_t now_ms)
{
    struct endpoint endpoint;
    assert_ok(endpoint_load(rig->db, rig->hooks->keyring, &rig->arena, rig->app_id, rig->all_id,
                            now_ms, &endpoint));
    assert_memory_equal(endpoint.secrets[0].key, "new new new new!", 16);
    assert_int_equal(endpoint.secrets[0].until_ms, INT64_MAX);
    return endpoint.secret_count;
}

static void test_old_secrets_count_in_the_grace_period_and_are_few(void **state)
{
    struct rig *rig = *state;
    int64_t grace_ms = 60000;
    int64_t now_ms = clock_now_ms();
    assert_ok(rig_run(rig, rotate, &grace_ms));
    assert_int_equal(secrets_at(rig, now_ms), 2);
    assert_int_equal(secrets_at(rig, now_ms + 3600000), 1);
    for (int i = 0; i < 2 * SECRETS_MAX; i++)
        assert_ok(rig_run(rig, rotate, &grace_ms));
    assert_int_equal(secrets_at(rig, now_ms), SECRETS_MAX);
    SQL(SQL_OLD, "SELECT count(*) FROM endpoint_old_secret");
    assert_int_equal(rig_number(rig, &SQL_OLD), SECRETS_MAX - 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_message_and_its_deliveries_are_there_at_once),
        TEST(test_types_and_channels_choose_endpoints),
        TEST(test_nothing_stays_of_what_is_not_committed),
        TEST(test_payloads_are_kept_byte_for_byte),
        TEST(test_an_event_id_counts_once),
        TEST(test_an_event_id_with_another_body_is_refused),
        TEST(test_a_key_counts_once_for_its_caller),
        TEST(test_keys_and_event_ids_do_not_meet),
        TEST(test_applications_do_not_share_event_ids),
        TEST(test_what_was_taken_is_there_after_a_restart),
        TEST(test_secrets_are_sealed_and_open_with_their_key_alone),
        TEST(test_a_database_starts_with_its_own_key_alone),
        TEST(test_the_key_that_was_made_is_its_owners_alone),
        TEST(test_old_secrets_count_in_the_grace_period_and_are_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
