/* Stand-ins for NVIDIA's libraries, for machines without a device. Memory of the device is memory of the host, copies are
 * copied and counted, kernels and products compute nothing, and every other call succeeds. What a stream must not do while
 * it is being captured fails here, too. Signatures, enumerators and extents are those of CUDA 13 and cuDNN 9.
 *
 * Each library is compiled from this file with its own macro and the version of its symbols, which is its file name. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUCCEED(name) int name(void) { return 0; }
/* Handles and descriptors that nothing looks into. */
#define HAND_OUT(name) int name(void **made) { *made = made; return 0; }

#ifdef CUDART

enum { HOST_TO_DEVICE = 1, DEVICE_TO_HOST = 2 };
enum { INVALID_VALUE = 1, CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901 };

/* What was counted since the last reset; the test reads it by name. */
struct counts {
    uint64_t to_device, to_host, launches, captures, replays, copies_in_capture;
};
struct counts cuda_stub_counts;

/* The stream that is being captured, for all threads: ONNX Runtime captures in the global mode. */
static void *captured;
static int invalid;
static char token;

/* What a graph computes, in order: what other stand-ins hand over while its stream is captured. */
struct work { void (*run)(void *); void *data; struct work *next; };
struct graph { struct work *first, **end; };
static struct graph *recorded;

/* Keeps work for the graph that is being captured on a stream, if one is. */
void cuda_stub_record(void *stream, void (*run)(void *), void *data) {
    if (!captured || captured != stream) return;
    struct work *work = malloc(sizeof *work);
    *work = (struct work){run, data, NULL};
    *recorded->end = work;
    recorded->end = &work->next;
}

/* A call that allocates or waits: an error while anything is captured, which ends the capture. */
static int unsafe(void) {
    if (!captured) return 0;
    invalid = 1;
    return CAPTURE_UNSUPPORTED;
}

static int allocate(void **made, size_t size) {
    int error = unsafe();
    if (error) return error;
    return posix_memalign(made, 256, size ? size : 1) ? 2 : 0;
}

static int copy(void *to, const void *from, size_t size, int kind) {
    if (kind == HOST_TO_DEVICE) __atomic_fetch_add(&cuda_stub_counts.to_device, size, __ATOMIC_RELAXED);
    if (kind == DEVICE_TO_HOST) __atomic_fetch_add(&cuda_stub_counts.to_host, size, __ATOMIC_RELAXED);
    if (captured && (kind == HOST_TO_DEVICE || kind == DEVICE_TO_HOST)) cuda_stub_counts.copies_in_capture++;
    memmove(to, from, size);
    return 0;
}

int cudaMalloc(void **made, size_t size) { return allocate(made, size); }
int cudaMallocHost(void **made, size_t size) { return allocate(made, size); }
int cudaHostAlloc(void **made, size_t size, unsigned flags) { return allocate(made, size); }
int cudaMallocFromPoolAsync(void **made, size_t size, void *pool, void *stream) { return allocate(made, size); }

int cudaFree(void *memory) {
    int error = unsafe();
    if (!error) free(memory);
    return error;
}
int cudaFreeHost(void *memory) { return cudaFree(memory); }
int cudaFreeAsync(void *memory, void *stream) { return cudaFree(memory); }

int cudaMemcpy(void *to, const void *from, size_t size, int kind) {
    int error = unsafe();
    return error ? error : copy(to, from, size, kind);
}
int cudaMemcpyAsync(void *to, const void *from, size_t size, int kind, void *stream) { return copy(to, from, size, kind); }
int cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width, size_t height, int kind,
                      void *stream) {
    for (size_t row = 0; row < height; row++)
        copy((char *)to + row * to_pitch, (const char *)from + row * from_pitch, width, kind);
    return 0;
}
int cudaMemcpyFromSymbol(void *to, const void *symbol, size_t size, size_t offset, int kind) {
    memset(to, 0, size);
    return 0;
}
int cudaMemset(void *at, int value, size_t size) { memset(at, value, size); return 0; }
int cudaMemsetAsync(void *at, int value, size_t size, void *stream) { memset(at, value, size); return 0; }
int cudaMemGetInfo(size_t *left, size_t *all) { *left = *all = (size_t)16 << 30; return 0; }
int cudaMemPoolCreate(void **made, const void *properties) { *made = &token; return 0; }
int cudaMemPoolGetAttribute(void *pool, int attribute, uint64_t *value) { *value = 0; return 0; }
SUCCEED(cudaMemPoolDestroy) SUCCEED(cudaMemPoolSetAttribute) SUCCEED(cudaMemPoolTrimTo)

