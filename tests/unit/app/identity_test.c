/* Identity through the frame: accounts, sessions, cookies, API keys and roles, as a client sees
 * them. */
#include "app/frame.h"

#include <pthread.h>
#include <stdatomic.h>

#include "store/journal.h"

#define PASSWORD  "correct horse battery"
#define TOKEN_MAX 64
#define ID_MAX    48
#define DAY_MS    (24LL * 60 * 60 * 1000)

#define ANNA_SIGN_UP                                                                               \
    "{\"email\":\"Anna@Example.com\",\"password\":\"" PASSWORD "\",\"name\":\"Anna\"}"
#define LOGIN_AS(email, password) "{\"email\":\"" email "\",\"password\":\"" password "\"}"

static struct answer answer;

static int ask(struct frame *frame, struct ask what)
{
    memset(&answer, 0, sizeof(answer));
    frame_ask(frame, &what, &answer);
    return answer.status;
}

static int get(struct frame *frame, const char *path, const char *token)
{
    return ask(frame, (struct ask){.method = HTTP_GET, .path = path, .token = token});
}

static int post(struct frame *frame, const char *path, const char *token, const char *body)
{
    return ask(frame,
               (struct ask){.method = HTTP_POST, .path = path, .token = token, .body = body});
}

static int delete_at(struct frame *frame, const char *path, const char *token)
{
    return ask(frame, (struct ask){.method = HTTP_DELETE, .path = path, .token = token});
}

static void assert_says(const char *text)
{
    if (!strstr(answer.body, text))
        print_error("%d %s\nhas no %s\n", answer.status, answer.body, text);
    assert_non_null(strstr(answer.body, text));
}

static void text_of(const char *outer, const char *name, char *ret_text, size_t size)
{
    if (!answer_text(&answer, outer, name, ret_text, size))
        print_error("%d %s\n", answer.status, answer.body);
    assert_true(answer_text(&answer, outer, name, ret_text, size));
}

static void sign_up(struct frame *frame, const char *email, char ret_id[static ID_MAX])
{
    char body[256];
    (void)snprintf(body, sizeof(body),
                   "{\"email\":\"%s\",\"password\":\"" PASSWORD "\",\"name\":\"N\"}", email);
    assert_int_equal(post(frame, "/v1/users", NULL, body), 201);
    text_of(NULL, "id", ret_id, ID_MAX);
}

static void log_in(struct frame *frame, const char *email, char ret_token[static TOKEN_MAX])
{
    char body[256];
    (void)snprintf(body, sizeof(body), "{\"email\":\"%s\",\"password\":\"" PASSWORD "\"}", email);
    assert_int_equal(post(frame, "/v1/sessions", NULL, body), 201);
    text_of(NULL, "token", ret_token, TOKEN_MAX);
}

static void set_roles(struct frame *frame, const char *id, const char *roles)
{
    char path[96];
    char body[128];
    (void)snprintf(path, sizeof(path), "/v1/users/%s/roles", id);
    (void)snprintf(body, sizeof(body), "{\"roles\":[%s]}", roles);
    struct ask what = {.method = HTTP_PUT, .path = path, .token = FRAME_ADMIN_KEY, .body = body};
    assert_int_equal(ask(frame, what), 200);
}

/* Sign-up, login, logout */

static void person_signs_up_logs_in_and_out(void **state)
{
    struct frame *frame = *state;
    char token[TOKEN_MAX];
    assert_int_equal(post(frame, "/v1/users", NULL, ANNA_SIGN_UP), 201);
    assert_says("\"email\":\"anna@example.com\"");
    assert_says("\"name\":\"Anna\"");
    assert_says("\"roles\":[\"fan\"]");
    assert_null(strstr(answer.body, "battery"));

    assert_int_equal(post(frame, "/v1/sessions", NULL, LOGIN_AS("ANNA@example.com", PASSWORD)),
                     201);
    assert_says("\"user\":{");
    assert_says("\"expires_at\":\"");
    text_of(NULL, "token", token, sizeof(token));
    assert_int_equal(strlen(token), 47);
    assert_int_equal(strncmp(token, "ses_", 4), 0);

    for (int i = 0; i < 3; i++) { /* from the database, then from the cache */
        assert_int_equal(get(frame, "/v1/me", token), 200);
        assert_says("\"email\":\"anna@example.com\"");
    }
    assert_int_equal(delete_at(frame, "/v1/sessions/current", token), 204);
    assert_int_equal(get(frame, "/v1/me", token), 401);
    assert_int_equal(delete_at(frame, "/v1/sessions/current", token), 401);
}

