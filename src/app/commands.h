/* Subcommands that need no service: each takes what follows its name, talks to people on standard
 * output and error, and returns the exit status (0 done, 1 failed, 2 wrong arguments). */
#ifndef APP_COMMANDS_H
#define APP_COMMANDS_H

#include <stdbool.h>

#define FOYER_VERSION "0.1.0"

int command_config(int argc, char *const *argv);
int command_migrate(int argc, char *const *argv);
/* `admin create-key`, `import-users`, `reset-totp`, `reset-password`: what an operator does while the server is stopped. */
int command_admin(int argc, char *const *argv);

/* Takes "--flag VALUE" or "--flag=VALUE" at *index, which moves to the last argument taken; false when
 * the argument is something else. */
bool command_take_value(int argc, char *const *argv, int *index, const char *flag,
                        const char **ret_value);

#endif
