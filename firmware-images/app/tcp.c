/* One TCP connection. It makes the same calls in the same order as the firmware's own TCPClient, which an application
 * would link in: the state of the network and of the socket first, and a receive without waiting whenever there is
 * room in its buffer, even while that still holds something. */
#include "app.h"

enum { BUFFER_LENGTH = 128 };

static uint32_t handle;
static bool has_handle;
static uint8_t buffer[BUFFER_LENGTH];
static uint32_t offset, total;

static bool is_open(void)
{
    return has_handle && socket_valid(handle);
}

static bool status(void)
{
    return is_open() && network_ready(0, 0, 0) && socket_active_status(handle) == SOCKET_ACTIVE;
}

bool tcp_connect(void)
{
    tcp_stop();
    if (!network_ready(0, 0, 0))
        return false;
    uint16_t port = config.server_port;
    handle = socket_create(FAMILY_INET, TYPE_STREAM, PROTOCOL_TCP, port, 0);
    has_handle = socket_valid(handle);
    log_wiring("socket=%lu", (unsigned long)handle);
    if (!has_handle)
        return false;
    struct socket_address to = {.family = FAMILY_INET, .port_be = {(uint8_t)(port >> 8), (uint8_t)port}};
    for (unsigned i = 0; i < sizeof to.address; ++i)
        to.address[i] = config.server_address[i];
    log_wiring("sock %lu connect", (unsigned long)handle);
    bool connected = socket_connect(handle, &to, sizeof to) == 0;
    log_wiring("sock %lu connected=%u", (unsigned long)handle, connected);
    if (!connected)
        tcp_stop();
    return connected;
}

int tcp_available(void)
{
    if (total && offset == total)
        offset = total = 0;
    if (network_ready(0, 0, 0) && is_open() && total < BUFFER_LENGTH) {
        int32_t length = socket_receive(handle, buffer + total, BUFFER_LENGTH - total, 0);
        if (length > 0) {
            log_wiring("recv(=%ld)", (long)length);
            total += (uint32_t)length;
        }
    }
    return (int)(total - offset);
}

int tcp_read(void)
{
    return total > offset || tcp_available() ? buffer[offset++] : -1;
}

bool tcp_is_connected(void)
{
    if (status() || total > offset)
        return true;
    if (!is_open())
        return false;
    /* Closed by the peer: what it sent before is still to be had. */
    bool has_data = tcp_available() > 0;
    if (!has_data)
        tcp_stop();
    return has_data;
}

bool tcp_write(const void *data, uint32_t length)
{
    return status() && socket_send(handle, data, length) == (int32_t)length;
}

void tcp_stop(void)
{
    log_wiring("sock %ld closesocket", has_handle ? (long)handle : -1);
    if (is_open())
        socket_close(handle);
    handle = socket_invalid();
    has_handle = false;
    offset = total = 0;
}