static void logout_ends_only_its_own_session(void **state)
{
    struct frame *frame = *state;
    char id[ID_MAX], here[TOKEN_MAX], there[TOKEN_MAX];
    sign_up(frame, "anna@example.com", id);
    log_in(frame, "anna@example.com", here);
    log_in(frame, "anna@example.com", there);
    assert_int_equal(delete_at(frame, "/v1/sessions/current", here), 204);
    assert_int_equal(get(frame, "/v1/me", here), 401);
    assert_int_equal(get(frame, "/v1/me", there), 200);
}

static void email_belongs_to_one_account(void **state)
{
    struct frame *frame = *state;
    assert_int_equal(post(frame, "/v1/users", NULL, ANNA_SIGN_UP), 201);
    assert_int_equal(post(frame, "/v1/users", NULL, ANNA_SIGN_UP), 409);
    assert_says("\"type\":\"email-taken\"");
    assert_int_equal(post(frame, "/v1/users", NULL,
                          "{\"email\":\"ANNA@EXAMPLE.COM\",\"password\":\"other password\","
                          "\"name\":\"Other\"}"),
                     409);
}

static void sign_up_is_replayed_by_its_key(void **state)
{
    struct frame *frame = *state;
    char id[ID_MAX];
    struct ask what = {.method = HTTP_POST,
                       .path = "/v1/users",
                       .idempotency_key = "6f1d3c7e",
                       .body = ANNA_SIGN_UP};
    assert_int_equal(ask(frame, what), 201);
    text_of(NULL, "id", id, sizeof(id));
    assert_int_equal(ask(frame, what), 201);
    assert_says(id);
    assert_non_null(answer_header(&answer, "idempotency-replayed"));
    what.body = "{\"email\":\"anna@example.com\",\"password\":\"another password\",\"name\":\"A\"}";
    assert_int_equal(ask(frame, what), 422);
    assert_says("\"type\":\"idempotency-conflict\"");
    what.body = ANNA_SIGN_UP;
    what.idempotency_key = "another";
    assert_int_equal(ask(frame, what), 409);
}

#define SIGN_UP(email, password, name)                                                             \
    "{\"email\":\"" email "\",\"password\":\"" password "\",\"name\":\"" name "\"}"

static void bad_sign_ups_name_the_field(void **state)
{
    static const struct {
        const char *body;
        const char *field;
    } bad[] = {
        {SIGN_UP("anna", PASSWORD, "A"), "email"},
        {SIGN_UP("anna@", PASSWORD, "A"), "email"},
        {SIGN_UP("@example.com", PASSWORD, "A"), "email"},
        {SIGN_UP("an na@example.com", PASSWORD, "A"), "email"},
        {SIGN_UP("a..b@example.com", PASSWORD, "A"), "email"},
        {SIGN_UP("a@-example.com", PASSWORD, "A"), "email"},
        {SIGN_UP("a@example..com", PASSWORD, "A"), "email"},
        {SIGN_UP("a@b@example.com", PASSWORD, "A"), "email"},
        {SIGN_UP("a\\u0000@example.com", PASSWORD, "A"), ""},
        {SIGN_UP("a@example.com", "short", "A"), "password"},
        {SIGN_UP("a@example.com", "Password1", "A"), "password"},
        {SIGN_UP("somebody@example.com", "somebody@example.com", "A"), "password"},
        {SIGN_UP("a@example.com", PASSWORD, ""), "name"},
        {SIGN_UP("a@example.com", PASSWORD, "   "), "name"},
        {SIGN_UP("a@example.com", PASSWORD, "a\\nb"), "name"},
        {"{\"email\":\"a@example.com\",\"name\":\"A\"}", "password"},
        {"{\"email\":1,\"password\":\"" PASSWORD "\",\"name\":\"A\"}", "email"},
        {"{\"email\":\"a@example.com\",\"password\":\"" PASSWORD
         "\",\"name\":\"A\",\"roles\":[\"admin\"]}",
         "roles"},
    };
    struct frame *frame = *state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char expected[64];
        (void)snprintf(expected, sizeof(expected), "\"field\":\"%s\"", bad[i].field);
        int status = post(frame, "/v1/users", NULL, bad[i].body);
        if (bad[i].field[0] == '\0') {
            assert_true(status == 400 || status == 422);
            continue;
        }
        if (status != 422)
            print_error("%s\n", bad[i].body);
        assert_int_equal(status, 422);
        assert_says(expected);
    }
    assert_int_equal(post(frame, "/v1/users", NULL, "{\"email\":"), 400);
}

