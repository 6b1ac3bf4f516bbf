/*
 * QTest testcase for dynamic capacity, driven at random against a model
 *
 * Copyright (c) 2026 The vfio-cxl authors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cxl-dcd-util.h"

/* ---- anything in any order ---- */

#define TAGS    16
#define PLACES  48
#define OFFERS  64

enum { FREE, OFFERED, ACCEPTED, RELEASING };

/* What the device has to say, after everything that was done to it */
typedef struct {
    struct {
        int state;
        unsigned tag;
        unsigned part;          /* of the backend, in blocks */
    } place[PLACES];
    struct {
        unsigned n;
        bool withdrawn;
        unsigned place[3];
    } offer[OFFERS];
    unsigned first, last;       /* offer[] that have no response */
    unsigned order[PLACES];     /* of acceptance */
    unsigned accepted;
    bool tag_used[TAGS];
    bool committed;
} Model;

/* How many blocks, and extents, a tag has */
static unsigned tag_size(unsigned tag)
{
    return tag % 3 + 1;
}

static void model_forget(Model *m, unsigned place)
{
    unsigned tag = m->place[place].tag, n = 0;

    m->place[place].state = FREE;
    for (unsigned i = 0; i < m->accepted; i++) {
        if (m->order[i] != place) {
            m->order[n++] = m->order[i];
        }
    }
    m->accepted = n;
    m->tag_used[tag] = false;
    for (unsigned i = 0; i < PLACES; i++) {
        m->tag_used[tag] |= m->place[i].state != FREE && m->place[i].tag == tag;
    }
}

static void model_print(const Model *m, GString *s, unsigned place)
{
    static const char *const state[] = { NULL, "offered", "accepted",
                                         "releasing" };
    int is = m->place[place].state;

    g_string_append_printf(s, "0:%" PRIx64 "+200000 %s m%u %s; ",
                           (uint64_t)place * BLOCK, state[is],
                           m->place[place].tag, is == OFFERED ? "-" :
                           m->committed ? "direct" : "none");
}

static void model_check(const Model *m, CXLTest *t)
{
    g_autoptr(GString) s = g_string_new(NULL);

    for (unsigned i = 0; i < m->accepted; i++) {
        model_print(m, s, m->order[i]);
    }
    for (unsigned i = m->first; i != m->last; i = (i + 1) % OFFERS) {
        for (unsigned n = 0; n < m->offer[i].n && !m->offer[i].withdrawn; n++) {
            model_print(m, s, m->offer[i].place[n]);
        }
    }
    assert_status(t, "dcd0", s->str);
}

static void random_add(Model *m, CXLTest *t)
{
    unsigned tag = g_test_rand_int_range(0, TAGS), n = tag_size(tag);
    unsigned next = (m->last + 1) % OFFERS;
    g_autoptr(GString) list = g_string_new(NULL);

    if (m->tag_used[tag] || next == m->first) {
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        unsigned p;

        do {
            p = g_test_rand_int_range(0, PLACES);
        } while (m->place[p].state != FREE);
        m->place[p].state = OFFERED;
        m->place[p].tag = tag;
        m->place[p].part = i;
        m->offer[m->last].place[i] = p;
        g_string_append_printf(list, "%s{'offset': %" PRIu64 ", 'len': %u}",
                               i ? "," : "", (uint64_t)p * BLOCK,
                               (unsigned)BLOCK);
    }
    m->offer[m->last].n = n;
    m->offer[m->last].withdrawn = false;
    m->last = next;
    m->tag_used[tag] = true;
    /* It may yet be cleared */
    for (unsigned i = 0; ; i++) {
        g_autofree char *err = add_extents(t, "dcd0", 0, tag, list->str);

        if (!err) {
            break;
        }
        g_assert_nonnull(strstr(err, "in use"));
        g_assert_cmpint(i, <, 5000);
        g_usleep(1000);
    }
}