/* A device of compute capability 9.0, as far as the provider asks. */
struct properties {
    char name[256], identity[28];
    size_t memory, shared_of_block;
    int registers_of_block, warp;
    size_t pitch;
    int threads_of_block, block[3], grid[3];
    size_t constants;
    int major, minor;
    size_t alignment[2];
    int multiprocessors, others[155];
};
_Static_assert(offsetof(struct properties, major) == 360 && sizeof(struct properties) == 1008, "CUDA 13");

int cudaGetDeviceProperties(struct properties *p, int device) {
    *p = (struct properties){.name = "stub", .memory = (size_t)16 << 30, .shared_of_block = 48 << 10, .warp = 32,
                             .registers_of_block = 65536, .pitch = 0x7fffffff, .threads_of_block = 1024,
                             .block = {1024, 1024, 64}, .grid = {0x7fffffff, 65535, 65535}, .constants = 65536,
                             .major = 9, .alignment = {512, 32}, .multiprocessors = 100};
    /* Threads of a multiprocessor and its shared memory stand where CUDA 13 has them. */
    *(int *)((char *)p + 604) = 2048;
    *(size_t *)((char *)p + 624) = 228 << 10;
    *(size_t *)((char *)p + 672) = 227 << 10;
    return 0;
}

int cudaDeviceGetAttribute(int *value, int attribute, int device) {
    switch (attribute) {
    case 1: *value = 1024; break;      /* threads of a block */
    case 8: *value = 48 << 10; break;  /* shared memory of a block */
    case 10: *value = 32; break;       /* threads of a warp */
    case 12: *value = 65536; break;    /* registers of a block */
    case 16: *value = 100; break;      /* multiprocessors */
    case 39: *value = 2048; break;     /* threads of a multiprocessor */
    case 75: *value = 9; break;        /* major compute capability */
    case 81: *value = 228 << 10; break; /* shared memory of a multiprocessor */
    case 97: *value = 227 << 10; break; /* shared memory of a block that asks for it */
    default: *value = 0;
    }
    return 0;
}

int cudaGetDevice(int *device) { *device = 0; return 0; }
int cudaGetDeviceCount(int *count) { *count = 1; return 0; }
int cudaDriverGetVersion(int *version) { *version = 13000; return 0; }
int cudaRuntimeGetVersion(int *version) { *version = 13000; return 0; }
int cudaSetDevice(int device) { return device == 0 ? 0 : 101; }
int cudaPointerGetAttributes(void *attributes, const void *memory) { memset(attributes, 0, 24); return 0; }
const char *cudaGetErrorName(int error) { return error ? "cudaErrorStub" : "cudaSuccess"; }
const char *cudaGetErrorString(int error) { return error ? "an error of the stand-in" : "no error"; }
SUCCEED(cudaGetLastError) SUCCEED(cudaPeekAtLastError)

HAND_OUT(cudaStreamCreate) HAND_OUT(cudaStreamCreateWithFlags) HAND_OUT(cudaEventCreate) HAND_OUT(cudaEventCreateWithFlags)
SUCCEED(cudaStreamDestroy) SUCCEED(cudaStreamWaitEvent) SUCCEED(cudaEventDestroy) SUCCEED(cudaEventRecord)
SUCCEED(cudaEventRecordWithFlags)
int cudaDeviceSynchronize(void) { return unsafe(); }
int cudaEventSynchronize(void *event) { return unsafe(); }
int cudaStreamSynchronize(void *stream) { return captured == stream ? unsafe() : 0; }
int cudaEventElapsedTime(float *milliseconds, void *start, void *end) { *milliseconds = 1; return 0; }

int cudaStreamBeginCapture(void *stream, int mode) {
    if (captured || !stream) return INVALID_VALUE;
    captured = stream;
    invalid = 0;
    recorded = malloc(sizeof *recorded);
    *recorded = (struct graph){NULL, &recorded->first};
    return 0;
}
/* Others are given time to disturb it. */
int cudaStreamEndCapture(void *stream, void **graph) {
    if (captured != stream) return INVALID_VALUE;
    usleep(3000);
    captured = NULL;
    *graph = invalid ? NULL : recorded;
    cuda_stub_counts.captures += !invalid;
    return invalid ? CAPTURE_INVALIDATED : 0;
}
int cudaStreamIsCapturing(void *stream, int *status) { *status = captured == stream ? 1 + invalid : 0; return 0; }
int cudaGraphInstantiate(void **made, void *graph, unsigned long long flags) {
    *made = graph;
    return graph ? 0 : INVALID_VALUE;
}
int cudaGraphLaunch(struct graph *graph, void *stream) {
    if (!graph) return INVALID_VALUE;
    cuda_stub_counts.replays++;
    for (struct work *work = graph->first; work; work = work->next) work->run(work->data);
    return 0;
}
SUCCEED(cudaGraphDestroy) SUCCEED(cudaGraphExecDestroy)

