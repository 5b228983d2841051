/* Orders. */
#include <stdio.h>
#include "store.h"

#define LIMIT 10
#define SQUARE(x) ((x) * (x))

/** An order. */
struct order {
    int id;
    struct item *items;
};

typedef struct order order_t;
typedef unsigned long id_type;

enum status { OPEN, CLOSED };

static int counter = 0;

int find_order(id_type id);

/* Adds up an order. */
static double *total(const struct order *order, int rate) {
    store_t *store = store_open("db (x)");
    printf("%d\n", order->id);
    return store->lookup(order, SQUARE(rate));
}
