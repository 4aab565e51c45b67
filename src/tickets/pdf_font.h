/* The TrueType fonts of ticket PDFs: where they are, and whether they are whole. */
#ifndef TICKETS_PDF_FONT_H
#define TICKETS_PDF_FONT_H

#include <stdbool.h>

#define PDF_FONT_PATH 256

struct pdf_fonts {
    char regular[PDF_FONT_PATH], bold[PDF_FONT_PATH];
};

/* False: not installed, or damaged. Any thread. */
bool pdf_fonts_find(struct pdf_fonts *ret_fonts);
/* Tests: fonts are looked for in dir alone; NULL: where systems have them. */
void pdf_fonts_set_dir(const char *dir);

#endif