static int launch(void) {
    __atomic_fetch_add(&cuda_stub_counts.launches, 1, __ATOMIC_RELAXED);
    return 0;
}
int cudaLaunchKernel(void) { return launch(); }
int cudaLaunchKernelExC(void) { return launch(); }
int cudaLaunchCooperativeKernel(void) { return launch(); }
int __cudaLaunchKernel(void) { return launch(); }
int cudaLaunchHostFunc(void *stream, void (*function)(void *), void *data) { function(data); return 0; }
int __cudaGetKernel(void **kernel, const void *function) { *kernel = (void *)function; return 0; }
int cudaLibraryLoadData(void **made) { *made = &token; return 0; }
int cudaLibraryGetKernel(void **made) { *made = &token; return 0; }
SUCCEED(cudaLibraryUnload) SUCCEED(cudaKernelSetAttributeForDevice) SUCCEED(cudaFuncSetAttribute)

struct function { size_t shared, constants, local; int threads, registers, others[25]; };
int cudaFuncGetAttributes(struct function *f, const void *function) {
    *f = (struct function){.threads = 1024, .registers = 32};
    return 0;
}
int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks) { *blocks = 2; return 0; }
static int entry_point(void) { return 0; }
int cudaGetDriverEntryPointByVersion(const char *symbol, void **function, unsigned version, unsigned long long flags,
                                     int *status) {
    *function = (void *)entry_point;
    if (status) *status = 0;
    return 0;
}

struct extent { unsigned x, y, z; };
static _Thread_local struct { struct extent grid, block; size_t shared; void *stream; } call;
unsigned __cudaPushCallConfiguration(struct extent grid, struct extent block, size_t shared, void *stream) {
    call.grid = grid, call.block = block, call.shared = shared, call.stream = stream;
    return 0;
}
int __cudaPopCallConfiguration(struct extent *grid, struct extent *block, size_t *shared, void **stream) {
    *grid = call.grid, *block = call.block, *shared = call.shared, *stream = call.stream;
    return 0;
}
void **__cudaRegisterFatBinary(void *binary) { static void *binaries; return &binaries; }
SUCCEED(__cudaRegisterFatBinaryEnd) SUCCEED(__cudaRegisterFunction) SUCCEED(__cudaRegisterVar)
SUCCEED(__cudaUnregisterFatBinary)

#endif

#ifdef CUBLAS

HAND_OUT(cublasCreate_v2)
int cublasGetMathMode(void *handle, int *mode) { *mode = 0; return 0; }
const char *cublasGetStatusName(int status) { return "CUBLAS_STATUS_SUCCESS"; }
const char *cublasGetStatusString(int status) { return "success"; }
SUCCEED(cublasDestroy_v2) SUCCEED(cublasSetMathMode) SUCCEED(cublasSetStream_v2)
SUCCEED(cublasSgemm_v2) SUCCEED(cublasDgemm_v2) SUCCEED(cublasGemmEx)
SUCCEED(cublasSgemmBatched) SUCCEED(cublasDgemmBatched) SUCCEED(cublasGemmBatchedEx)
SUCCEED(cublasSgemmStridedBatched) SUCCEED(cublasDgemmStridedBatched) SUCCEED(cublasGemmStridedBatchedEx)
SUCCEED(cublasSgeam) SUCCEED(cublasDgeam) SUCCEED(cublasScopy_v2) SUCCEED(cublasSscal_v2)
SUCCEED(cublasSgetrfBatched) SUCCEED(cublasDgetrfBatched) SUCCEED(cublasSgetriBatched) SUCCEED(cublasDgetriBatched)

#endif

#ifdef CUBLASLT