static void long_fields_are_refused(void **state)
{
    struct frame *frame = *state;
    char body[1024];
    (void)snprintf(body, sizeof(body), SIGN_UP("a@example.com", "%0257d", "A"), 1);
    assert_int_equal(post(frame, "/v1/users", NULL, body), 422);
    (void)snprintf(body, sizeof(body), SIGN_UP("a@example.com", PASSWORD, "%0101d"), 1);
    assert_int_equal(post(frame, "/v1/users", NULL, body), 422);
    (void)snprintf(body, sizeof(body), SIGN_UP("%065d@example.com", PASSWORD, "A"), 1);
    assert_int_equal(post(frame, "/v1/users", NULL, body), 422);
    (void)snprintf(body, sizeof(body), SIGN_UP("%064d@example.com", "%0256d", "%0100d"), 1, 2, 3);
    assert_int_equal(post(frame, "/v1/users", NULL, body), 201);
}

/* Everyone passes the first look at the database before anyone has committed; the constraint
 * decides. */
struct racer {
    struct frame *frame;
    pthread_barrier_t *start;
    struct answer answer;
};

static void *race_to_sign_up(void *ctx)
{
    struct racer *racer = ctx;
    struct ask what = {.method = HTTP_POST, .path = "/v1/users", .body = ANNA_SIGN_UP};
    pthread_barrier_wait(racer->start);
    frame_ask(racer->frame, &what, &racer->answer);
    return NULL;
}

static void one_of_many_gets_the_email(void **state)
{
    enum {
        RACERS = 6
    };
    static struct racer racers[RACERS];
    pthread_t threads[RACERS];
    pthread_barrier_t start;
    int won = 0, lost = 0;
    pthread_barrier_init(&start, NULL, RACERS);
    for (int i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){.frame = *state, .start = &start};
        assert_int_equal(pthread_create(&threads[i], NULL, race_to_sign_up, &racers[i]), 0);
    }
    for (int i = 0; i < RACERS; i++) {
        pthread_join(threads[i], NULL);
        won += racers[i].answer.status == 201;
        lost += racers[i].answer.status == 409;
    }
    pthread_barrier_destroy(&start);
    assert_int_equal(won, 1);
    assert_int_equal(lost, RACERS - 1);
}

/* Refusing */

static int64_t refused_in_ns(struct frame *frame, const char *body)
{
    int64_t best = INT64_MAX;
    for (int i = 0; i < 3; i++) {
        int64_t start_ns = clock_mono_ns();
        assert_int_equal(post(frame, "/v1/sessions", NULL, body), 401);
        int64_t took_ns = clock_mono_ns() - start_ns;
        best = took_ns < best ? took_ns : best;
    }
    return best;
}

static void unknown_email_looks_like_wrong_password(void **state)
{
    struct frame *frame = *state;
    char id[ID_MAX], wrong_body[1024];
    sign_up(frame, "anna@example.com", id);
    int64_t wrong_ns = refused_in_ns(frame, LOGIN_AS("anna@example.com", "not the password"));
    (void)snprintf(wrong_body, sizeof(wrong_body), "%.1000s", answer.body);
    int64_t unknown_ns = refused_in_ns(frame, LOGIN_AS("nobody@example.com", "not the password"));
    assert_string_equal(answer.body, wrong_body);
    /* A hash takes a hundred times what a refusal without one does; the rest is room for noise. */
    assert_true(unknown_ns > wrong_ns / 20);
    assert_true(wrong_ns > unknown_ns / 4);
}

