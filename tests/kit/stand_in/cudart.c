/* A CUDA runtime without CUDA: device memory is ordinary memory, streams do everything
   at once, events read the clock. DEVICES in the environment is how many there are. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int alive = 0;

static int make(void **out, size_t size) {
    *out = malloc(size ? size : 1);
    alive += 1;
    return *out ? 0 : 2;
}

static int drop(void *what) {
    free(what);
    alive -= 1;
    return 0;
}

__attribute__((destructor)) static void leaks(void) {
    if (alive) fprintf(stderr, "%d things were not given back\n", alive);
}

static int count(void) {
    const char *text = getenv("DEVICES");
    return text ? atoi(text) : 1;
}

const char *cudaGetErrorString(int code) {
    return code == 35 ? "CUDA driver version is insufficient" : "out of memory";
}
int cudaGetDeviceCount(int *out) {
    *out = count();
    return count() < 0 ? 35 : 0;
}
int cudaGetDeviceProperties(char *out, int device) {
    strcpy(out, "Stand-in GPU");
    return 0;
}
int cudaDeviceGetAttribute(int *out, int what, int device) {
    *out = what == 75 ? 8 : what == 76 ? 7 : -1;
    return 0;
}
int cudaDeviceGetPCIBusId(char *out, int size, int device) {
    snprintf(out, size, "0000:01:00.0");
    return 0;
}
int cudaMemGetInfo(size_t *free, size_t *total) {
    *free = 1u << 20;
    *total = 1u << 30;
    return 0;
}
int cudaDriverGetVersion(int *out) { *out = 13000; return 0; }
int cudaRuntimeGetVersion(int *out) { *out = 13000; return 0; }
int cudaMalloc(void **out, size_t size) { return make(out, size); }
int cudaFree(void *what) { return drop(what); }
int cudaHostAlloc(void **out, size_t size, unsigned flags) { return make(out, size); }
int cudaFreeHost(void *what) { return drop(what); }
int cudaMemcpyAsync(void *to, const void *from, size_t size, int kind, void *stream) {
    memcpy(to, from, size);
    return kind == 4 && stream ? 0 : 1;
}
int cudaStreamCreate(void **out) { return make(out, 1); }
int cudaStreamSynchronize(void *stream) { return 0; }
int cudaStreamDestroy(void *stream) { return drop(stream); }
/* What is recorded is done at once, and a launch does nothing more. */
static int recording = 0;
int cudaStreamBeginCapture(void *stream, int mode) {
    recording = mode == 1 && !getenv("NO_GRAPH");
    return recording ? 0 : 900;
}
int cudaStreamEndCapture(void *stream, void **graph) {
    if (!recording) return 901;
    recording = 0;
    return make(graph, 1);
}
int cudaGraphInstantiateWithFlags(void **out, void *graph, unsigned long long flags) {
    return flags ? 1 : make(out, 1);
}
int cudaGraphLaunch(void *launch, void *stream) { return launch && stream ? 0 : 1; }
int cudaGraphExecDestroy(void *launch) { return drop(launch); }
int cudaGraphDestroy(void *graph) { return drop(graph); }
int cudaEventCreate(void **out) { return make(out, sizeof(struct timespec)); }
int cudaEventRecord(void *event, void *stream) {
    return clock_gettime(CLOCK_MONOTONIC, event);
}
int cudaEventElapsedTime(float *out, struct timespec *a, struct timespec *b) {
    *out = (b->tv_sec - a->tv_sec) * 1e3f + (b->tv_nsec - a->tv_nsec) / 1e6f;
    return 0;
}
int cudaEventDestroy(void *event) { return drop(event); }