static void random_respond(Model *m, CXLTest *t, const Dcd *d)
{
    Extent e[3];
    unsigned n = 0, offer = m->first;
    uint16_t ret;

    if (m->first == m->last) {
        g_assert_cmphex(send_list(t, d, ADD_DC_RESPONSE, NULL, 0), ==,
                        INVALID_INPUT);
        return;
    }
    if (!g_test_rand_int_range(0, 4)) {
        /* nobody offered that, and the offer stays */
        g_assert_cmphex(accept_one(t, d, PLACES * BLOCK, BLOCK), ==,
                        INVALID_PA);
        return;
    }
    for (unsigned i = 0; i < m->offer[offer].n; i++) {
        unsigned p = m->offer[offer].place[i];

        if (g_test_rand_int_range(0, 4)) {
            e[n++] = (Extent) { p * BLOCK, BLOCK };
            if (!m->offer[offer].withdrawn) {
                m->place[p].state = ACCEPTED;
                m->order[m->accepted++] = p;
            }
        } else if (!m->offer[offer].withdrawn) {
            model_forget(m, p);
        }
    }
    ret = send_list(t, d, ADD_DC_RESPONSE, e, n);
    g_assert_cmphex(ret, ==, n && m->offer[offer].withdrawn ? INVALID_PA
                                                            : SUCCESS);
    m->first = (m->first + 1) % OFFERS;
}

static void random_release(Model *m, CXLTest *t, const Dcd *d)
{
    unsigned p = g_test_rand_int_range(0, PLACES);

    if (m->place[p].state < ACCEPTED) {
        g_assert_cmphex(release_one(t, d, p * BLOCK, BLOCK), ==, INVALID_PA);
    } else {
        g_assert_cmphex(release_one(t, d, p * BLOCK, BLOCK), ==, SUCCESS);
        model_forget(m, p);
    }
}

/* By tag: all that has it */
static void random_ask(Model *m, CXLTest *t)
{
    unsigned tag = g_test_rand_int_range(0, TAGS);
    bool force = g_test_rand_bit(), sanitize = g_test_rand_bit(), any = false;
    g_autofree char *how = g_strdup_printf("%s%s'tag': '" TAG "'",
                                           force ? FORCED : "",
                                           sanitize ? SANITIZE : "", tag);
    g_autofree char *err = NULL;
    bool offered = false;

    for (unsigned p = 0; p < PLACES; p++) {
        any |= m->place[p].state != FREE && m->place[p].tag == tag;
        offered |= m->place[p].state == OFFERED && m->place[p].tag == tag;
    }
    err = release(t, "dcd0", "tag-based", 0, how);
    if (!any || (offered && !force)) {
        g_assert_nonnull(err);
        return;
    }
    g_assert_cmpstr(err, ==, NULL);
    for (unsigned i = m->first; i != m->last; i = (i + 1) % OFFERS) {
        if (!m->offer[i].withdrawn &&
            m->place[m->offer[i].place[0]].tag == tag) {
            m->offer[i].withdrawn = true;
        }
    }
    for (unsigned p = 0; p < PLACES; p++) {
        if (m->place[p].state != FREE && m->place[p].tag == tag) {
            if (force) {
                model_forget(m, p);
            } else {
                m->place[p].state = RELEASING;
            }
        }
    }
}

static void random_memory(const Model *m, CXLTest *t)
{
    unsigned p = g_test_rand_int_range(0, PLACES);
    uint64_t offset = g_test_rand_int_range(0, BLOCK / 8) * 8;

    if (m->committed && m->place[p].state >= ACCEPTED) {
        assert_memory(t, m->place[p].tag, m->place[p].part * BLOCK + offset,
                      t->window + p * BLOCK + offset);
    } else {
        g_assert(!is_memory(t, t->window + p * BLOCK + offset));
    }
}

static void test_random(void)
{
    unsigned steps = g_test_slow() ? 1000000 : 5000;
    g_autofree Model *m = g_new0(Model, 1);
    CXLTest t;
    Dcd d = boot_one(&t, ONE);

    m->committed = true;
    for (unsigned i = 0; i < TAGS; i++) {
        backend_add(&t, i, tag_size(i) * BLOCK);
    }
    for (unsigned i = 0; i < steps; i++) {
        switch (g_test_rand_int_range(0, 8)) {
        case 0:
        case 1:
            random_add(m, &t);
            break;
        case 2:
        case 3:
            random_respond(m, &t, &d);
            break;
        case 4:
            random_release(m, &t, &d);
            break;
        case 5:
            random_ask(m, &t);
            break;
        case 6:
            random_memory(m, &t);
            break;
        case 7:
            m->committed = !m->committed;
            qtest_writel(t.qts, d.hdm + HDM_CTRL(0),
                         m->committed ? CTRL_COMMIT : 0);
            break;
        }
        model_check(m, &t);
        if (i % 64 == 0) {
            clear_events(&t, &d);
        }
    }
    shut(&t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    if (!qtest_has_device("cxl-type3")) {
        g_test_skip("no cxl-type3");
        return 0;
    }

    qtest_add_func("/cxl-dcd-random/random", test_random);

    return g_test_run();
}
