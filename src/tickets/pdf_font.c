/*
 * The TrueType fonts of ticket PDFs: DejaVu Sans, where distributions have it.
 *
 * libharu walks a font without looking whether its tables are there, and crashes on a file that is
 * cut or is no font. So the table directory is checked first: all tables it reads are named, and
 * lie within the file.
 */
#include "tickets/pdf_font.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SFNT_TRUETYPE  0x00010000u
#define TABLES_MAX     64
#define RECORD_SIZE    16
#define HEAD_SIZE      12
#define TABLE_SIZE_MIN 6 /* of the smallest that is read, maxp */

static const char *font_dir; /* of tests */

void pdf_fonts_set_dir(const char *dir)
{
    font_dir = dir;
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool has_table(const uint8_t *records, unsigned count, const char *tag, uint64_t file_size)
{
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *record = records + (size_t)i * RECORD_SIZE;
        uint64_t offset = get_u32(record + 8), size = get_u32(record + 12);
        if (memcmp(record, tag, 4) == 0)
            return size >= TABLE_SIZE_MIN && offset + size <= file_size;
    }
    return false;
}

static bool is_whole(FILE *file)
{
    static const char *const tags[] = {"head", "maxp", "hhea", "hmtx", "cmap",
                                       "loca", "glyf", "name", "OS/2"};
    uint8_t head[HEAD_SIZE], records[TABLES_MAX * RECORD_SIZE];
    struct stat info;
    if (fstat(fileno(file), &info) != 0 || fread(head, 1, HEAD_SIZE, file) != HEAD_SIZE ||
        get_u32(head) != SFNT_TRUETYPE)
        return false;
    unsigned count = (unsigned)head[4] << 8 | head[5];
    if (count > TABLES_MAX || fread(records, RECORD_SIZE, count, file) != count)
        return false;
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
        if (!has_table(records, count, tags[i], (uint64_t)info.st_size))
            return false;
    return true;
}

static bool has_font(const char *dir, const char *name, char ret_path[static PDF_FONT_PATH])
{
    int len = snprintf(ret_path, PDF_FONT_PATH, "%s/%s", dir, name);
    FILE *file = len > 0 && len < PDF_FONT_PATH ? fopen(ret_path, "rbe") : NULL;
    if (!file)
        return false;
    bool is_good = is_whole(file);
    (void)fclose(file); /* only read */
    return is_good;
}

static bool find_in(const char *dir, struct pdf_fonts *ret_fonts)
{
    return has_font(dir, "DejaVuSans.ttf", ret_fonts->regular) &&
           has_font(dir, "DejaVuSans-Bold.ttf", ret_fonts->bold);
}

bool pdf_fonts_find(struct pdf_fonts *ret_fonts)
{
    static const char *const dirs[] = {"/usr/share/fonts/truetype/dejavu", "/usr/share/fonts/TTF",
                                       "/usr/share/fonts/dejavu-sans-fonts"};
    if (font_dir)
        return find_in(font_dir, ret_fonts);
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
        if (find_in(dirs[i], ret_fonts))
            return true;
    return false;
}