HAND_OUT(cublasLtCreate) HAND_OUT(cublasLtMatmulDescCreate) HAND_OUT(cublasLtMatmulPreferenceCreate)
HAND_OUT(cublasLtMatrixLayoutCreate) HAND_OUT(cublasLtMatrixTransformDescCreate)
SUCCEED(cublasLtDestroy) SUCCEED(cublasLtMatmul) SUCCEED(cublasLtMatmulAlgoConfigSetAttribute)
SUCCEED(cublasLtMatmulAlgoInit) SUCCEED(cublasLtMatmulDescDestroy) SUCCEED(cublasLtMatmulDescSetAttribute)
SUCCEED(cublasLtMatmulPreferenceDestroy) SUCCEED(cublasLtMatmulPreferenceSetAttribute)
SUCCEED(cublasLtMatrixLayoutDestroy) SUCCEED(cublasLtMatrixLayoutSetAttribute) SUCCEED(cublasLtMatrixTransform)
SUCCEED(cublasLtMatrixTransformDescDestroy) SUCCEED(cublasLtMatrixTransformDescSetAttribute)
/* No algorithm is offered. */
int cublasLtMatmulAlgoGetHeuristic(void *handle, void *operation, void *a, void *b, void *c, void *d, void *preference,
                                   int wanted, void *results, int *count) {
    *count = 0;
    return 0;
}

#endif

#ifdef CUDA

SUCCEED(cuTensorMapEncodeTiled)

#endif

#ifdef CURAND

SUCCEED(curandGetVersion)

#endif

#ifdef CUDNN

#include <dlfcn.h>

size_t cudnnGetVersion(void) { return 91300; }
const char *cudnnGetErrorString(int status) { return status ? "an error of the stand-in" : "success"; }
void cudnnGetLastErrorString(char *message, size_t size) { if (size) *message = 0; }
/* A handle is the place of its stream. */
int cudnnCreate(void ***made) { *made = calloc(1, sizeof **made); return 0; }
int cudnnDestroy(void **handle) { free(handle); return 0; }
int cudnnSetStream(void **handle, void *stream) { *handle = stream; return 0; }
int cudnnGetStream(void **handle, void **stream) { *stream = *handle; return 0; }
HAND_OUT(cudnnCreateTensorDescriptor) HAND_OUT(cudnnCreateReduceTensorDescriptor)
HAND_OUT(cudnnCreateActivationDescriptor) HAND_OUT(cudnnCreateConvolutionDescriptor) HAND_OUT(cudnnCreateFilterDescriptor)
HAND_OUT(cudnnCreatePoolingDescriptor)
SUCCEED(cudnnDestroyTensorDescriptor) SUCCEED(cudnnDestroyReduceTensorDescriptor)
SUCCEED(cudnnDestroyActivationDescriptor) SUCCEED(cudnnDestroyConvolutionDescriptor) SUCCEED(cudnnDestroyFilterDescriptor)
SUCCEED(cudnnDestroyPoolingDescriptor)
SUCCEED(cudnnSetTensorNdDescriptor) SUCCEED(cudnnSetReduceTensorDescriptor)
SUCCEED(cudnnSetActivationDescriptor) SUCCEED(cudnnSetFilterNdDescriptor) SUCCEED(cudnnSetPoolingNdDescriptor)
SUCCEED(cudnnReduceTensor) SUCCEED(cudnnPoolingForward) SUCCEED(cudnnSoftmaxForward) SUCCEED(cudnnAddTensor)
SUCCEED(cudnnActivationForward)
int cudnnGetReductionIndicesSize(void *handle, void *reduction, void *a, void *c, size_t *size) { *size = 0; return 0; }
int cudnnGetReductionWorkspaceSize(void *handle, void *reduction, void *a, void *c, size_t *size) { *size = 0; return 0; }

/* Descriptors of the graph interface keep what is set. Each graph has one engine, which needs no workspace. */
enum { CONVOLUTION_FORWARD = 10, DESCRIPTOR = 15 }; /* types of a descriptor and of an attribute */
enum {
    HEURISTIC_GRAPH = 201, HEURISTIC_RESULTS = 202, CONFIG_ENGINE = 300, PLAN_CONFIG = 401,
    FORWARD_W = 703, FORWARD_X = 704, FORWARD_Y = 705, GRAPH_OPERATIONS = 801, TENSOR_DIMENSIONS = 902, TENSOR_ID = 906,
    PACK_IDS = 1000, PACK_POINTERS = 1001, ENGINE_GRAPH = 1300,
};
struct value { int attribute; int64_t count; size_t size; void *data; struct value *next; };
struct descriptor { int type; struct value *values; };

static size_t size_of(int type) {
    switch (type) {
    case 0: case 3: case 5: case 6: case 15: return 8; /* handle, int64, double, pointer, descriptor */
    case 2: case 27: return 1; /* boolean, character */
    default: return 4; /* enumerators, float, int32 */
    }
}

static struct value *find(struct descriptor *d, int attribute) {
    struct value *v = d ? d->values : NULL;
    while (v && v->attribute != attribute) v = v->next;
    return v;
}