static void guesser_is_locked_out_and_the_clock_lets_in_again(void **state)
{
    struct frame *frame = *state;
    char id[ID_MAX], token[TOKEN_MAX];
    sign_up(frame, "anna@example.com", id);
    for (int i = 0; i < 5; i++)
        assert_int_equal(
            post(frame, "/v1/sessions", NULL, LOGIN_AS("anna@example.com", "wrong guess")), 401);
    struct ask right = {.method = HTTP_POST,
                        .path = "/v1/sessions",
                        .body = LOGIN_AS("anna@example.com", PASSWORD)};
    assert_int_equal(ask(frame, right), 429);
    assert_says("\"type\":\"rate-limited\"");
    assert_non_null(answer_header(&answer, "retry-after"));
    int wait_s = atoi(answer_header(&answer, "retry-after"));
    assert_true(wait_s > 0 && wait_s <= 5);

    right.peer_ip = "192.0.2.77"; /* the owner, at home */
    assert_int_equal(ask(frame, right), 201);
    clock_advance_ms(wait_s * 1000);
    log_in(frame, "anna@example.com", token);
}

static void bad_credentials_are_refused(void **state)
{
    static const char *const tokens[] = {
        "",
        "x",
        "ses_",
        "ses_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "sk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "sk_unit_test_admin_key_0001x",
        "a b",
    };
    struct frame *frame = *state;
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        assert_int_equal(get(frame, "/v1/me", tokens[i]), 401);
        assert_says("\"type\":\"unauthenticated\"");
    }
    assert_int_equal(get(frame, "/v1/me", NULL), 401);
}

static void session_ends_after_30_days(void **state)
{
    struct frame *frame = *state;
    char id[ID_MAX], token[TOKEN_MAX];
    sign_up(frame, "anna@example.com", id);
    log_in(frame, "anna@example.com", token);
    assert_int_equal(get(frame, "/v1/me", token), 200);
    clock_advance_ms(30 * DAY_MS - 60 * 1000);
    assert_int_equal(get(frame, "/v1/me", token), 200);
    clock_advance_ms(2 * 60 * 1000);
    assert_int_equal(get(frame, "/v1/me", token), 401); /* by the cache */
    assert_int_equal(get(frame, "/v1/me", token), 401); /* by the database */
}

/* Cookies */

static void log_in_by_cookie(struct frame *frame, bool is_tls, char *ret_cookie, size_t size)
{
    struct ask what = {.method = HTTP_POST,
                       .path = "/v1/sessions",
                       .is_tls = is_tls,
                       .body = "{\"email\":\"anna@example.com\",\"password\":\"" PASSWORD
                               "\",\"cookie\":true}"};
    assert_int_equal(ask(frame, what), 201);
    assert_says("\"token\":null");
    const char *cookie = answer_header(&answer, "set-cookie");
    assert_non_null(cookie);
    assert_non_null(strstr(cookie, "; HttpOnly"));
    assert_non_null(strstr(cookie, "; SameSite=Lax"));
    assert_non_null(strstr(cookie, "; Path=/"));
    assert_true(is_tls == (strstr(cookie, "; Secure") != NULL));
    assert_int_equal(strncmp(cookie, "__Host-", 7) == 0, is_tls);
    (void)snprintf(ret_cookie, size, "%.*s", (int)strcspn(cookie, ";"), cookie);
}

static void cookie_is_a_session(void **state)
{
    struct frame *frame = *state;
    char id[ID_MAX], cookie[128];
    sign_up(frame, "anna@example.com", id);
    log_in_by_cookie(frame, false, cookie, sizeof(cookie));
    struct ask me = {.method = HTTP_GET, .path = "/v1/me", .cookie = cookie};
    assert_int_equal(ask(frame, me), 200);
    struct ask out = {.method = HTTP_DELETE,
                      .path = "/v1/sessions/current",
                      .cookie = cookie,
                      .fetch_site = "same-origin"};
    assert_int_equal(ask(frame, out), 204);
    assert_non_null(answer_header(&answer, "set-cookie"));
    assert_non_null(strstr(answer_header(&answer, "set-cookie"), "Max-Age=0"));
    assert_int_equal(ask(frame, me), 401);
}

