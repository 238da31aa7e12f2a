/* What the kernel says of this process. */
#ifndef GATEWAY_PROCESS_H
#define GATEWAY_PROCESS_H

#include "metrics/metrics.h"

/* Fills in what begins with cpu_seconds. */
void process_read(struct process_figures *figures);

#endif
