/* Tells a service manager what the process is doing: systemd's sd_notify(3). */
#ifndef GATEWAY_NOTIFY_H
#define GATEWAY_NOTIFY_H

/* Sends a state such as "READY=1" to the socket that NOTIFY_SOCKET names; without one does nothing.
 */
void notify(const char *state);

#endif
