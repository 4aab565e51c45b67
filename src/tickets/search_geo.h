/* Places on the sphere: distances, boxes for the R*Tree, squares for the word index. Pure
 * functions. */
#ifndef TICKETS_SEARCH_GEO_H
#define TICKETS_SEARCH_GEO_H

#include "base/buf.h"

#define GEO_RADIUS_KM_MAX 20100.0 /* half way round */
#define GEO_CELL_SIZE     8

struct geo_point {
    double lat, lon; /* degrees */
};

struct geo_box {
    double lat_min, lat_max, lon_min, lon_max;
};

/* Great-circle distance (haversine, mean radius). */
double geo_distance_km(struct geo_point a, struct geo_point b);
/* Boxes that hold every point within the radius: one, or two at the antimeridian; with a pole
 * inside one over all longitudes. */
size_t geo_boxes(struct geo_point center, double radius_km, struct geo_box ret_boxes[static 2]);
/* The square of two degrees a point lies in, as one word: "g067096". */
void geo_cell(struct geo_point point, char ret_cell[static GEO_CELL_SIZE]);
/* "g067096 OR g067097 ...": the squares the boxes touch. False, and nothing written, when they are
 * more than max. */
bool geo_cells(const struct geo_box *boxes, size_t count, size_t max, struct buf *list);

#endif