static void cookie_over_tls_is_bound_to_the_host(void **state)
{
    struct frame *frame = *state;
    char id[ID_MAX], cookie[128];
    sign_up(frame, "anna@example.com", id);
    log_in_by_cookie(frame, true, cookie, sizeof(cookie));
    struct ask me = {.method = HTTP_GET, .path = "/v1/me", .cookie = cookie, .is_tls = true};
    assert_int_equal(ask(frame, me), 200);
    me.cookie = strstr(cookie, "foyer_session"); /* without the prefix anyone could have set it */
    assert_int_equal(ask(frame, me), 401);
}

static void cookie_from_another_site_changes_nothing(void **state)
{
    static const struct {
        const char *fetch_site;
        const char *origin;
        int status;
    } cases[] = {
        {NULL, NULL, 403},
        {"cross-site", NULL, 403},
        {"same-site", NULL, 403},
        {"cross-site", "http://foyer.test", 403},
        {NULL, "http://evil.test", 403},
        {NULL, "https://foyer.test", 403},
        {NULL, "http://foyer.test.evil.test", 403},
        {NULL, "null", 403},
        {NULL, "http://foyer.test", 201},
        {"same-origin", NULL, 201},
        {"none", NULL, 201},
    };
    struct frame *frame = *state;
    char id[ID_MAX], cookie[128];
    sign_up(frame, "anna@example.com", id);
    log_in_by_cookie(frame, false, cookie, sizeof(cookie));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ask what = {.method = HTTP_POST,
                           .path = "/v1/api-keys",
                           .cookie = cookie,
                           .body = "{\"name\":\"k\",\"scopes\":[]}",
                           .fetch_site = cases[i].fetch_site,
                           .origin = cases[i].origin};
        assert_int_equal(ask(frame, what), cases[i].status);
    }
    struct ask me = {.method = HTTP_GET, .path = "/v1/me", .cookie = cookie};
    assert_int_equal(ask(frame, me), 200); /* reading is harmless */
}

/* API keys */

static void make_key(struct frame *frame, const char *token, const char *scopes,
                     char ret_id[static ID_MAX], char ret_key[static TOKEN_MAX])
{
    char body[128];
    (void)snprintf(body, sizeof(body), "{\"name\":\"till\",\"scopes\":[%s]}", scopes);
    assert_int_equal(post(frame, "/v1/api-keys", token, body), 201);
    text_of(NULL, "id", ret_id, ID_MAX);
    text_of(NULL, "key", ret_key, TOKEN_MAX);
}

static void key_acts_for_its_owner_until_it_is_deleted(void **state)
{
    struct frame *frame = *state;
    char id[ID_MAX], key_id[ID_MAX], token[TOKEN_MAX], key[TOKEN_MAX], path[96];
    sign_up(frame, "anna@example.com", id);
    log_in(frame, "anna@example.com", token);
    make_key(frame, token, "", key_id, key);
    assert_int_equal(get(frame, "/v1/me", key), 200);
    assert_says(id);
    assert_int_equal(get(frame, "/v1/api-keys", token), 200);
    assert_says(key_id);
    assert_null(strstr(answer.body, key));
    (void)snprintf(path, sizeof(path), "/v1/api-keys/%s", key_id);
    assert_int_equal(delete_at(frame, path, token), 204);
    assert_int_equal(get(frame, "/v1/me", key), 401);
    assert_int_equal(delete_at(frame, path, token), 404);
    assert_int_equal(delete_at(frame, "/v1/api-keys/key_nonsense", token), 404);
}

