/* A Modbus server on libmodbus, for the tests: "tcp" on a free port of 127.0.0.1, or "rtu" at a device path.
 *
 * Tables of 3000: holding register a holds a, input register a 10000 + a; every third coil and every fifth discrete
 * input is on. Unit 1. Says "ready PORT" or "ready PATH" when it listens, serves one connection after the other. */

#include <arpa/inet.h>
#include <errno.h>
#include <modbus/modbus.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SIZE = 3000, UNIT = 1 };

static int failed(const char *what) {
    fprintf(stderr, "%s: %s\n", what, modbus_strerror(errno));
    return 1;
}

/* Answers until the connection ends. */
static void serve(modbus_t *modbus, modbus_mapping_t *tables) {
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    for (;;) {
        int length = modbus_receive(modbus, query);
        if (length > 0) {
            modbus_reply(modbus, query, length, tables);
        } else if (length == -1 && (errno == EMBBADCRC || errno == ETIMEDOUT)) {
            /* What is left of a broken or cut frame would be taken for the head of the next. */
            modbus_flush(modbus);
        } else if (length == -1) {
            return;
        }
    }
}

static int serve_tcp(modbus_mapping_t *tables) {
    modbus_t *modbus = modbus_new_tcp("127.0.0.1", 0);
    if (modbus == NULL) return failed("modbus_new_tcp");
    modbus_set_slave(modbus, UNIT);
    int listener = modbus_tcp_listen(modbus, 8);
    if (listener == -1) return failed("modbus_tcp_listen");
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    if (getsockname(listener, (struct sockaddr *)&address, &size) != 0) return failed("getsockname");
    printf("ready %d\n", ntohs(address.sin_port));
    fflush(stdout);
    while (modbus_tcp_accept(modbus, &listener) != -1) {
        serve(modbus, tables);
        modbus_close(modbus);
    }
    return failed("modbus_tcp_accept");
}

static int serve_rtu(const char *path, modbus_mapping_t *tables) {
    modbus_t *modbus = modbus_new_rtu(path, 9600, 'N', 8, 2);
    if (modbus == NULL) return failed("modbus_new_rtu");
    modbus_set_slave(modbus, UNIT);
    if (modbus_connect(modbus) == -1) return failed(path);
    printf("ready %s\n", path);
    fflush(stdout);
    serve(modbus, tables);
    return failed(path);
}

int main(int count, char **argument) {
    modbus_mapping_t *tables = modbus_mapping_new(SIZE, SIZE, SIZE, SIZE);
    if (tables == NULL) return failed("modbus_mapping_new");
    for (int at = 0; at < SIZE; at++) {
        tables->tab_bits[at] = at % 3 == 0;
        tables->tab_input_bits[at] = at % 5 == 0;
        tables->tab_registers[at] = (uint16_t)at;
        tables->tab_input_registers[at] = (uint16_t)(10000 + at);
    }
    if (count == 2 && strcmp(argument[1], "tcp") == 0) return serve_tcp(tables);
    if (count == 3 && strcmp(argument[1], "rtu") == 0) return serve_rtu(argument[2], tables);
    fprintf(stderr, "use: %s tcp | rtu PATH\n", argument[0]);
    return 2;
}