int cudnnBackendCreateDescriptor(int type, struct descriptor **made) {
    *made = calloc(1, sizeof **made);
    (*made)->type = type;
    return 0;
}
int cudnnBackendDestroyDescriptor(struct descriptor *d) {
    for (struct value *v = d->values, *next; v; v = next) {
        next = v->next;
        free(v->data);
        free(v);
    }
    free(d);
    return 0;
}
int cudnnBackendSetAttribute(struct descriptor *d, int attribute, int type, int64_t count, const void *data) {
    struct value *v = find(d, attribute);
    if (!v) {
        v = calloc(1, sizeof *v);
        v->next = d->values;
        d->values = v;
    }
    v->attribute = attribute, v->count = count, v->size = count * size_of(type);
    v->data = realloc(v->data, v->size + 1);
    memcpy(v->data, data, v->size);
    return 0;
}
/* What was set; else one zero, which is the workspace of a plan and the number of its engine, or, of lists, nothing. An
 * engine and its configuration, which the caller has made, are told their graph. */
int cudnnBackendGetAttribute(struct descriptor *d, int attribute, int type, int64_t wanted, int64_t *count, void *data) {
    struct value *v = find(d, attribute);
    int64_t has = v ? v->count : wanted <= 1;
    if (count) *count = has;
    if (!data || !wanted || !has) return 0;
    if (v) {
        memcpy(data, v->data, (wanted < has ? wanted : has) * size_of(type));
    } else if (attribute == HEURISTIC_RESULTS || attribute == CONFIG_ENGINE) {
        struct value *graph = find(d, attribute == HEURISTIC_RESULTS ? HEURISTIC_GRAPH : ENGINE_GRAPH);
        if (graph) cudnnBackendSetAttribute(*(struct descriptor **)data, ENGINE_GRAPH, DESCRIPTOR, 1, graph->data);
    } else {
        memset(data, 0, size_of(type));
    }
    return 0;
}
SUCCEED(cudnnBackendFinalize)

static void *first(struct descriptor *d, int attribute) { return find(d, attribute)->data; }

/* Memory of a tensor, and how many elements it has. */
static float *tensor(struct descriptor *pack, struct descriptor *operation, int attribute, int64_t *elements) {
    struct descriptor *t = *(struct descriptor **)first(operation, attribute);
    struct value *extents = find(t, TENSOR_DIMENSIONS), *ids = find(pack, PACK_IDS);
    *elements = 1;
    for (int64_t i = 0; i < extents->count; i++) *elements *= ((int64_t *)extents->data)[i];
    for (int64_t i = 0; i < ids->count; i++)
        if (((int64_t *)ids->data)[i] == *(int64_t *)first(t, TENSOR_ID)) return ((float **)first(pack, PACK_POINTERS))[i];
    return NULL;
}

struct product { const float *x, *w; float *y; int64_t elements; };

static void multiply(void *data) {
    struct product *p = data;
    float sum = 0;
    for (int64_t i = 0; i < p->elements; i++) sum += p->x[i] * p->w[i];
    *p->y = sum;
}

/* A convolution whose kernel covers its only image is a product of two vectors; that one is computed, at each replay as well,
 * since a program may well try whether it works. */
int cudnnBackendExecute(void **handle, struct descriptor *plan, struct descriptor *pack) {
    struct descriptor *config = *(struct descriptor **)first(plan, PLAN_CONFIG);
    struct descriptor *graph = *(struct descriptor **)first(config, ENGINE_GRAPH);
    struct descriptor *operation = *(struct descriptor **)first(graph, GRAPH_OPERATIONS);
    if (operation->type != CONVOLUTION_FORWARD) return 0;
    int64_t of_x, of_w, of_y;
    float *x = tensor(pack, operation, FORWARD_X, &of_x), *w = tensor(pack, operation, FORWARD_W, &of_w);
    float *y = tensor(pack, operation, FORWARD_Y, &of_y);
    if (!x || !w || !y) return 1;
    if (of_y > 1 || of_x != of_w) return 0;
    struct product *product = malloc(sizeof *product);
    *product = (struct product){x, w, y, of_x};
    multiply(product);
    void *runtime = dlopen("libcudart.so.13", RTLD_LAZY | RTLD_NOLOAD);
    void (*record)(void *, void (*)(void *), void *) = runtime ? dlsym(runtime, "cuda_stub_record") : NULL;
    if (!record) return 1;
    record(*handle, multiply, product);
    return 0;
}

#endif