static void key_has_no_more_than_its_maker(void **state)
{
    struct frame *frame = *state;
    char id[ID_MAX], key_id[ID_MAX], token[TOKEN_MAX], key[TOKEN_MAX];
    sign_up(frame, "anna@example.com", id);
    log_in(frame, "anna@example.com", token);
    const char *wanted = "{\"name\":\"k\",\"scopes\":[\"organizer\"]}";
    assert_int_equal(post(frame, "/v1/api-keys", token, wanted), 403);
    set_roles(frame, id, "\"organizer\"");
    assert_int_equal(post(frame, "/v1/api-keys", token, wanted), 201);
    assert_int_equal(post(frame, "/v1/api-keys", token, "{\"name\":\"k\",\"scopes\":[\"admin\"]}"),
                     403);
    assert_int_equal(post(frame, "/v1/api-keys", token, "{\"name\":\"k\",\"scopes\":[\"king\"]}"),
                     422);
    assert_says("\"field\":\"scopes\"");
    make_key(frame, token, "\"organizer\"", key_id, key);
    assert_int_equal(post(frame, "/v1/api-keys", key, wanted), 403); /* no successors */
    assert_int_equal(get(frame, "/v1/api-keys", key), 403);
    assert_int_equal(post(frame, "/v1/api-keys", FRAME_ADMIN_KEY, wanted), 201);
}

static void keys_of_others_do_not_exist(void **state)
{
    struct frame *frame = *state;
    char id[ID_MAX], key_id[ID_MAX], anna[TOKEN_MAX], bob[TOKEN_MAX], key[TOKEN_MAX], path[96];
    sign_up(frame, "anna@example.com", id);
    sign_up(frame, "bob@example.com", id);
    log_in(frame, "anna@example.com", anna);
    log_in(frame, "bob@example.com", bob);
    make_key(frame, anna, "", key_id, key);
    (void)snprintf(path, sizeof(path), "/v1/api-keys/%s", key_id);
    assert_int_equal(delete_at(frame, path, bob), 404);
    assert_int_equal(get(frame, "/v1/me", key), 200);
    assert_int_equal(get(frame, "/v1/api-keys", bob), 200);
    assert_null(strstr(answer.body, key_id));
    assert_int_equal(delete_at(frame, path, FRAME_ADMIN_KEY), 204);
    assert_int_equal(get(frame, "/v1/me", key), 401);
}

static void secrets_are_not_replayed(void **state)
{
    struct frame *frame = *state;
    char id[ID_MAX];
    sign_up(frame, "anna@example.com", id);
    struct ask what = {.method = HTTP_POST,
                       .path = "/v1/sessions",
                       .idempotency_key = "one",
                       .body = LOGIN_AS("anna@example.com", PASSWORD)};
    assert_int_equal(ask(frame, what), 400);
    assert_says("\"type\":\"idempotency-key-refused\"");
}

static void keys_are_listed_in_pages(void **state)
{
    struct frame *frame = *state;
    char id[ID_MAX], token[TOKEN_MAX], key[TOKEN_MAX], cursor[64], path[128];
    char ids[5][ID_MAX];
    sign_up(frame, "anna@example.com", id);
    log_in(frame, "anna@example.com", token);
    for (int i = 0; i < 5; i++)
        make_key(frame, token, "", ids[i], key);
    assert_int_equal(get(frame, "/v1/api-keys?limit=3", token), 200);
    for (int i = 0; i < 5; i++)
        assert_int_equal(strstr(answer.body, ids[i]) != NULL, i >= 2);
    text_of(NULL, "next_cursor", cursor, sizeof(cursor));
    (void)snprintf(path, sizeof(path), "/v1/api-keys?limit=3&cursor=%s", cursor);
    assert_int_equal(get(frame, path, token), 200);
    for (int i = 0; i < 5; i++)
        assert_int_equal(strstr(answer.body, ids[i]) != NULL, i < 2);
    assert_says("\"next_cursor\":null");
}

/* Roles */

