/* libmodbus as a contestant: a thread per device, two reads of 20 holding registers per poll, nothing decoded.
 *
 * usage: libmodbus PORT DEVICES PERIOD_MS SPREAD WARM_UP_S SECONDS; a period of 0 is as fast as it goes.
 * Prints its figures as one line of JSON.
 */
#include <modbus/modbus.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { COUNT = 20, LATE_MOST = 200000 };
#define S 1000000000LL

static atomic_ullong polls, errors, skipped, late_count;
static long long late[LATE_MOST];
static long long period;

struct device {
    modbus_t *link;
    long long due;
};

static long long now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * S + time.tv_nsec;
}

static void wait_until(long long due) {
    struct timespec time = {.tv_sec = due / S, .tv_nsec = due % S};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) != 0) {
    }
}

static void *poll_device(void *argument) {
    struct device *device = argument;
    uint16_t words[COUNT];
    for (;;) {
        if (period > 0) {
            wait_until(device->due);
        }
        for (int start = 0; start <= 1000; start += 1000) {
            if (modbus_read_registers(device->link, start, COUNT, words) != COUNT) {
                atomic_fetch_add(&errors, 1);
            }
        }
        atomic_fetch_add(&polls, 1);
        if (period == 0) {
            continue;
        }
        unsigned long long at = atomic_fetch_add(&late_count, 1);
        if (at < LATE_MOST) {
            late[at] = now(CLOCK_MONOTONIC) - device->due;
        }
        device->due += period;
        while (device->due < now(CLOCK_MONOTONIC)) {
            device->due += period;
            atomic_fetch_add(&skipped, 1);
        }
    }
    return NULL;
}

static double resident_kb(void) {
    char line[256];
    double kb = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status)) {
        if (strncmp(line, "VmRSS:", 6) == 0) {
            kb = atof(line + 6);
        }
    }
    if (status) {
        fclose(status);
    }
    return kb;
}

static int ascending(const void *a, const void *b) {
    long long x = *(const long long *)a, y = *(const long long *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: %s PORT DEVICES PERIOD_MS SPREAD WARM_UP_S SECONDS\n", argv[0]);
        return 2;
    }
    int port = atoi(argv[1]), devices = atoi(argv[2]), spread = atoi(argv[4]);
    period = atoll(argv[3]) * (S / 1000);
    double before_kb = resident_kb();
    struct device *all = calloc((size_t)devices, sizeof *all);
    for (int i = 0; i < devices; i++) {
        all[i].link = modbus_new_tcp("127.0.0.1", port);
        modbus_set_slave(all[i].link, 1);
        modbus_set_response_timeout(all[i].link, 5, 0);
        if (modbus_connect(all[i].link) != 0) {
            fprintf(stderr, "device %d: %s\n", i, modbus_strerror(0));
            return 1;
        }
    }
    long long first = now(CLOCK_MONOTONIC) + S / 5;
    for (int i = 0; i < devices; i++) {
        all[i].due = first + (spread ? period * i / devices : 0);
        pthread_t thread;
        if (pthread_create(&thread, NULL, poll_device, &all[i]) != 0) {
            fprintf(stderr, "device %d: no thread\n", i);
            return 1;
        }
    }
    wait_until(now(CLOCK_MONOTONIC) + atoll(argv[5]) * S);
    unsigned long long polls_before = polls, errors_before = errors, skipped_before = skipped;
    unsigned long long late_before = late_count;
    long long start = now(CLOCK_MONOTONIC), cpu_start = now(CLOCK_PROCESS_CPUTIME_ID);
    wait_until(start + atoll(argv[6]) * S);
    long long cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu_start, elapsed = now(CLOCK_MONOTONIC) - start;
    unsigned long long done = polls - polls_before, late_after = late_count;
    double after_kb = resident_kb();
    size_t n = (size_t)((late_after < LATE_MOST ? late_after : LATE_MOST) - late_before);
    qsort(late + late_before, n, sizeof *late, ascending);
    double p50 = n ? (double)late[late_before + (n - 1) * 50 / 100] / 1e6 : 0;
    double p99 = n ? (double)late[late_before + (n - 1) * 99 / 100] / 1e6 : 0;
    printf("{\"polls\":%llu,\"seconds\":%.6f,\"cpu_s\":%.6f,\"rss_before_kb\":%.0f,\"rss_kb\":%.0f,"
           "\"late_p50_ms\":%.3f,\"late_p99_ms\":%.3f,\"skipped\":%llu,\"errors\":%llu}\n",
           done, (double)elapsed / 1e9, (double)cpu / 1e9, before_kb, after_kb, p50, p99,
           (unsigned long long)skipped - skipped_before, (unsigned long long)errors - errors_before);
    fflush(stdout);
    _Exit(0);
}
