/* Lists of people that an operator hands in, and lists of their sessions: files of lines. Any thread. */
#ifndef APP_IDENTITY_LIST_H
#define APP_IDENTITY_LIST_H

#include "app/identity_rules.h"

#include <stdio.h>

#define LIST_LINE_MAX 1024 /* bytes, without the line's end */

struct person_line {
    char email[EMAIL_SIZE]; /* lower case */
    char name[NAME_BYTES_MAX + 1];
};

struct session_line {
    char email[EMAIL_SIZE];
    char token[SECRET_SIZE];
};

/* "email,name", where the name may stand in double quotes (a quote in it is written twice), as
 * spreadsheets write it. line: without its end. NULL, or what is wrong with it. */
const char *person_line_parse(struct str line, struct person_line *ret_line);
/* "email,token", with no quotes. NULL, or what is wrong with it. */
const char *session_line_parse(struct str line, struct session_line *ret_line);

/* The next line of a file without its end (LF or CRLF); the last one needs none. ERR_NOT_FOUND: there
 * are no more; ERR_LIMIT: longer than LIST_LINE_MAX; ERR_IO. ret_line is borrowed from the buffer. */
ERR_MUST_USE enum err list_read_line(FILE *file, char buffer[static LIST_LINE_MAX + 2],
                                     struct str *ret_line);

#endif