static void roles_count_at_once_and_end_at_once(void **state)
{
    struct frame *frame = *state;
    char id[ID_MAX], key_id[ID_MAX], token[TOKEN_MAX], key[TOKEN_MAX];
    sign_up(frame, "anna@example.com", id);
    log_in(frame, "anna@example.com", token);
    assert_int_equal(get(frame, "/v1/users", token), 403);
    set_roles(frame, id, "\"admin\",\"organizer\"");
    assert_says("\"roles\":[\"fan\",\"organizer\",\"admin\"]");
    assert_int_equal(get(frame, "/v1/users", token), 200);
    make_key(frame, token, "\"admin\"", key_id, key);
    assert_int_equal(get(frame, "/v1/users", key), 200);
    set_roles(frame, id, "\"fan\"");
    assert_int_equal(get(frame, "/v1/users", token), 403);
    assert_int_equal(get(frame, "/v1/users", key), 403); /* a key is no way around it */
    assert_int_equal(get(frame, "/v1/me", key), 200);
}

static void only_admins_set_roles(void **state)
{
    struct frame *frame = *state;
    char id[ID_MAX], token[TOKEN_MAX], path[96];
    sign_up(frame, "anna@example.com", id);
    log_in(frame, "anna@example.com", token);
    (void)snprintf(path, sizeof(path), "/v1/users/%s/roles", id);
    struct ask what = {
        .method = HTTP_PUT, .path = path, .token = token, .body = "{\"roles\":[\"admin\"]}"};
    assert_int_equal(ask(frame, what), 403);
    what.token = NULL;
    assert_int_equal(ask(frame, what), 401);
    what.token = FRAME_ADMIN_KEY;
    what.body = "{\"roles\":[\"emperor\"]}";
    assert_int_equal(ask(frame, what), 422);
    what.body = "{\"roles\":[]}";
    what.path = "/v1/users/usr_0000000000001/roles";
    assert_int_equal(ask(frame, what), 404);
    what.path = "/v1/users/bob/roles";
    assert_int_equal(ask(frame, what), 404);
}

static void admin_finds_accounts_by_email(void **state)
{
    struct frame *frame = *state;
    char anna[ID_MAX], bob[ID_MAX];
    sign_up(frame, "anna@example.com", anna);
    sign_up(frame, "bob@example.com", bob);
    assert_int_equal(get(frame, "/v1/users?email=Bob%40example.com", FRAME_ADMIN_KEY), 200);
    assert_says(bob);
    assert_null(strstr(answer.body, anna));
    assert_int_equal(get(frame, "/v1/users?email=carl@example.com", FRAME_ADMIN_KEY), 200);
    assert_says("\"data\":[]");
    assert_int_equal(get(frame, "/v1/users?email=x", FRAME_ADMIN_KEY), 422);
    assert_int_equal(get(frame, "/v1/users?limit=1", FRAME_ADMIN_KEY), 200);
    assert_says(bob);
    assert_null(strstr(answer.body, anna));
}

static void operator_key_is_an_account_of_its_own(void **state)
{
    struct frame *frame = *state;
    assert_int_equal(get(frame, "/v1/me", FRAME_ADMIN_KEY), 200);
    assert_says("\"id\":\"usr_");
    assert_says("\"email\":null");
    assert_int_equal(delete_at(frame, "/v1/sessions/current", FRAME_ADMIN_KEY), 403);
}

/* What is stored */

static void admin_key_is_of_the_first_start(void **state)
{
    struct frame *frame = *state;
    const char *other = "sk_unit_test_admin_key_0002";
    frame_stop(frame);
    (void)snprintf(frame->config.admin_key, sizeof(frame->config.admin_key), "%s", other);
    frame_start(frame);
    assert_int_equal(get(frame, "/v1/me", other), 401);
    assert_int_equal(get(frame, "/v1/me", FRAME_ADMIN_KEY), 200);
}

static void restart_keeps_sessions(void **state)
{
    struct frame *frame = *state;
    char id[ID_MAX], token[TOKEN_MAX], ended[TOKEN_MAX];
    sign_up(frame, "anna@example.com", id);
    log_in(frame, "anna@example.com", token);
    log_in(frame, "anna@example.com", ended);
    assert_int_equal(delete_at(frame, "/v1/sessions/current", ended), 204);
    frame_stop(frame);
    frame_start(frame);
    assert_int_equal(get(frame, "/v1/me", token), 200);
    assert_int_equal(get(frame, "/v1/me", ended), 401);
}

