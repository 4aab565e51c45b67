/*
 * The rules of identity that need no state. An account has roles, a key has scopes; both are bits
 * of enum scope, named by one table. What they imply is decided here once, in scopes_effective().
 */
#include "app/identity_rules.h"

#include "base/rand.h"

#define SECRET_BYTES 32

static const struct {
    const char *name;
    unsigned bit;
    bool is_role;
} words_of_scopes[] = {
    {"organizer", SCOPE_ORGANIZER, true},
    {"check-in", SCOPE_CHECK_IN, false},
    {"support", SCOPE_SUPPORT, true},
    {"admin", SCOPE_ADMIN, true},
};
#define WORD_COUNT (sizeof(words_of_scopes) / sizeof(words_of_scopes[0]))

#define SCOPE_ALL (SCOPE_ORGANIZER | SCOPE_CHECK_IN | SCOPE_SUPPORT | SCOPE_ADMIN)

/* What attackers try first, of those long enough to pass the length rule. Lower case. */
static const char *const common_passwords[] = {
    "password",   "password1",  "password12", "password123", "passw0rd",      "p@ssw0rd",
    "p@ssword",   "12345678",   "123456789",  "1234567890",  "12341234",      "123123123",
    "987654321",  "87654321",   "11111111",   "00000000",    "88888888",      "11223344",
    "147258369",  "qwertyui",   "qwertyuiop", "qwerty12",    "qwerty123",     "qwerty1234",
    "qwer1234",   "1q2w3e4r",   "1q2w3e4r5t", "1qaz2wsx",    "zaq12wsx",      "asdfghjk",
    "asdfghjkl",  "asdf1234",   "zxcvbnm1",   "abcd1234",    "abc12345",      "abcdefgh",
    "a1b2c3d4",   "aa123456",   "iloveyou",   "iloveyou1",   "sunshine",      "sunshine1",
    "princess",   "princess1",  "football",   "football1",   "baseball",      "baseball1",
    "basketball", "superman",   "batman123",  "trustno1",    "letmein1",      "letmein123",
    "welcome1",   "welcome123", "starwars",   "whatever",    "computer",      "internet",
    "dragon123",  "monkey123",  "master123",  "admin123",    "administrator", "changeme",
    "changeme1",  "liverpool",  "michelle",   "jennifer",    "charlie1",      "secret123",
    "test1234",   "testtest",   "login123",   "foyerfoyer",
};

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_local_part(struct str local)
{
    if (local.len == 0 || local.len > 64 || local.data[0] == '.' ||
        local.data[local.len - 1] == '.')
        return false;
    for (size_t i = 0; i < local.len; i++) {
        char c = local.data[i];
        bool is_double_dot = c == '.' && local.data[i + 1] == '.';
        if (is_double_dot || c == '\0' || (!is_alnum(c) && !strchr(".!#$%&'*+/=?^_`{|}~-", c)))
            return false;
    }
    return true;
}

static bool is_label(struct str label)
{
    if (label.len == 0 || label.len > 63 || label.data[0] == '-' ||
        label.data[label.len - 1] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++) {
        if (!is_alnum(label.data[i]) && label.data[i] != '-')
            return false;
    }
    return true;
}

static bool is_domain(struct str domain)
{
    if (domain.len == 0 || str_ends_with(domain, STR(".")))
        return false;
    while (domain.len > 0) {
        if (!is_label(str_split(&domain, '.')))
            return false;
    }
    return true;
}

