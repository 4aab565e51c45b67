/* Spherical geometry; the boxes follow Bronshtein's bounding coordinates, widened by a margin for
 * the R*Tree's single precision. */
#include "tickets/search_geo.h"

#include <math.h>
#include <stdio.h>

#define EARTH_RADIUS_KM 6371.0088
#define MARGIN_DEGREES  0.001
#define CELL_DEGREES    2.0
#define CELL_ROWS       90
#define CELL_COLUMNS    180

static double radians(double degrees)
{
    return degrees * (M_PI / 180);
}

static double degrees(double angle)
{
    return angle * (180 / M_PI);
}

double geo_distance_km(struct geo_point a, struct geo_point b)
{
    double lat = sin(radians(b.lat - a.lat) / 2);
    double lon = sin(radians(b.lon - a.lon) / 2);
    double h = lat * lat + cos(radians(a.lat)) * cos(radians(b.lat)) * lon * lon;
    return 2 * EARTH_RADIUS_KM * asin(sqrt(fmin(1, h)));
}

size_t geo_boxes(struct geo_point center, double radius_km, struct geo_box ret_boxes[static 2])
{
    double angle = radius_km / EARTH_RADIUS_KM;
    double height = degrees(angle) + MARGIN_DEGREES;
    struct geo_box box = {fmax(center.lat - height, -90), fmin(center.lat + height, 90), -180, 180};
    ret_boxes[0] = box;
    if (center.lat - height <= -90 || center.lat + height >= 90)
        return 1; /* a pole is inside: every longitude */
    double width = degrees(asin(fmin(1, sin(angle) / cos(radians(center.lat))))) + MARGIN_DEGREES;
    double west = center.lon - width;
    double east = center.lon + width;
    ret_boxes[0].lon_min = fmax(west, -180);
    ret_boxes[0].lon_max = fmin(east, 180);
    if (west >= -180 && east <= 180)
        return 1;
    ret_boxes[1] = box;
    ret_boxes[1].lon_min = west < -180 ? west + 360 : -180;
    ret_boxes[1].lon_max = west < -180 ? 180 : east - 360;
    return 2;
}

/* Which of count stripes of CELL_DEGREES a coordinate lies in; the upper end belongs to the last.
 */
static int stripe(double value, double origin, int count)
{
    int index = (int)floor((value - origin) / CELL_DEGREES);
    return index < 0 ? 0 : index >= count ? count - 1 : index;
}

static void write_cell(int row, int column, char *ret_cell)
{
    (void)snprintf(ret_cell, GEO_CELL_SIZE, "g%03u%03u", (unsigned)row % 1000,
                   (unsigned)column % 1000);
}

void geo_cell(struct geo_point point, char ret_cell[static GEO_CELL_SIZE])
{
    write_cell(stripe(point.lat, -90, CELL_ROWS), stripe(point.lon, -180, CELL_COLUMNS), ret_cell);
}

struct cell_range {
    int row_min, row_max, column_min, column_max;
};

static struct cell_range range_of(const struct geo_box *box)
{
    return (struct cell_range){
        stripe(box->lat_min, -90, CELL_ROWS), stripe(box->lat_max, -90, CELL_ROWS),
        stripe(box->lon_min, -180, CELL_COLUMNS), stripe(box->lon_max, -180, CELL_COLUMNS)};
}

static void write_range(const struct cell_range *range, struct buf *list)
{
    for (int row = range->row_min; row <= range->row_max; row++) {
        for (int column = range->column_min; column <= range->column_max; column++) {
            char cell[GEO_CELL_SIZE];
            write_cell(row, column, cell);
            if (list->len > 0)
                buf_append_str(list, STR(" OR "));
            buf_append_str(list, str_from_c(cell));
        }
    }
}

bool geo_cells(const struct geo_box *boxes, size_t count, size_t max, struct buf *list)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        struct cell_range range = range_of(&boxes[i]);
        total += (size_t)(range.row_max - range.row_min + 1) *
                 (size_t)(range.column_max - range.column_min + 1);
    }
    if (total > max)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct cell_range range = range_of(&boxes[i]);
        write_range(&range, list);
    }
    return true;
}