static bool file_has(const char *path, const char *text)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    static char content[1 << 22];
    size_t len = fread(content, 1, sizeof(content), file);
    (void)fclose(file);
    return memmem(content, len, text, strlen(text)) != NULL;
}

static void assert_not_on_disk(const struct frame *frame, const char *secret)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/platform.db", frame->dir);
    assert_false(file_has(path, secret));
    (void)snprintf(path, sizeof(path), "%s/platform.db-wal", frame->dir);
    assert_false(file_has(path, secret));
}

static void no_secret_is_on_disk(void **state)
{
    struct frame *frame = *state;
    char id[ID_MAX], key_id[ID_MAX], token[TOKEN_MAX], key[TOKEN_MAX], path[128], wal[128];
    sign_up(frame, "anna@example.com", id);
    log_in(frame, "anna@example.com", token);
    make_key(frame, token, "", key_id, key);
    (void)snprintf(path, sizeof(path), "%s/platform.db", frame->dir);
    (void)snprintf(wal, sizeof(wal), "%s/platform.db-wal", frame->dir);
    assert_true(file_has(path, "anna@example.com") || file_has(wal, "anna@example.com"));
    assert_not_on_disk(frame, PASSWORD);
    assert_not_on_disk(frame, token);
    assert_not_on_disk(frame, key);
    assert_not_on_disk(frame, FRAME_ADMIN_KEY);
}

static void on_finding(const char *line, void *ctx)
{
    print_error("%s\n", line);
    ++*(int *)ctx;
}

static void journal_tells_it_without_names(void **state)
{
    struct frame *frame = *state;
    char id[ID_MAX], key_id[ID_MAX], token[TOKEN_MAX], key[TOKEN_MAX], path[128];
    sign_up(frame, "anna@example.com", id);
    log_in(frame, "anna@example.com", token);
    set_roles(frame, id, "\"organizer\"");
    make_key(frame, token, "\"organizer\"", key_id, key);
    (void)snprintf(path, sizeof(path), "/v1/api-keys/%s", key_id);
    assert_int_equal(delete_at(frame, path, token), 204);

    struct db *db = NULL;
    uint64_t rows = 0;
    int findings = 0;
    (void)snprintf(path, sizeof(path), "%s/platform.db", frame->dir);
    assert_int_equal(db_open(path, DB_READER, &db), ERR_OK);
    assert_int_equal(journal_verify(db, on_finding, &findings, &rows), ERR_OK);
    assert_int_equal(findings, 0);
    assert_int_equal(rows, 4);
    SQL(named, "SELECT count(*) FROM journal WHERE data LIKE '%anna%'");
    int64_t count = -1;
    assert_int_equal(db_get_i64(db_stmt(db, &named), &count), ERR_OK);
    assert_int_equal(count, 0);
    db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        frame_test(person_signs_up_logs_in_and_out),
        frame_test(logout_ends_only_its_own_session),
        frame_test(email_belongs_to_one_account),
        frame_test(sign_up_is_replayed_by_its_key),
        frame_test(bad_sign_ups_name_the_field),
        frame_test(long_fields_are_refused),
        frame_test(one_of_many_gets_the_email),
        frame_test(unknown_email_looks_like_wrong_password),
        frame_test(guesser_is_locked_out_and_the_clock_lets_in_again),
        frame_test(bad_credentials_are_refused),
        frame_test(session_ends_after_30_days),
        frame_test(cookie_is_a_session),
        frame_test(cookie_over_tls_is_bound_to_the_host),
        frame_test(cookie_from_another_site_changes_nothing),
        frame_test(key_acts_for_its_owner_until_it_is_deleted),
        frame_test(key_has_no_more_than_its_maker),
        frame_test(keys_of_others_do_not_exist),
        frame_test(secrets_are_not_replayed),
        frame_test(keys_are_listed_in_pages),
        frame_test(roles_count_at_once_and_end_at_once),
        frame_test(only_admins_set_roles),
        frame_test(admin_finds_accounts_by_email),
        frame_test(operator_key_is_an_account_of_its_own),
        frame_test(admin_key_is_of_the_first_start),
        frame_test(restart_keeps_sessions),
        frame_test(no_secret_is_on_disk),
        frame_test(journal_tells_it_without_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