enum err email_normalize(struct str text, char ret_email[static EMAIL_SIZE])
{
    size_t at = str_find(text, '@', 0);
    if (text.len >= EMAIL_SIZE || at == text.len || !is_local_part(str_sub(text, 0, at)) ||
        !is_domain(str_sub(text, at + 1, text.len)))
        return ERR_INVALID;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        ret_email[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    ret_email[text.len] = '\0';
    return ERR_OK;
}

const char *password_problem(struct str password, struct str email)
{
    if (password.len < PASSWORD_BYTES_MIN || password.len > PASSWORD_BYTES_MAX)
        return "must be 8 to 256 bytes long";
    if (str_eq_ci(password, email))
        return "must not be the email address";
    for (size_t i = 0; i < sizeof(common_passwords) / sizeof(common_passwords[0]); i++) {
        if (str_eq_ci(password, str_from_c(common_passwords[i])))
            return "is one of the most common passwords; choose another";
    }
    return NULL;
}

const char *name_problem(struct str name)
{
    if (str_trim(name).len == 0 || name.len > NAME_BYTES_MAX)
        return "must be 1 to 100 bytes long and not blank";
    if (!str_is_utf8(name) || !str_is_printable(name))
        return "must be printable text";
    return NULL;
}

void secret_make(const char *prefix, char ret_secret[static SECRET_SIZE])
{
    uint8_t bytes[SECRET_BYTES];
    struct buf buf;
    buf_init(&buf, SECRET_SIZE);
    rand_bytes(bytes, sizeof(bytes));
    buf_append_str(&buf, str_from_c(prefix));
    base64url_append(&buf, bytes, sizeof(bytes));
    /* Out of memory leaves an empty secret, which no lookup accepts. */
    if (buf.overflow || str_to_c(buf_str(&buf), ret_secret, SECRET_SIZE) != ERR_OK)
        ret_secret[0] = '\0';
    crypto_wipe(bytes, sizeof(bytes));
    if (buf.data)
        crypto_wipe(buf.data, buf.len);
    buf_release(&buf);
}

void secret_hash(struct str secret, uint8_t ret_hash[static SHA256_SIZE])
{
    crypto_sha256(secret, ret_hash);
}

static enum err word_parse(struct str word, bool is_role, unsigned *bits)
{
    if (is_role && str_eq(word, STR("fan")))
        return ERR_OK;
    for (size_t i = 0; i < WORD_COUNT; i++) {
        if (str_eq(word, str_from_c(words_of_scopes[i].name)) &&
            (words_of_scopes[i].is_role || !is_role)) {
            *bits |= words_of_scopes[i].bit;
            return ERR_OK;
        }
    }
    return ERR_INVALID;
}

static enum err words_parse(const struct json_strs *words, bool is_role, unsigned *ret_bits)
{
    unsigned bits = 0;
    for (size_t i = 0; i < words->count; i++) {
        if (word_parse(words->items[i], is_role, &bits) != ERR_OK)
            return ERR_INVALID;
    }
    *ret_bits = bits;
    return ERR_OK;
}

enum err roles_parse(const struct json_strs *words, unsigned *ret_roles)
{
    return words_parse(words, true, ret_roles);
}

enum err scopes_parse_list(const struct json_strs *words, unsigned *ret_scopes)
{
    return words_parse(words, false, ret_scopes);
}

enum err scopes_parse(struct str words, unsigned *ret_scopes)
{
    unsigned bits = 0;
    while (words.len > 0) {
        if (word_parse(str_trim(str_split(&words, ',')), false, &bits) != ERR_OK)
            return ERR_INVALID;
    }
    *ret_scopes = bits;
    return ERR_OK;
}

static void words_write(struct json_writer *writer, unsigned bits, bool is_role)
{
    json_open_array(writer);
    if (is_role)
        json_str(writer, STR("fan"));
    for (size_t i = 0; i < WORD_COUNT; i++) {
        if ((bits & words_of_scopes[i].bit) && (words_of_scopes[i].is_role || !is_role))
            json_str(writer, str_from_c(words_of_scopes[i].name));
    }
    json_close_array(writer);
}

void roles_write(struct json_writer *writer, unsigned roles)
{
    words_write(writer, roles, true);
}

void scopes_write(struct json_writer *writer, unsigned scopes)
{
    words_write(writer, scopes, false);
}

unsigned scopes_effective(unsigned bits)
{
    if (bits & SCOPE_ADMIN)
        return SCOPE_ALL;
    if (bits & SCOPE_ORGANIZER)
        return bits | SCOPE_CHECK_IN;
    return bits;
}
